"""Fidelity, diversity and copies, from distances between nearest neighbours in feature space."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

_ROWS = 2048  # of a distance matrix at a time


class FilledBalls(NamedTuple):
    """How densely real neighbourhoods are filled (not bounded by 1), and the share of them that are not empty."""

    density: float
    coverage: float


def density_coverage(fake: Tensor, real: Tensor, neighbours: int = 5) -> FilledBalls:
    """Count generated features in the balls around the real ones (Naeem et al. 2020, arXiv 2002.09797).

    density = 1 / (k M) sum_j sum_i 1[|y_j - x_i| < r_i]; coverage = 1 / N sum_i 1[min_j |y_j - x_i| < r_i], where r_i
    is the distance of x_i to its k-th nearest other real feature.

    Args:
        fake, real: (M, D) and (N, D), k < N.
    """
    radii = _radii(real, neighbours)
    inside, covered = 0, 0
    for rows, distances in _distances(real, fake):
        near = distances < radii[rows, None]
        inside += int(near.sum())
        covered += int(near.any(dim=1).sum())
    return FilledBalls(inside / (neighbours * len(fake)), covered / len(real))


def authentic_share(fake: Tensor, real: Tensor) -> float:
    """Share of generated features that are no copies of a training feature (Alaa et al. 2022, arXiv 2102.08921).

    y is authentic if its nearest training feature x* has another training feature nearer than y: |y - x*| > r_1(x*).
    AuthPct (Stein et al. 2023, arXiv 2306.04675) is this share in percent. A generator as good as a second training set
    has a share well below 1, so compare it with that of held-out real images.

    Args:
        fake, real: (M, D) generated and (N, D) training features, N > 1.
    """
    nearest = [distances.min(dim=1) for _, distances in _distances(fake, real)]
    distances, places = (torch.cat([getattr(some, part) for some in nearest]) for part in ("values", "indices"))
    hit, place_among_hit = places.unique(return_inverse=True)
    return float((_radii(real, 1, hit)[place_among_hit] < distances).double().mean())


def _radii(points: Tensor, k: int, chosen: Tensor | None = None) -> Tensor:
    """Return the distance of each point (N, D), or of those chosen, to its k-th nearest other one: float64."""
    chosen = torch.arange(len(points)) if chosen is None else chosen
    found = []
    for rows, distances in _distances(points[chosen], points):
        distances[torch.arange(len(distances)), chosen[rows]] = torch.inf
        found.append(distances.kthvalue(k, dim=1).values)
    return torch.cat(found)


def _distances(points: Tensor, others: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield Euclidean distances of some of the points to all others: (rows, others) float64.

    In double precision, since the usual expansion of the square puts an exact copy at a distance above zero.
    """
    wide = others.double()
    for start in range(0, len(points), _ROWS):
        block = points[start : start + _ROWS].double()
        yield slice(start, start + _ROWS), torch.cdist(block, wide)
