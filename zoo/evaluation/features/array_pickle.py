"""Read a pickle of numbers and NumPy arrays, such as edm2's statistics, without running anything that it asks for.

A pickle is a program. The names that such files need stand for inert functions here, which build arrays of floats from
bytes that the file has; every other name is refused.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ...common.errors import ZooError
from ...common.json_files import open_regular
from ...common.pickled_numbers import CORES, NAMES, NumberType, StandIn


class _Array:
    """numpy.ndarray, before and after its state."""

    found: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, fortran, data = state
        self.found = _from_bytes(data, kind, shape, "F" if fortran else "C").found


def _reconstruct(*_) -> _Array:
    return _Array()


def _from_bytes(data: bytes, kind: NumberType, shape: tuple, order: str) -> _Array:
    made = _Array()
    made.found = np.frombuffer(bytes(data), kind.found).reshape(shape, order="F" if order == "F" else "C")
    return made


_KNOWN = {
    **NAMES,
    ("numpy", "ndarray"): _reconstruct,  # never called: it is given to `_reconstruct`
    **{(f"{core}.multiarray", "_reconstruct"): _reconstruct for core in CORES},
    **{(f"{core}.numeric", "_frombuffer"): _from_bytes for core in CORES},
}


class _Reader(pickle._Unpickler):  # the one in Python: that in C allocates for its memo what a few bytes ask for
    def find_class(self, module: str, name: str) -> Any:
        try:
            return StandIn(_KNOWN[module, name])
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
