"""Compute the same images whatever the process has set elsewhere.

Autocast, inference mode, gradients and the default device belong to a thread: `undisturbed` sets them for a block. The
precision of float32 products belongs to the process: `Switches` holds it while any thread is inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any

import torch


@contextmanager
def undisturbed(device: torch.device, gradients: bool = False) -> Iterator[None]:
    """Inside, this thread computes on `device` as in a new process: no autocast, no inference mode, no default device.

    Args:
        gradients: record operations for a backward pass.
    """
    with ExitStack() as states:
        if torch.is_inference_mode_enabled():
            states.enter_context(torch.inference_mode(False))
        if torch.is_grad_enabled() != gradients:
            states.enter_context(torch.set_grad_enabled(gradients))
        for kind in {device.type, "cpu"}:
            if torch.is_autocast_enabled(kind):
                states.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            states.enter_context(torch.device("cpu"))
        yield


class Switches:
    """Attributes of the process, held at given values while any thread is inside; the last to leave restores them.

    Args:
        wanted: (object, attribute, values that may stay); another value becomes the first of these.
    """

    def __init__(self, wanted: Sequence[tuple[Any, str, tuple]]):
        self._wanted, self._lock, self._inside = wanted, Lock(), 0
        self._changed: list[tuple[Any, str, Any]] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._set()
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._restore()

    def _set(self) -> None:
        for owner, name, values in self._wanted:
            before = getattr(owner, name)
            if before not in values:
                self._changed.append((owner, name, before))
                setattr(owner, name, values[0])

    def _restore(self) -> None:
        for owner, name, before in self._changed:
            setattr(owner, name, before)
        self._changed.clear()


_BACKENDS: Any = torch.backends  # its attributes are made on import, unseen by type checkers
_PRECISION = "fp32_precision"  # the older switches cannot be read after a user has set this one; it can always be read

_EXACT_ON_CPU = Switches(
    [
        (_BACKENDS.mkldnn, "enabled", (torch.backends.mkldnn.is_available(),)),
        (_BACKENDS.mkldnn.matmul, _PRECISION, ("ieee", "none")),
        (_BACKENDS.mkldnn.conv, _PRECISION, ("ieee", "none")),
    ]
)
_ON_CUDA = {  # cuDNN's default for convolutions is TF32
    tf32: Switches([(part, _PRECISION, (value,)) for part in (_BACKENDS.cudnn.conv, _BACKENDS.cuda.matmul)])
    for tf32, value in ((False, "ieee"), (True, "tf32"))
}


@contextmanager
def float32_products(device: torch.device, tf32: bool = False) -> Iterator[None]:
    """Inside, float32 convolutions and products are float32 wherever the process has set less; with tf32, TF32.

    A CUDA graph keeps the precision of its capture.
    """
    switches = _ON_CUDA[tf32] if device.type == "cuda" else _EXACT_ON_CPU
    with switches.held():
        yield
