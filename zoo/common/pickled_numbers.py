"""Stand-ins for the names that a pickle of NumPy's numbers asks for, so that it runs nothing of NumPy's.

A pickle is a program: its names are functions that it calls. Those here make numbers from bytes that the file has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_TYPES = {"b1", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"}


class NumberType:
    """numpy.dtype, of numbers."""

    def __init__(self, name: str, *_: Any):
        if name not in _TYPES:
            raise ValueError(f"it has numbers of the type {name!r:.40}")
        self.found = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        self.found = self.found.newbyteorder(state[1])


def number(kind: NumberType, data: bytes) -> bool | int | float:
    """Return what numpy.core.multiarray.scalar would, as a number of Python."""
    [found] = np.frombuffer(data, kind.found)
    return found.item()


def text_as_bytes(text: str, encoding: str) -> bytes:
    """Return what _codecs.encode would: bytes, as pickles of protocol 2 hold them."""
    if encoding != "latin1":
        raise ValueError(f"it asks for the encoding {encoding!r:.40}")
    return text.encode("latin1")


CORES = ("numpy.core", "numpy._core")  # before NumPy 2, and since
NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): NumberType,
    ("_codecs", "encode"): text_as_bytes,
    **{(f"{core}.multiarray", "scalar"): number for core in CORES},
}


class StandIn:
    """A name in a pickle: it can be called, and nothing about it can be changed."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, _: Any) -> None:
        raise ValueError("it changes one of its own names")
