"""Numbers that a counter determines (orders, flips, latents), made in blocks and kept on the device that uses them.

On a GPU a step must not wait for the host: the next block is made by another thread while the present one is used, and
travels from pinned memory, so nothing waits for the kernels that are still queued.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Stream:
    """Elements 0, 1, 2, ... of an endless tensor.

    Args:
        block: number of elements made together.
        make: returns elements k * block ... (k + 1) * block - 1 for k, on the CPU.
        device: the device that keeps them.
    """

    def __init__(self, block: int, make: Callable[[int], Tensor], device: torch.device):
        self.block, self._make, self.device = block, make, device
        self._blocks: dict[int, Tensor] = {}
        self._ahead = Ahead(self._made) if device.type == "cuda" else None

    def take(self, first: int, n: int) -> Tensor:
        """Return elements first ... first + n - 1, on the device."""
        parts = []
        while n:
            k, offset = divmod(first, self.block)
            parts.append(self._block(k)[offset : offset + n])
            first, n = first + len(parts[-1]), n - len(parts[-1])
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _block(self, k: int) -> Tensor:
        if k not in self._blocks:
            made = self._ahead(k) if self._ahead else self._made(k)
            kept = {other: block for other, block in self._blocks.items() if other == k - 1}
            self._blocks = kept | {k: made.to(self.device, non_blocking=True)}
        return self._blocks[k]

    def _made(self, k: int) -> Tensor:
        made = self._make(k)
        return made.pin_memory() if self.device.type == "cuda" else made


class Ahead(Generic[T]):
    """Calls a function of 0, 1, 2, ... in a thread, one call ahead of the request."""

    def __init__(self, function: Callable[[int], T]):
        self._function = function
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="streams")
        self._next: tuple[int, Future] | None = None

    def __call__(self, k: int) -> T:
        begun = self._next[1] if self._next and self._next[0] == k else None
        result = begun.result() if begun else self._function(k)
        self._next = k + 1, self._thread.submit(self._function, k + 1)
        return result
