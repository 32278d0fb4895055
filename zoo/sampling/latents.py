"""Counter-based noise: the latent and the label of image i depend on (seed, i) alone.

`common.philox` turns (key, counter) into random bits without any state. So image 7 of seed 3 is the same alone, in a
batch of 64, and on rank 5 of 8.
Key: the seed. Counter: (block within the image, image index low and high, purpose and attempt).
"""

from __future__ import annotations

import math
import secrets
from typing import Any

import torch
from torch import Tensor

from ..common.errors import UsageError
from ..common.memory import refuse_if_too_large
from ..common.numbers import whole
from ..common.philox import MASK, philox, words
from ..common.text import short

_LATENT, _LABEL = 0, 1 << 24  # purposes; the attempt of truncated draws is added to the first
_MAX_ATTEMPTS = 1000
_AT_ONCE = 1 << 22  # numbers; the integers behind them take ten times their memory
LEAST_TRUNCATION = 0.05


def random_seed() -> int:
    """Return a new seed from the operating system, small enough to read aloud."""
    return secrets.randbelow(1 << 32)


def check_seed(seed: Any) -> int:
    """Return the seed as an int, or a new one for None; raises ZooError outside 0 ... 2**64 - 1."""
    return random_seed() if seed is None else whole("seed", seed, 0, (1 << 64) - 1)


def check_start(start: Any) -> int:
    """Return the index of a first image as an int; raises ZooError if it, or those behind it, would not fit int64."""
    return whole("start", start, 0, 1 << 62)


def seed_from(seed: Any, generator: torch.Generator | None) -> int:
    """Return the seed, or one of 63 bits drawn from the generator, whose state advances; a new one if both are None.

    Raises:
        ZooError: both are given, or one of them is not usable.
    """
    if generator is None:
        return check_seed(seed)
    if seed is not None:
        raise UsageError("seed and generator are both given; give one of them")
    if not isinstance(generator, torch.Generator):
        raise UsageError(f"generator is {short(generator)}; give a torch.Generator")
    return int(torch.randint((1 << 63) - 1, (), generator=generator, device=generator.device, dtype=torch.int64))


def check_truncation(truncation: Any) -> float | None:
    """Return a threshold as a float, and None for None or "none".

    Raises:
        ZooError: it is not a finite number, or so small that resampling would hardly ever end.
    """
    if truncation is None or (isinstance(truncation, str) and truncation.strip().lower() == "none"):
        return None
    number = _real(truncation)
    if number is None or not LEAST_TRUNCATION <= number < math.inf:
        raise UsageError(
            f"truncation is {short(truncation)}; give a number of at least {LEAST_TRUNCATION}, or None for no limit"
        )
    return number


def _real(value: Any) -> float | None:
    if isinstance(value, bool) or str(getattr(value, "dtype", "")).removeprefix("torch.") == "bool":
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # no number, or an array or tensor of several
        return None


def _normals(seed: int, start: int, n: int, dim: int, attempt: int) -> Tensor:
    """Return (n, dim) float64 standard normals by Box-Muller: four per counter, rows start ... start + n - 1."""
    blocks = -(-dim // 4)
    block = torch.arange(blocks, device="cpu")[None, :]
    row = torch.arange(start, start + n, device="cpu")[:, None]
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
    start, n, truncation = check_start(start), whole("n", n), check_truncation(truncation)
    at_once = max(1, _AT_ONCE // max(1, dim))
    if n <= at_once:
        return _truncated(seed, start, n, dim, truncation)
    refuse_if_too_large(4 * n * dim, f"{n:,} latents of {dim} numbers", "draw them in parts, with start=")
    z = torch.empty(n, dim, dtype=torch.float32, device="cpu")
    for first in range(0, n, at_once):
        count = min(at_once, n - first)
        z[first : first + count] = _truncated(seed, start + first, count, dim, truncation)
    return z


def _truncated(seed: int, start: int, n: int, dim: int, truncation: float | None) -> Tensor:
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
    start, n = check_start(start), whole("n", n)
    refuse_if_too_large(8 * n, f"the labels of {n:,} images", "draw them in parts")
    y = torch.empty(n, dtype=torch.int64, device="cpu")
    for first in range(0, n, _AT_ONCE):
        count = min(_AT_ONCE, n - first)
        y[first : first + count] = words(seed, start + first, count, _LABEL) * num_classes >> 32
    return y


def great_circle(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Return points (steps, D) on the great circle from a to b (1, D); lengths go linearly from |a| to |b|."""
    norm_a, norm_b = a.norm(), b.norm()
    angle = torch.arccos(((a / norm_a) * (b / norm_b)).sum().clamp(-1, 1))
    if angle < 1e-4:  # almost the same direction: the arc is a straight line
        return a + t * (b - a)
    direction = (torch.sin((1 - t) * angle) * a / norm_a + torch.sin(t * angle) * b / norm_b) / torch.sin(angle)
    return direction * (norm_a + t * (norm_b - norm_a))
