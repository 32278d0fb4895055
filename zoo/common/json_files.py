"""Read JSON from untrusted files, and write our own.

Only regular files of bounded size are read, and only plain data of bounded depth.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

LIMIT = 16 << 20  # bytes; an alignment of a thousand classes, the largest we write, has three million
_DEPTH = 40  # of nested lists and objects
_DIGITS = 40  # in a number
_KEYS = 10_000  # in an object


class UnreadableError(ValueError):
    """Why a file is not read, in a few words; the caller adds the name of the file."""


def read_bytes(path: str | Path, limit: int = LIMIT) -> bytes:
    """Return the bytes of a whole regular file.

    Raises:
        OSError: the file cannot be opened.
        UnreadableError: it is not a regular file, or has more than `limit` bytes.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)  # a file may be larger than its stated size
    if len(data) > limit:
        raise UnreadableError(f"it has more than {limit:,} bytes")
    return data


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file for reading; raises as `read_bytes` does."""
    # Opening a pipe without a writer would block.
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    try:
        check_regular(os.fstat(file.fileno()).st_mode)
    except BaseException:
        file.close()
        raise
    return file


def check_regular(mode: int) -> None:
    """Raise UnreadableError unless these mode bits are those of a regular file."""
    if stat.S_ISDIR(mode):
        raise UnreadableError("it is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise UnreadableError("it is a pipe, a socket or a device, not a file")


def read_text(path: str | Path, limit: int = LIMIT) -> str:
    """Return the text of a regular file in UTF-8; raises as `read_bytes` does."""
    return _decoded(read_bytes(path, limit))


def read_json(path: str | Path, limit: int = LIMIT) -> Any:
    """Return the content of a JSON file.

    Raises:
        OSError: the file cannot be opened.
        UnreadableError: as for `read_bytes`, or the file is not plain JSON.
    """
    return parse_json(read_bytes(path, limit))


def parse_json(data: bytes | str) -> Any:
    """Parse JSON in UTF-8 into plain data; anything that two readers may read differently is refused.

    Raises:
        UnreadableError: not JSON, a duplicate key, NaN or Infinity, a number of more than 40 digits, more than 40
            nested lists and objects, or more than 10,000 keys in an object.
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
    """Return why a file could not be read, from an error of these functions."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("it begins with a byte order mark, or is UTF-16; save it as plain UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableError("it is not UTF-8 text") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(pairs) > _KEYS:
        raise UnreadableError(f"it has an object with {len(pairs):,} keys; at most {_KEYS:,} are allowed")
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise UnreadableError(f'it has the key "{twice[:40]}" twice')
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
    raise UnreadableError(f"it has {name}, which is not valid JSON")


def _check_depth(parsed: Any) -> None:
    level = [parsed] if isinstance(parsed, dict | list) else []
    for _ in range(_DEPTH):
        nested = (item.values() if isinstance(item, dict) else item for item in level)
        level = [value for items in nested for value in items if isinstance(value, dict | list)]
        if not level:
            return
    raise UnreadableError(_too_deep())


def _too_deep() -> str:
    return f"it has more than {_DEPTH} nested lists and objects"


# ------------------------------------------------------------------------------------------------------- writing


def as_json(value: Any, indent: str = "\n") -> str:
    """Return JSON text with two spaces per level, and lists of numbers and booleans on one line."""
    inner = indent + "  "
    if isinstance(value, dict) and value:
        items = (f"{json.dumps(key, ensure_ascii=False)}: {as_json(item, inner)}" for key, item in value.items())
        return "{" + inner + f",{inner}".join(items) + indent + "}"
    if isinstance(value, list | tuple) and not all(isinstance(item, int | float) for item in value):
        return "[" + inner + f",{inner}".join(as_json(item, inner) for item in value) + indent + "]"
    return json.dumps(value, ensure_ascii=False)
