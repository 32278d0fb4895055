"""What a safetensors file says it holds, checked before a byte of it is mapped.

The safetensors library refuses headers of more than 100 MB, offsets that overlap, leave holes or lie outside, sizes
that overflow, and metadata that is no text. It lets through a key that stands twice, dimensions beyond 64 bits where
another one is 0, and hundreds of thousands of tensors; these are refused here.
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
    """The tensors' types and shapes by name, and the metadata under "__metadata__".

    Raises:
        OSError: the file cannot be opened.
        UnreadableError: it is no safetensors file, or one that no network has.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if length > min(LIMIT, size - 8):
            raise UnreadableError(f"its header would have {length:,} bytes, the file has {size:,}")
        text = file.read(length)
    header = parse_json(text)
    if not isinstance(header, dict):
        raise UnreadableError("its header is no JSON object")
    for name, tensor in header.items():
        if name != METADATA:
            _check(tensor)
    return header


def metadata(header: dict[str, Any]) -> dict[str, str]:
    """Texts by name; raises UnreadableError where they are something else."""
    found = header.get(METADATA, {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UnreadableError("its metadata are not texts")
    return found


def _check(tensor: Any) -> None:
    if not isinstance(tensor, dict) or not {"dtype", "shape", "data_offsets"} <= set(tensor):
        raise UnreadableError("its header describes a tensor without type, shape or place")
    shape = tensor["shape"]
    if tensor["dtype"] not in _DTYPES:
        raise UnreadableError("it holds a tensor of a type that no network has")
    if not isinstance(shape, list) or len(shape) > _DIMENSIONS:
        raise UnreadableError("it holds a tensor with too many dimensions")
    if not all(isinstance(n, int) and 0 <= n <= _LONGEST for n in shape):
        raise UnreadableError("it holds a tensor of an impossible shape")
