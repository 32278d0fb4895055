"""Read a pickle of numbers and NumPy arrays, such as edm2's statistics, without running anything that it asks for.

A pickle is a program. The names that such files need stand for inert functions here, which build arrays of floats from
bytes that the file has; every other name is refused.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...common.errors import ZooError
from ...common.json_files import open_regular

_TYPES = {"f4": np.float32, "f8": np.float64, "i4": np.int32, "i8": np.int64}


class _Type:
    """numpy.dtype, of a few numbers."""

    def __init__(self, name: str, *_):
        self.found = np.dtype(_TYPES[name])

    def __setstate__(self, state: tuple) -> None:
        self.found = self.found.newbyteorder(state[1])


class _Array:
    """numpy.ndarray, before and after its state."""

    found: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, fortran, data = state
        self.found = _from_bytes(data, kind, shape, "F" if fortran else "C").found


def _reconstruct(*_) -> _Array:
    return _Array()


def _from_bytes(data: bytes, kind: _Type, shape: tuple, order: str) -> _Array:
    made = _Array()
    made.found = np.frombuffer(bytes(data), kind.found).reshape(shape, order="F" if order == "F" else "C")
    return made


def _scalar(kind: _Type, data: bytes) -> Any:
    return np.frombuffer(data, kind.found)[0].item()


def _encode(text: str, _: str) -> bytes:
    return text.encode("latin1")


class _StandIn:
    """A name in a pickle: it can be called, and nothing about it can be changed."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, _: Any) -> None:
        raise ZooError("it changes one of its own names")


_KNOWN = {
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _reconstruct,  # never called: it is given to `_reconstruct`
    ("_codecs", "encode"): _encode,
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_bytes),
        )
    },
}


class _Reader(pickle._Unpickler):  # the one in Python: that in C allocates for its memo what a few bytes ask for
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _StandIn(_KNOWN[module, name])
        except KeyError:
            raise ZooError(f"it asks for {module}.{name}, which is code, not numbers; nothing was run") from None


def read(path: Path) -> Any:
    """Return the object: dictionaries, lists, numbers, texts and arrays.

    Raises:
        ZooError: the file asks for code.
        Exception: of a dozen unrelated types, where it is damaged.
    """
    with open_regular(path) as file:
        return _plain(_Reader(file).load())


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.found
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
