"""Draws that a case has stored, in place of random ones."""

from __future__ import annotations

from torch import Tensor


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
