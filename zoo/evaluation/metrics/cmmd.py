"""CMMD (Jayasumana et al. 2024, arXiv 2401.09603): maximum mean discrepancy of CLIP embeddings, Gaussian kernel.

With embeddings x (generated) and y (real) of unit length, and k(a, b) = exp(-|a - b|^2 / (2 sigma^2)), sigma = 10:

    CMMD = 1000 (mean k(x, x') + mean k(y, y') - 2 mean k(x, y))

over all pairs, those of a point with itself included, as in the authors' code: this biased estimate is 0 for equal sets
and never below.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SIGMA, SCALE = 10.0, 1000.0
_ROWS = 2048  # of a kernel matrix at a time


def cmmd(fake: Tensor, real: Tensor) -> float:
    """Compute CMMD of features (N, D) and (M, D), which are scaled to unit length here."""
    x, y = F.normalize(fake.double()), F.normalize(real.double())
    return SCALE * (_mean_kernel(x, x) + _mean_kernel(y, y) - 2 * _mean_kernel(x, y))


def _mean_kernel(a: Tensor, b: Tensor) -> float:
    """Return the mean over all pairs; of unit vectors, |a - b|^2 = 2 - 2 a b."""
    total = sum(float(torch.exp((rows @ b.T - 1) / SIGMA**2).sum()) for rows in a.split(_ROWS))
    return total / (len(a) * len(b))
