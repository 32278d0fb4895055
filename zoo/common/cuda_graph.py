"""Work on a GPU captured as one CUDA graph: hundreds of small kernels cost one launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

WARM_UP = (
    3  # times that work is done before it is captured: libraries pick their algorithms, optimisers make their state
)

T = TypeVar("T")


class CapturedWork:
    """Work on tensors that stay where they are: done a few times, then captured, then replayed."""

    def __init__(self, device: torch.device):
        self._device, self._stream = device, torch.cuda.Stream(device)
        self._graph: torch.cuda.CUDAGraph | None = None

    @property
    def is_captured(self) -> bool:
        return self._graph is not None

    def run_on_stream(self, work: Callable[[], T]) -> T:
        """Do it now, on the stream that will capture it."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = work()
        current.wait_stream(self._stream)
        return result

    def capture(self, work: Callable[[], T], error_mode: str = "global") -> T:
        """Capture it; what is returned holds the result of each replay.

        Args:
            error_mode: "thread_local" where other threads go on with what they do on the GPU.
        """
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode=error_mode):
            result = work()
        self._graph = graph
        return result

    def replay(self) -> None:
        """Do again what was captured."""
        assert self._graph is not None, "nothing has been captured yet"
        self._graph.replay()
