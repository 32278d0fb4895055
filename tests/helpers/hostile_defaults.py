"""States of a process that other libraries leave behind, each as a context."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def _default_device(device: str) -> Iterator[None]:
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def _deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


HOSTILE: dict[str, Callable[[], AbstractContextManager]] = {
    "default bfloat16": lambda: _default_dtype(torch.bfloat16),
    "default float16": lambda: _default_dtype(torch.float16),
    "default float64": lambda: _default_dtype(torch.float64),
    "default device meta": lambda: _default_device("meta"),
    "inside a device": lambda: torch.device("meta"),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "deterministic algorithms": _deterministic,
}
