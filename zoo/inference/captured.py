"""A network's forward on a GPU as one CUDA graph: dozens of small kernels cost one launch."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from torch import Tensor

from ..common.cuda_graph import WARM_UP, CapturedWork


class Captured:
    """network(z, y) for inputs of one shape, replayed from a graph. Threads may share it, on one stream.

    Args:
        network: on an NVIDIA GPU, without gradients.
        z: latents (N, latent_dim) of the shape, device and dtype to come.
        y: labels (N,) int64, or None.
    """

    def __init__(self, network: Callable[[Tensor, Tensor | None], Tensor], z: Tensor, y: Tensor | None):
        self._z, self._y = z.clone(), None if y is None else y.clone()
        self._lock = Lock()
        self._work = CapturedWork(z.device)
        for _ in range(WARM_UP):
            self._work.run_on_stream(lambda: network(self._z, self._y))
        self._out = self._work.capture(lambda: network(self._z, self._y), error_mode="thread_local")

    def __call__(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return images in a new tensor."""
        with self._lock:
            self._z.copy_(z)
            if self._y is not None:
                assert y is not None
                self._y.copy_(y)
            self._work.replay()
            return self._out.clone()
