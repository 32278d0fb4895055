"""Batch norm with two additions to PyTorch's: several batches in one pass, and batches over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn


class BatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d with two additions in training mode:

    - `groups` batches that were concatenated are normalised each by its own statistics, and the running statistics
      see them one after the other, as if each had its own forward.
    - `mean_over_processes` (tensor -> its differentiable mean over all processes) makes the statistics those of the
      whole batch, wherever its parts are. PyTorch's SyncBatchNorm does the same, but on GPUs only.
    """

    groups = 1
    mean_over_processes: Callable[[Tensor], Tensor] | None = None

    def forward(self, input: Tensor) -> Tensor:
        average = self.mean_over_processes
        normalise = super().forward if average is None else partial(self._synchronised, average)
        if not self.training:
            return super().forward(input)
        if self.groups == 1:
            return normalise(input)
        return torch.cat([normalise(part) for part in input.chunk(self.groups)])

    def _synchronised(self, average: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        values = x.float()
        mean = average(values.mean(dim=(0, 2, 3)))
        variance = average((values - mean[:, None, None]).square().mean(dim=(0, 2, 3)))
        if self.track_running_stats:
            n = x.numel() // x.shape[1] * torch.distributed.get_world_size()
            self._track(mean, variance * (n / (n - 1)))
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        shift = -mean * scale + (self.bias if self.affine else 0)
        return (values * scale[:, None, None] + shift[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards those of a batch, of C channels each."""
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        for running, found in ((self.running_mean, mean), (self.running_var, variance)):
            assert running is not None
            running.lerp_(found, self.momentum)


def _norms(network: nn.Module) -> list[BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, BatchNorm2d)]


def has_batch_norm(network: nn.Module) -> bool:
    return any(isinstance(module, BatchNorm2d) for module in network.modules())


@contextmanager
def concatenated_batches(network: nn.Module, groups: int) -> Iterator[None]:
    """Inside, a forward of `groups` concatenated batches equals as many forwards."""
    norms = _norms(network)
    for norm in norms:
        norm.groups = groups
    try:
        yield
    finally:
        for norm in norms:
            norm.groups = 1


@contextmanager
def untracked_statistics(network: nn.Module) -> Iterator[None]:
    """Inside, batch norm uses batch statistics and leaves its running ones alone (StudioGAN's discriminator steps)."""
    norms = _norms(network)
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def synchronise(network: nn.Module, mean_over_processes: Callable[[Tensor], Tensor]) -> None:
    """Make every batch norm of a network use the statistics of all processes' batches."""
    for norm in _norms(network):
        norm.mean_over_processes = mean_over_processes
