"""A network's forward on a GPU as one CUDA graph: dozens of small kernels cost one launch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch
from torch import Tensor, nn

from ..common.cuda_graph import WARM_UP, CapturedWork


@contextmanager
def exact_float32() -> Iterator[None]:
    """Inside, this process's float32 convolutions and products on a GPU are float32: cuDNN's default is TF32.

    A graph keeps the mode of its capture.
    """
    # The older switches cannot be read after a user has set these; these can always be read and restored.
    switches = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # pyright: ignore[reportAttributeAccessIssue] (made on import)
    before = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = "ieee"
        yield
    finally:
        for switch, precision in zip(switches, before, strict=True):
            switch.fp32_precision = precision


class Captured:
    """network(z, y) for inputs of one shape, replayed from a graph. Threads may share it, on one stream.

    A float32 network computes in float32, whatever the process allows elsewhere.

    Args:
        network: a module without gradients on an NVIDIA GPU.
        z: latents (N, latent_dim) of the shape, device and dtype to come.
        y: labels (N,) int64, or None.
    """

    def __init__(self, network: nn.Module, z: Tensor, y: Tensor | None):
        self._z, self._y = z.clone(), None if y is None else y.clone()
        self._lock = Lock()
        self._work = CapturedWork(z.device)
        with exact_float32():
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
