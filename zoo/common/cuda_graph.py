"""Capture work on a GPU as one CUDA graph, so that hundreds of small kernels cost one launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

WARM_UP = 3  # runs before the capture, in which libraries pick their algorithms and optimisers make their state

T = TypeVar("T")


class CapturedWork:
    """Work on tensors at fixed addresses: run a few times, then captured, then replayed."""

    def __init__(self, device: torch.device):
        self._device, self._stream = device, torch.cuda.Stream(device)
        self._graph: torch.cuda.CUDAGraph | None = None

    @property
    def is_captured(self) -> bool:
        return self._graph is not None

    def run_on_stream(self, work: Callable[[], T]) -> T:
        """Run the work now, on the stream that will capture it."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = work()
        current.wait_stream(self._stream)
        return result

    def capture(self, work: Callable[[], T], error_mode: str = "global") -> T:
        """Capture the work; the returned tensors hold the result of each replay.

        Args:
            error_mode: "thread_local" if other threads use the GPU meanwhile.
        """
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode=error_mode):
            result = work()
        self._graph = graph
        return result

    def replay(self) -> None:
        """Run the captured work again."""
        assert self._graph is not None, "nothing has been captured yet"
        self._graph.replay()
