"""Moving average of a generator, for sampling."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from zoo.nets import copy_all


class Ema:
    """Averages parameters and buffers (running statistics, spectral norm vectors), as the published runs do.

    Before `start` updates the average is a copy; integer buffers are always copied.
    """

    def __init__(self, model: nn.Module, decay: float, start: int = 0):
        self.module = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay, self.start = decay, start
        self._of: nn.Module | None = None  # whose tensors are listed

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Add the model's state after generator step `step`, counted from 0."""
        decay = self.decay if step >= self.start else 0.0
        self._find(model)
        averages, current = self._floating
        torch._foreach_lerp_(averages, current, 1 - decay)  # pyright: ignore[reportPrivateImportUsage] (no public name)
        copy_all(*self._counters)

    def _find(self, model: nn.Module) -> None:
        """List the tensors of the average and of the model once; they do not move."""
        if self._of is not model:
            current = model.state_dict()
            pairs = [(tensor, current[name]) for name, tensor in self.module.state_dict().items()]
            self._floating = _columns([pair for pair in pairs if pair[0].is_floating_point()])
            self._counters = _columns([pair for pair in pairs if not pair[0].is_floating_point()])
            self._of = model


def _columns(pairs: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    return [a for a, _ in pairs], [b for _, b in pairs]
