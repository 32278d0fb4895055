"""The processes of one run, under `torchrun` or alone: their ranks and the tensors they exchange.

A batch is global: `training.batch_size` images, and each process takes its rows. Losses that compare images
see the whole batch (`gather`), so 2 processes x 32 images equal 1 x 64.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from zoo.common import torchrun
from zoo.common.errors import ZooError


@dataclass(frozen=True)
class Processes:
    """This process among `size`; by default the only one."""

    rank: int = 0
    size: int = 1

    @property
    def is_writer(self) -> bool:
        """True for the one process that writes files and prints."""
        return self.rank == 0

    def rows(self, batch_size: int) -> slice:
        """Return this process's rows of a global batch."""
        share = batch_size // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def gather(self, tensor: Tensor) -> Tensor:
        """Concatenate the tensors of all processes in rank order; gradients flow back to each."""
        return tensor if self.size == 1 else _Gather.apply(tensor)

    def mean(self, tensor: Tensor) -> Tensor:
        """Return the mean over all processes, differentiable."""
        return tensor if self.size == 1 else _Mean.apply(tensor)

    def any(self, flag: bool) -> bool:
        """True if the flag is true on any process."""
        if self.size == 1:
            return flag
        flags = torch.tensor(float(flag), device=_collective_device())
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        return bool(flags)


class _Gather(torch.autograd.Function):
    """All-gather. Every process computes the same loss from what it gathers, so the gradient of one process's rows is
    the sum over processes; the mean that data parallelism takes of parameter gradients then gives the gradient of that
    one loss."""

    @staticmethod
    def forward(ctx, tensor: Tensor) -> Tensor:
        ctx.rows = len(tensor)
        parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].contiguous()
        dist.all_reduce(gradient)
        return gradient[dist.get_rank() * ctx.rows :][: ctx.rows]


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx, tensor: Tensor) -> Tensor:
        return _mean(tensor)

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> Tensor:
        return _mean(gradients[0])


def _mean(tensor: Tensor) -> Tensor:
    total = tensor.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total / dist.get_world_size()


def _collective_device() -> str:
    return "cuda" if dist.get_backend() == "nccl" else "cpu"


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Join the processes of `torchrun`, or run alone without it; NCCL on GPUs, gloo elsewhere.

    Release every DistributedDataParallel before the end: while one is alive, gloo sometimes aborts the process as it
    exits ("terminate called without an active exception", torch 2.14).
    """
    if torchrun.world_size() == 1:
        yield Processes()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        gc.collect()  # DistributedDataParallel is part of a cycle
        dist.destroy_process_group()


def check_divides(batch_size: int, processes: Processes) -> None:
    if batch_size % processes.size:
        raise ZooError(
            f"batch size {batch_size} does not divide into {processes.size} processes; change --batch-size or "
            f"--nproc-per-node"
        )
