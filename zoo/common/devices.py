"""Devices by name, and which of them is whose."""

from __future__ import annotations

import torch

from . import ranks, torchrun
from .errors import ZooError


def pick_device(device: str | torch.device) -> torch.device:
    """The device for a name; "auto" is CUDA, then Apple's GPU, then the CPU. Raises ZooError if it cannot be used."""
    if str(device) != "auto":
        try:
            return torch.empty(0, device=device).device
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ZooError(f'device "{device}" cannot be used ({reason}); give "cpu", "cuda" or "auto"') from None
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def all_devices(name: str) -> list[str]:
    """The devices for a name; "auto" is all GPUs of the machine, where it has any."""
    if name == "auto" and torch.cuda.is_available():
        return [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return [str(pick_device(name))]


def local_device(device: torch.device) -> torch.device:
    """Under `torchrun`, "cuda" is the GPU of this process's local rank."""
    index, present = torchrun.local_rank(), torch.cuda.device_count()
    if device.type != "cuda" or index is None:
        return device
    if index >= present:
        raise ZooError(
            f"process {index} has no GPU, this machine has {present}; start at most {present} processes a node"
        )
    return torch.device("cuda", index)


def rank_device(name: str) -> str:
    """ "auto" on a machine with several GPUs is the one of this rank."""
    if name == "auto" and ranks.are_joined() and torch.cuda.is_available():
        local = torchrun.local_rank()
        return f"cuda:{(ranks.rank() if local is None else local) % torch.cuda.device_count()}"
    return name
