"""Shield our own work from the defaults that a user's process has set in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode

_FLOATING = {torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn}


@contextmanager
def fresh_defaults(device: str | torch.device = "cpu") -> Iterator[None]:
    """Inside, new tensors are float32, on `device`, and not inference tensors; autocast is off and gradients are on.

    It holds for this thread alone: `torch.set_default_dtype` would change the type under every other thread.
    """
    with (
        torch.inference_mode(False),  # also turns gradients on
        torch.device(device),
        torch.autocast("cpu", enabled=False),
        _Float32(),
    ):
        yield


class _Float32(TorchFunctionMode):
    """Gives float32 to factories that are called without a type, as every layer of PyTorch calls them."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in _FLOATING and kwargs.get("dtype") is None:
            kwargs = {**kwargs, "dtype": torch.float32}
        return function(*args, **kwargs)
