"""Draws that a case has stored, in place of random ones, and batches of images that draw from them."""

from __future__ import annotations

import torch
from torch import Tensor

from training.noise import Noise
from training.objectives import GeneratedBatch
from zoo.nets import DiscriminatorOutput


class GivenNoise:
    """Hands out the tensors it was given, one a draw, whatever their distribution; shapes must be as asked for."""

    def __init__(self, *draws: Tensor):
        self.draws = list(draws)

    def _next(self, *shape: int) -> Tensor:
        return self.draws.pop(0).reshape(shape)

    def uniform(self, n: int, *shape: int) -> Tensor:
        return self._next(n, *shape)

    normal = uniform

    def integers(self, low: int, high: int, n: int, *shape: int) -> Tensor:
        drawn = self._next(n, *shape)
        assert low <= drawn.min() <= drawn.max() < high, "the reference draws from another range"
        return drawn

    def coins(self, n: int) -> Tensor:
        return self._next(n)

    def begin(self, update: int) -> None:
        pass

    def advance(self) -> None:
        pass


def batch_of(images: Tensor, labels: Tensor | None, discriminator, noise: Noise, out=None) -> GeneratedBatch:
    """A batch for a term that looks neither at latents nor, where none is given, at the discriminator's output."""
    return GeneratedBatch(
        discriminator=discriminator,
        images=images,
        labels=labels,
        out=out or DiscriminatorOutput(torch.empty(0), torch.empty(0)),
        noise=noise,
        latents=torch.empty(0),
        generate=lambda z: z,
    )
