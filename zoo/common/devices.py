"""Pick devices by name, and assign them to processes."""

from __future__ import annotations

import torch

from . import ranks, torchrun
from .errors import UsageError, ZooError
from .text import cut, first_line

_IS_UNKNOWN = "Expected one of"  # PyTorch then lists twenty kinds of devices


def pick_device(device: str | torch.device) -> torch.device:
    """Return the device for a name ("auto": CUDA, else Apple's GPU, else the CPU); raises UsageError if unusable."""
    if str(device) != "auto":
        try:
            found = torch.empty(0, device=device).device
            if found.type == "meta":
                raise RuntimeError("it holds no values")
            return found
        except (RuntimeError, AssertionError, ImportError, TypeError, ValueError) as error:
            is_clear = not isinstance(error, TypeError | ValueError) and _IS_UNKNOWN not in str(error)
            reason = f" ({first_line(error)})" if is_clear else ""
            shown = cut(str(device), 60)
            raise UsageError(f'device "{shown}" cannot be used{reason}; give "cpu", "cuda" or "auto"') from None
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def all_devices(name: str) -> list[str]:
    """Return the devices for a name; "auto" is all CUDA GPUs of the machine, if it has any."""
    if name == "auto" and torch.cuda.is_available():
        return [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return [str(pick_device(name))]


def local_device(device: torch.device) -> torch.device:
    """Return the device of this process; under `torchrun`, "cuda" is the GPU of its local rank."""
    index, present = torchrun.local_rank(), torch.cuda.device_count()
    if device.type != "cuda" or index is None:
        return device
    if index >= present:
        raise ZooError(
            f"process {index} has no GPU, this machine has {present}; start at most {present} processes per node"
        )
    return torch.device("cuda", index)


def rank_device(name: str) -> str:
    """Return the device of this rank; "auto" on a machine with several GPUs is the GPU of the rank."""
    if name == "auto" and ranks.are_joined() and torch.cuda.is_available():
        local = torchrun.local_rank()
        return f"cuda:{(ranks.rank() if local is None else local) % torch.cuda.device_count()}"
    return name
