"""Ranks of torchrun: the number of this rank, its share of the batches, and the gathering of features on rank 0.

Features travel as CPU tensors over gloo, so the same code serves CPUs and GPUs. Without torchrun, and outside a process
group, there is one rank and nothing is sent.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from . import torchrun
from .errors import ZooError

# Rank 0 alone computes metrics and trains classifiers, for hours on a CPU, while the others wait for it. A rank that
# ends closes its connections, which the others notice at once.
_PATIENCE = timedelta(days=7)
_group = None  # gloo, for CPU tensors, whatever the default group's backend is


def start() -> None:
    """Join the process group that torchrun's environment describes, unless there is none or it is joined already."""
    global _group
    if torchrun.is_launched() and dist.is_available() and not dist.is_initialized():
        dist.init_process_group("gloo", timeout=_PATIENCE)
    if are_joined() and _group is None:
        group = dist.new_group(backend="gloo", timeout=_PATIENCE)
        assert isinstance(group, dist.ProcessGroup)
        _group = group


def stop() -> None:
    """Leave the group, so that the process ends without a warning."""
    global _group
    if are_joined():
        dist.destroy_process_group()
    _group = None


def are_joined() -> bool:
    """Return True if this process belongs to a group."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    return dist.get_rank() if are_joined() else 0


def world_size() -> int:
    return dist.get_world_size() if are_joined() else 1


def share(batches: range) -> range:
    """Return the batches of this rank: a contiguous part; the parts in rank order give all batches in order.

    Rank 0 has a batch if there is any.
    """
    size, here = world_size(), rank()
    begin, end = (-(-len(batches) * number // size) for number in (here, here + 1))
    return batches[begin:end]


def gather(part: Tensor) -> Tensor | None:
    """Return the rows of all ranks (N, ...) in rank order on rank 0, None on other ranks."""
    if world_size() == 1:
        return part
    counts = [torch.zeros((), dtype=torch.int64) for _ in range(world_size())]
    dist.all_gather(counts, torch.tensor(len(part)), group=_group)
    largest = max(int(count) for count in counts)
    padded = torch.zeros(largest, *part.shape[1:], dtype=part.dtype)
    padded[: len(part)] = part
    received = [torch.empty_like(padded) for _ in counts] if rank() == 0 else None
    dist.gather(padded, received, group=_group)
    if received is None:
        return None
    return torch.cat([rows[: int(count)] for rows, count in zip(received, counts, strict=True)])


def extremes(low: float, high: float) -> tuple[float, float]:
    """Return the smallest and the largest value over all ranks."""
    if world_size() == 1:
        return low, high
    pair = torch.tensor([-low, high], dtype=torch.float64)
    dist.all_reduce(pair, dist.ReduceOp.MAX, group=_group)
    return -float(pair[0]), float(pair[1])


def from_first(value: Any) -> Any:
    """Return the value of rank 0 on every rank."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0, group=_group)
    return box[0]


def agree(error: Exception | None) -> None:
    """Raise on every rank if any rank has an error, so that none waits for a rank that failed."""
    if world_size() == 1:
        if error is not None:
            raise error
        return
    errors: list = [None] * world_size()
    dist.all_gather_object(errors, None if error is None else f"{type(error).__name__}: {error}", group=_group)
    if error is not None:
        raise error
    others = [f"rank {i}: {text}" for i, text in enumerate(errors) if text]
    if others:
        raise ZooError(f"another process of this run failed ({others[0]}); correct that and start again")
