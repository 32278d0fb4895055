"""Statistics and features of real images in the cache: one safetensors file each, with a manifest of its content."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from torch import Tensor

from ...checkpoints import cache
from ...checkpoints.safetensors_header import metadata, read_header
from ...common.files import read_safetensors, write_atomically
from ...common.json_files import parse_json

FORMAT = 2  # of the cached files; part of the key


def key_of(identity: dict) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]


def cache_folder(cache_dir: str | os.PathLike | None = None) -> Path:
    return cache.root_of(cache_dir) / "references"


def read(path: Path, identity: dict) -> dict[str, Tensor] | None:
    """Read the tensors of a cached file; None if it is missing, damaged or made for another request."""
    from safetensors import SafetensorError

    try:
        if parse_json(metadata(read_header(path)).get("manifest", "null")) != identity:
            return None
        tensors = read_safetensors(path)
    except (OSError, SafetensorError, ValueError):
        return None
    return tensors if _fit(tensors, identity["count"]) else None


def _fit(tensors: dict[str, Tensor], count: int) -> bool:
    """True if these are the statistics, or the features, of `count` images."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if set(shapes) == {"mu", "sigma"}:
        return shapes["sigma"] == 2 * shapes["mu"]
    return set(shapes) == {"features", "labels"} and shapes["labels"] == (count,) == shapes["features"][:-1]


def write(path: Path, tensors: dict[str, Tensor], identity: dict, about: dict) -> str | None:
    """Write a cached file and, beside it, what it is of as JSON; returns a warning if that fails."""
    from safetensors.torch import save

    manifest = json.dumps(identity, sort_keys=True)
    try:
        write_atomically(path, save(tensors, {"manifest": manifest}))
        write_atomically(path.with_suffix(".json"), (json.dumps(about | identity, indent=2) + "\n").encode())
    except OSError as error:
        return f"the reference could not be cached in {path.parent} ({error.strerror or error}); it will be made again"
    return None
