"""Weights in several safetensors files, for hosts that limit the size of one.

A config names the first file. Its metadata name the others with their sha256, so whoever verified the first has
verified them all. Names follow the Hub's convention: model-00001-of-00002.safetensors.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import WeightsCorruptedError, ZooError
from .files import as_size, save, sha256, verify_sha256
from .json_files import parse_json

if TYPE_CHECKING:
    from torch import Tensor

KEY = "parts"  # in the first file's metadata
_HEADER = 1 << 16  # bytes kept free for names and metadata


def save_in_parts(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str], largest: int) -> Path:
    """Write safetensors files of at most `largest` bytes; one, under the given name, where that is enough.

    Returns:
        the first file, which is written last: where it is, the others are.

    Raises:
        ZooError: one tensor alone is larger.
    """
    groups: list[dict[str, Tensor]] = []
    room = 0
    for name, tensor in tensors.items():
        if tensor.nbytes > largest - _HEADER:
            raise ZooError(f"{name} alone has {as_size(tensor.nbytes)}; a file may have {as_size(largest)}")
        if tensor.nbytes > room:
            groups.append({})
            room = largest - _HEADER
        groups[-1][name] = tensor
        room -= tensor.nbytes
    if len(groups) < 2:
        save(path, tensors, metadata)
        return path
    paths = [
        path.with_name(f"{path.stem}-{i:05d}-of-{len(groups):05d}{path.suffix}") for i in range(1, len(groups) + 1)
    ]
    for part, group in zip(paths[1:], groups[1:], strict=True):
        save(part, group)
    checksums = {part.name: sha256(part) for part in paths[1:]}
    save(paths[0], groups[0], {**metadata, KEY: json.dumps(checksums)})
    return paths[0]


def other_parts(path: Path, metadata: dict[str, str]) -> list[Path]:
    """The files that belong to a first one, verified; none for weights in one file.

    Raises:
        WeightsCorruptedError: one is missing, is not the one that the first names, or has a name of elsewhere.
    """
    try:
        checksums = parse_json(metadata.get(KEY, "{}"))
    except ValueError:
        checksums = None
    if not isinstance(checksums, dict) or not all(map(_is_part, checksums.items())) or path.name in checksums:
        raise WeightsCorruptedError(f"{path}: what its header says about further files is damaged; fetch it again")
    found = [(path.with_name(name), checksum) for name, checksum in checksums.items()]
    for part, checksum in found:
        if not part.is_file():
            raise WeightsCorruptedError(f"{path} is one of {len(found) + 1} files, and {part.name} is not beside it")
        verify_sha256(part, checksum)
    return [part for part, _ in found]


def _is_part(item: tuple[str, object]) -> bool:
    """Whether this is the name of a file beside the first one, with a checksum."""
    name, checksum = item
    named = re.fullmatch(r"\w[\w.-]{0,199}\.safetensors", name)
    return bool(named) and isinstance(checksum, str) and bool(re.fullmatch(r"[0-9a-f]{64}", checksum))
