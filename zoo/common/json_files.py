"""JSON that somebody else may have written: how it is read, and how ours is written.

A file is read only if it is a file, and not a large one; what is in it is plain data of bounded depth.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

LIMIT = 16 << 20  # bytes; an alignment of a thousand classes, the largest we write, has three million
_DEPTH = 40  # of lists and objects in each other
_DIGITS = 40  # of a number
_KEYS = 10_000  # of an object


class UnreadableError(ValueError):
    """Why a file is not read, in a few words; who asked for it names the file."""


def read_bytes(path: str | Path, limit: int = LIMIT) -> bytes:
    """A whole regular file.

    Raises:
        OSError: it cannot be opened.
        UnreadableError: it is no regular file, or has more than `limit` bytes.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)  # a file may be larger than it says
    if len(data) > limit:
        raise UnreadableError(f"it has more than {limit:,} bytes")
    return data


def open_regular(path: str | Path) -> BinaryIO:
    """A regular file, opened for reading; raises as `read_bytes` does."""
    # A pipe that nobody writes to would be waited for.
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    try:
        check_regular(os.fstat(file.fileno()).st_mode)
    except BaseException:
        file.close()
        raise
    return file


def check_regular(mode: int) -> None:
    """Raise UnreadableError unless these are the bits of a file that can be read."""
    if stat.S_ISDIR(mode):
        raise UnreadableError("it is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise UnreadableError("it is a pipe, a socket or a device, not a file")


def read_text(path: str | Path, limit: int = LIMIT) -> str:
    """A regular file in UTF-8; raises as `read_bytes` does."""
    return _decoded(read_bytes(path, limit))


def read_json(path: str | Path, limit: int = LIMIT) -> Any:
    """What is in a file of JSON.

    Raises:
        OSError: it cannot be opened.
        UnreadableError: as for `read_bytes`, or it is not plain JSON.
    """
    return parse_json(read_bytes(path, limit))


def parse_json(data: bytes | str) -> Any:
    """Plain data from JSON in UTF-8, without what two readers may understand in two ways.

    Raises:
        UnreadableError: not JSON, a key that stands twice, NaN or Infinity, a number of more than 40 digits, more than
            40 lists and objects in each other, or more than 10,000 keys in an object.
    """
    text = _decoded(data) if isinstance(data, bytes) else data
    try:
        parsed = json.loads(
            text, object_pairs_hook=_object, parse_constant=_no_number, parse_int=_integer, parse_float=_float
        )
    except json.JSONDecodeError as error:
        raise UnreadableError(f"line {error.lineno}: not valid JSON ({error.msg})") from None
    except RecursionError:
        raise UnreadableError(_too_deep()) from None
    _check_depth(parsed)
    return parsed


def reason(error: OSError | ValueError) -> str:
    """Why a file could not be read, from what these functions raise."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("it begins with a byte order mark, or is UTF-16; save it as plain UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableError("it is not a text in UTF-8") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(pairs) > _KEYS:
        raise UnreadableError(f"it has an object with {len(pairs):,} keys, and {_KEYS:,} are allowed")
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise UnreadableError(f'the key "{twice[:40]}" stands in it twice')
    return found


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise UnreadableError(f"it has a number of {len(digits):,} digits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise UnreadableError(f"it has a number that is too large ({digits[:_DIGITS]})")
    return number


def _no_number(name: str) -> None:
    raise UnreadableError(f"it has {name}, which is no number of JSON")


def _check_depth(parsed: Any) -> None:
    level = [parsed] if isinstance(parsed, dict | list) else []
    for _ in range(_DEPTH):
        nested = (item.values() if isinstance(item, dict) else item for item in level)
        level = [value for items in nested for value in items if isinstance(value, dict | list)]
        if not level:
            return
    raise UnreadableError(_too_deep())


def _too_deep() -> str:
    return f"it has more than {_DEPTH} lists and objects in each other"


# ------------------------------------------------------------------------------------------------------- writing


def as_json(value: Any, indent: str = "\n") -> str:
    """JSON text with two spaces a level, and lists of numbers, true and false on one line."""
    inner = indent + "  "
    if isinstance(value, dict) and value:
        items = (f"{json.dumps(key, ensure_ascii=False)}: {as_json(item, inner)}" for key, item in value.items())
        return "{" + inner + f",{inner}".join(items) + indent + "}"
    if isinstance(value, list | tuple) and not all(isinstance(item, int | float) for item in value):
        return "[" + inner + f",{inner}".join(as_json(item, inner) for item in value) + indent + "]"
    return json.dumps(value, ensure_ascii=False)
