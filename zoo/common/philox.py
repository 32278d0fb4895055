"""Random numbers from counters: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").

It turns (key, counter) into 128 random bits without any state. The key is a seed; the last word of the counter is a
purpose, so that two purposes never share random numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

MASK = 0xFFFFFFFF
_ROUNDS = 10


def philox(seed: int, counter: tuple[Tensor, Tensor, Tensor, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return four random 32-bit words (int64 tensors, 0 ... 2**32 - 1) per counter."""
    c0, c1, c2 = counter[:3]
    c3 = torch.full_like(c0, counter[3])
    k0, k1 = seed & MASK, seed >> 32
    for _ in range(_ROUNDS):
        # Products of two 32-bit numbers fit 64 bits; int64 wraps, and its bits are those of the unsigned product.
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32 & MASK) ^ c1 ^ k0, p1 & MASK, (p0 >> 32 & MASK) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def words(seed: int, start: int, n: int, purpose: int) -> Tensor:
    """Return random 32-bit words (n,) int64, one per counter start ... start + n - 1; purposes do not overlap."""
    row = torch.arange(start, start + n, device="cpu")
    return philox(seed, (torch.zeros_like(row), row & MASK, row >> 32, purpose))[0]
