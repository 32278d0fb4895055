"""Check the header of a safetensors file before the file is mapped.

The safetensors library refuses headers of more than 100 MB, offsets that overlap, leave gaps or lie outside, sizes that
overflow, and metadata that is not text. It accepts duplicate keys, dimensions beyond 64 bits beside a dimension of 0,
and hundreds of thousands of tensors; this module refuses them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..common.json_files import LIMIT, UnreadableError, open_regular, parse_json

METADATA = "__metadata__"
_DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL")
_DIMENSIONS = 8
_LONGEST = 1 << 40  # of a dimension


def read_header(path: str | Path) -> dict[str, Any]:
    """Return types and shapes of the tensors by name, and the metadata under "__metadata__".

    Raises:
        OSError: the file cannot be opened.
        UnreadableError: it is not a safetensors file, or no network can have these tensors.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if length > min(LIMIT, size - 8):
            raise UnreadableError(f"its header claims {length:,} bytes, the file has {size:,}")
        text = file.read(length)
    header = parse_json(text)
    if not isinstance(header, dict):
        raise UnreadableError("its header is not a JSON object")
    for name, tensor in header.items():
        if name != METADATA:
            _check(tensor)
    return header


def metadata(header: dict[str, Any]) -> dict[str, str]:
    """Return the metadata texts by name; raises UnreadableError for other values."""
    found = header.get(METADATA, {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UnreadableError("its metadata is not text")
    return found


def _check(tensor: Any) -> None:
    if not isinstance(tensor, dict) or not {"dtype", "shape", "data_offsets"} <= set(tensor):
        raise UnreadableError("its header has a tensor without dtype, shape or offsets")
    shape = tensor["shape"]
    if tensor["dtype"] not in _DTYPES:
        raise UnreadableError("it holds a tensor of a type that no network has")
    if not isinstance(shape, list) or len(shape) > _DIMENSIONS:
        raise UnreadableError("it holds a tensor with too many dimensions")
    if not all(isinstance(n, int) and 0 <= n <= _LONGEST for n in shape):
        raise UnreadableError("it holds a tensor of an impossible shape")
