"""MIND, the Monge Inception Distance (Berthet et al. 2026, arXiv 2605.06797): optimal transport along random lines.

    MIND = 3 D / (n M) sum_m sum_i ((u_m x)_(i) - (u_m y)_(i))^2

over n features on either side, sorted along each of M random directions u_m: 3 D times the squared sliced
2-Wasserstein distance. No covariance is estimated, so few images do; the bias of n images is still above zero, so the
counts belong to the score.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .formulas import RNG_SEED

_AT_ONCE = 100  # directions


def sliced_distance(fake: Tensor, real: Tensor, projections: int = 1000, rng_seed: int = RNG_SEED) -> float:
    """Compare as many generated as real features, (n, D) each, along random directions."""
    width = fake.shape[1]
    draw, total = torch.Generator().manual_seed(rng_seed), 0.0
    directions = torch.randn(projections, width, generator=draw, dtype=torch.float64)
    directions = (directions / directions.norm(dim=1, keepdim=True)).float()
    for some in directions.split(_AT_ONCE):
        mine, theirs = (side.float() @ some.T for side in (fake, real))
        difference = mine.sort(dim=0).values - theirs.sort(dim=0).values
        total += float(difference.double().square().mean(dim=0).sum())
    return 3 * width * total / projections
