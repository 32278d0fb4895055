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
        floating = [name for name, tensor in averaged.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([averaged[n] for n in floating], [current[n] for n in floating], 1 - decay)
        for name in averaged.keys() - set(floating):
            averaged[name].copy_(current[name])
