"""Random draws of the losses, as a pure function of (seed, update, number of the draw, image).

An update is one optimisation step of one network. Within it draws are numbered in the order of the calls, so draw k of
update s depends on no other draw, on no earlier update and on no process: rows belong to images by their index in the
whole batch, so two processes with 32 images each draw the same numbers as one with 64. The update's number is a tensor
on the device, so a captured CUDA graph draws anew in every replay.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from zoo.common import philox
from zoo.sampling import latents

_MASK = 0xFFFFFFFF
_DRAWS = 1 << 25  # purposes of random words from here on, beside those of zoo.sampling.latents and training.data


class Noise(Protocol):
    """The source of a term's random draws. Row i of every result belongs to image i of this process."""

    def uniform(self, n: int, *shape: int) -> Tensor:
        """Numbers in [0, 1), (n, *shape) float32."""
        raise NotImplementedError

    def normal(self, n: int, *shape: int) -> Tensor:
        """Standard normal numbers, (n, *shape) float32."""
        raise NotImplementedError

    def integers(self, low: int, high: int, n: int, *shape: int) -> Tensor:
        """Integers from low to high - 1, (n, *shape) int64."""
        raise NotImplementedError

    def coins(self, n: int) -> Tensor:
        """Fair coins, (n,) bool."""
        raise NotImplementedError

    def begin(self, update: int) -> None:
        """Draw for this update from now on, the first draw first."""

    def advance(self) -> None:
        """Continue with the next update."""


class CountedNoise:
    """Philox words (see `zoo.common.philox`) with counter (word within the row, row, update, number of the draw).

    Args:
        seed: of the run, 0 ... 2**64 - 1.
        first_row: index in the whole batch of this process's first image.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu", first_row: int = 0):
        self.seed, self.first_row = latents.check_seed(seed), first_row
        self.update = torch.zeros((), dtype=torch.int64, device=device)
        self.draws = 0  # made in this update

    def begin(self, update: int) -> None:
        self.update.fill_(update)
        self.draws = 0

    def advance(self) -> None:
        self.update += 1
        self.draws = 0

    def uniform(self, n: int, *shape: int) -> Tensor:
        return _fraction(self._words(n, shape))

    def normal(self, n: int, *shape: int) -> Tensor:
        """By Box-Muller, from two words per number."""
        radius, angle = self._words(n, (*shape, 2)).unbind(-1)
        return (-2 * (1 - _fraction(radius)).log()).sqrt() * (2 * math.pi * _fraction(angle)).cos()

    def integers(self, low: int, high: int, n: int, *shape: int) -> Tensor:
        return low + (self._words(n, shape) * (high - low) >> 32)

    def coins(self, n: int) -> Tensor:
        return self._words(n, ()) >= 1 << 31

    def _words(self, n: int, shape: tuple[int, ...]) -> Tensor:
        """Random 32-bit words, (n, *shape) int64."""
        count = math.prod(shape)
        device = self.update.device
        block = torch.arange(-(-count // 4), device=device)[None, :]
        row = torch.arange(self.first_row, self.first_row + n, device=device)[:, None]
        block, row, update = torch.broadcast_tensors(block, row, self.update & _MASK)
        words = philox.philox(self.seed, (block, row, update, _DRAWS + self.draws))
        self.draws += 1
        return torch.stack(words, dim=2).flatten(1)[:, :count].reshape(n, *shape)


def _fraction(words: Tensor) -> Tensor:
    """The upper 24 bits as a number in [0, 1), exact in float32."""
    return (words >> 8).float() / 2**24
