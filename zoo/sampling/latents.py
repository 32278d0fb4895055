"""Counter-based noise: the latent and the label of image i depend on (seed, i) alone.

`common.philox` turns (key, counter) into random bits without any state. So image 7 of seed 3 is the same alone, in a
batch of 64, and on rank 5 of 8.
Key: the seed. Counter: (block within the image, image index low and high, purpose and attempt).
"""

from __future__ import annotations

import math
import secrets

import torch
from torch import Tensor

from ..common.errors import ZooError
from ..common.philox import MASK, philox, words

_LATENT, _LABEL = 0, 1 << 24  # purposes; the attempt of truncated draws is added to the first
_MAX_ATTEMPTS = 1000


def random_seed() -> int:
    """Return a new seed from the operating system, small enough to read aloud."""
    return secrets.randbelow(1 << 32)


def check_seed(seed: int | None) -> int:
    """Return the seed, or a new one for None; raises ZooError outside 0 ... 2**64 - 1."""
    if seed is None:
        return random_seed()
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 64:
        raise ZooError(f"seed {seed!r} is not usable; give an integer from 0 to 2**64 - 1")
    return seed


def check_truncation(truncation: float | None) -> None:
    """Raise ZooError for a threshold so small that resampling would hardly ever end."""
    if truncation is not None and not truncation >= 0.05:
        raise ZooError(f"truncation {truncation} is too small; give a threshold of at least 0.05, or None for no limit")


def _normals(seed: int, start: int, n: int, dim: int, attempt: int) -> Tensor:
    """Return (n, dim) float64 standard normals by Box-Muller: four per counter, rows start ... start + n - 1."""
    blocks = -(-dim // 4)
    block, row = torch.arange(blocks)[None, :], torch.arange(start, start + n)[:, None]
    block, row = torch.broadcast_tensors(block, row)
    drawn = philox(seed, (block, row & MASK, row >> 32, _LATENT + attempt))
    u = [(word.double() + 0.5) / 2**32 for word in drawn]  # in (0, 1), never 0 or 1
    parts = []
    for radius, angle in ((u[0], u[1]), (u[2], u[3])):
        r = (-2 * radius.log()).sqrt()
        parts += [r * (2 * math.pi * angle).cos(), r * (2 * math.pi * angle).sin()]
    return torch.stack(parts, dim=2).flatten(1)[:, :dim]


def normal(seed: int, start: int, n: int, dim: int, truncation: float | None = None) -> Tensor:
    """Return latents (n, dim) float32 on the CPU for images start ... start + n - 1.

    Args:
        truncation: each element is drawn again until its magnitude is at most this (the "truncation trick by
            resampling" of BigGAN, arXiv 1809.11096, Section 3.1); None = plain N(0, 1).
    """
    check_truncation(truncation)
    z = _normals(seed, start, n, dim, 0)
    if truncation is not None:
        for attempt in range(1, _MAX_ATTEMPTS):
            outside = z.abs() > truncation
            if not outside.any():
                break
            z = torch.where(outside, _normals(seed, start, n, dim, attempt), z)
        z = z.clamp(-truncation, truncation)  # for the one in 10^17 that stays outside
    return z.float()


def labels(seed: int, start: int, n: int, num_classes: int) -> Tensor:
    """Return uniform class labels (n,) int64 for images start ... start + n - 1."""
    return words(seed, start, n, _LABEL) * num_classes >> 32
