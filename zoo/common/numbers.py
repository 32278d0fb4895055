"""Whole numbers: as people give them, of Python, NumPy or PyTorch, narrow ones without overflow; and evenly spaced."""

from __future__ import annotations

import operator
from typing import Any

from .errors import UsageError
from .text import short


def whole(name: str, value: Any, minimum: int = 0, maximum: int | None = None) -> int:
    """Return `value` as an int.

    Args:
        name: of the argument, for messages.
        value: an integer of any width, or an array or tensor of one.

    Raises:
        UsageError: it is not a whole number from minimum to maximum.
    """
    number = None if _is_bool(value) else _index(value)
    if number is None or number < minimum or (maximum is not None and number > maximum):
        wanted = f"from {minimum} to {maximum}" if maximum is not None else f"of at least {minimum}"
        raise UsageError(f"{name} is {short(value)}; give a whole number {wanted}")
    return number


def evenly_spaced(count: int, total: int) -> list[int]:
    """Return up to `count` of the numbers 0 ... total - 1, evenly spaced from the first on."""
    count = min(count, total)
    return [i * total // count for i in range(count)]


def from_end_to_end(count: int, total: int) -> list[int]:
    """Return up to `count` of the numbers 0 ... total - 1, evenly spaced with both ends; of one, the last."""
    count = min(count, total)
    if count <= 1:
        return [total - 1] * count
    return [round(i * (total - 1) / (count - 1)) for i in range(count)]


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool) or str(getattr(value, "dtype", "")).removeprefix("torch.") == "bool"


def _index(value: Any) -> int | None:
    try:
        return operator.index(value)
    except TypeError:  # also of a tensor of floats, or of several numbers
        return None
