"""Moving average of a generator, for sampling."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Ema:
    """Averages parameters and buffers (running statistics, spectral norm vectors), as the published runs do.

    Before `start` updates the average is a copy; integer buffers are always copied.
    """

    def __init__(self, model: nn.Module, decay: float, start: int = 0):
        self.module = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay, self.start = decay, start

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the model as it is after generator step `step`, counted from 0."""
        decay = self.decay if step >= self.start else 0.0
        averaged, current = self.module.state_dict(), model.state_dict()
        for name, target in averaged.items():
            if target.is_floating_point():
                target.lerp_(current[name], 1 - decay)
            else:
                target.copy_(current[name])
