"""Positions in a sequence, in every form that people give them."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Set
from typing import Any

from ..common.errors import ZooError
from ..common.text import short

_FORMS = "give a whole number, a slice, or a list, array or tensor of whole numbers or of one bool per image"


def position(index: Any, n: int) -> int | None:
    """Return a single index as 0 ... n - 1; None if it is of another form.

    Raises:
        IndexError: it is out of range.
        ZooError: it is a bool or another number.
    """
    if isinstance(index, slice) or getattr(index, "ndim", 1 if _is_sequence(index) else 0) != 0:
        return None
    value = index.item() if hasattr(index, "item") else index
    if isinstance(value, bool):
        raise ZooError(f"index is {value}; {_FORMS}")
    try:
        return _within(operator.index(value), n)
    except TypeError:
        raise ZooError(f"index is {short(index)}; {_FORMS}") from None


def positions(index: Any, n: int) -> range | list[int]:
    """Return the indices that a slice, a mask or a sequence of indices selects, each 0 ... n - 1.

    Raises:
        IndexError: an index is out of range, or a mask has another length.
        ZooError: it is none of these.
    """
    if isinstance(index, slice):
        try:
            return range(n)[index]
        except (TypeError, ValueError) as error:  # a bound that is no whole number; a step of zero
            raise ZooError(f"{error}; {_FORMS}") from None
    values = _values(index)
    if values and all(isinstance(value, bool) for value in values):
        if len(values) != n:
            raise IndexError(f"the mask has {len(values):,} values for {n:,} images")
        return [i for i, value in enumerate(values) if value]
    if values is None or not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        raise ZooError(f"index is {short(index)}; {_FORMS}")
    return [_within(value, n) for value in values]


def _is_sequence(index: Any) -> bool:
    return hasattr(index, "__iter__") and not isinstance(index, str | bytes | Mapping | Set)


def _values(index: Any) -> list | None:
    """Return the items of a sequence, an array (N,) or a tensor (N,) as Python's own."""
    if hasattr(index, "tolist"):
        return index.tolist() if index.ndim == 1 else None
    return [item.item() if getattr(item, "ndim", None) == 0 else item for item in index]


def _within(index: int, n: int) -> int:
    if not -n <= index < n:
        raise IndexError(f"index {short(index)} is out of range for {n:,} images")
    return index % n
