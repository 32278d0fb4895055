"""A checkpoint that somebody downloaded by hand, converted once into our cache.

The only place where pickles are opened, with PyTorch's `weights_only=True`: tensors and plain data, no code.
"""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import Any

from .. import registry, weights
from ..config import ModelConfig, Weights
from ..errors import WeightsCorruptedError, WeightsUnavailableError, ZooError
from . import convert

CONVERTER_VERSION = "1"


def import_checkpoint(name: str, source: str | Path, cache_dir: str | Path | None = None, force: bool = False) -> Path:
    """Convert a downloaded checkpoint of `name` or `name@tag`; returns the safetensors file in the cache.

    Args:
        source: the checkpoint, or a folder that holds it.
        force: replace an earlier import.

    Raises:
        WeightsUnavailableError: no such file, or the tag is not one that is imported.
        WeightsCorruptedError: the file is damaged or belongs to another model.
        ZooError: these weights were imported before.
    """
    base, tag = registry.split_tag(name)
    config = registry.config(base)
    entry = weights.entry(config, tag)
    if entry.upstream is None:
        raise WeightsUnavailableError(f"{config.name}@{entry.tag} is not imported: {weights.how_to_get(config, entry)}")
    target = weights.cached_path(config, entry.tag, cache_dir)
    if target.exists() and not force:
        raise ZooError(f"{target} exists; these weights were imported before (--force imports them again)")
    path = _checkpoint(Path(source), entry)
    tensors = convert(_read(path), entry.upstream.source, config.generator)
    weights.save(target, tensors, _provenance(config, entry, path))
    return target


def _checkpoint(source: Path, entry: Weights) -> Path:
    if source.is_file():
        return source
    if not source.is_dir():
        raise WeightsUnavailableError(f"{source} does not exist; give the downloaded file, or the folder that holds it")
    pattern = entry.upstream.path.rpartition("/")[2]
    found = sorted(path for path in source.rglob("*") if path.is_file() and fnmatch.fnmatchcase(path.name, pattern))
    if len(found) != 1:
        what = (
            f"{len(found)} files in {source} are called {pattern}"
            if found
            else f"no file in {source} is called {pattern}"
        )
        raise WeightsUnavailableError(f"{what}; give the file itself")
    return found[0]


def _read(path: Path) -> dict[str, Any]:
    import torch

    if path.suffix == ".safetensors":
        return weights.read(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen unrelated types for a file that is not a checkpoint
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsCorruptedError(
            f"{path} is no checkpoint that can be opened safely ({reason}); download it again"
        ) from None


def _provenance(config: ModelConfig, entry: Weights, path: Path) -> dict[str, str]:
    return {
        "name": config.name,
        "tag": entry.tag,
        "source": json.dumps(entry.upstream.model_dump(exclude_none=True)),
        "original": path.name,
        "original_sha256": weights.sha256(path),
        "converter": CONVERTER_VERSION,
    }
