"""Keep and find alignments of labels and classes.

    bundled weights              in the config
    a converted checkpoint       weights/<method>/<dataset>/<tag>.alignment.json, beside it in the cache
    a run or an exported folder  alignment.json in it, or config.json as `zoo export` writes it
    a repository on the Hub      in its config.json, else alignments/<sha256 of the weights>.json in the cache

An alignment holds only for the weights that it was measured on; it is ignored if the file has changed since.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path

from pydantic import ValidationError

from ..common import files
from ..common.errors import ConfigError, ZooError
from ..common.json_files import read_json, reason
from ..schema import config_files
from ..schema.config import ModelConfig, explain
from ..schema.label_alignment import LabelAlignment
from . import cache, weights
from .resolve import ResolvedModel

FILE = "alignment.json"  # in a folder


def lookup(found: ResolvedModel, cache_dir: str | os.PathLike | None = None) -> LabelAlignment | None:
    """Return the alignment that holds for these weights, else None."""
    if found.path is None or not found.config.conditional:
        return None
    if found.exported:
        return _of_folder(found, found.path, cache_dir)
    if found.tag is None:  # a file of the user's own
        return None
    entry = weights.entry(found.config, found.tag)
    return entry.alignment or _valid(_kept_file(found, cache_dir), found, cache_dir)


def _of_folder(found: ResolvedModel, path: Path, cache_dir: str | os.PathLike | None) -> LabelAlignment | None:
    beside = _valid(path.parent / FILE, found, cache_dir)
    if beside:
        return beside
    carried = found.config.alignment
    if carried and carried.weights_sha256 == files.sha256(path):
        return carried
    if carried:
        _tell_other_weights(path.with_name("config.json"))
    return None if found.is_ours else _valid(_kept_file(found, cache_dir), found, cache_dir)


def of_tag(config: ModelConfig, tag: str, cache_dir: str | os.PathLike | None = None) -> LabelAlignment | None:
    """Return the alignment of registry weights that are on this machine; nothing is fetched."""
    entry, path = weights.entry(config, tag), cache.weights_path(config, tag, cache_dir)
    if entry.alignment or not (entry.upstream and files.is_file(path)):
        return entry.alignment
    return lookup(ResolvedModel(config, path, tag), cache_dir)


def keep(found: ResolvedModel, alignment: LabelAlignment, cache_dir: str | os.PathLike | None = None) -> Path | None:
    """Keep an alignment where `lookup` finds it; returns the file, or None if these weights have no place for it.

    Raises:
        WeightsUnavailableError: the disk is full or cannot be written.
    """
    path = _kept_file(found, cache_dir)
    if path is not None:
        with cache.explained(path.parent) if not _is_of_folder(found) else nullcontext():
            files.write_atomically(path, (alignment.model_dump_json(indent=1, exclude_none=True) + "\n").encode())
    return path


def check_writable(found: ResolvedModel, cache_dir: str | os.PathLike | None = None) -> None:
    """Raise ZooError before any work if a folder cannot take an alignment; writing to a cache raises by itself."""
    path = _kept_file(found, cache_dir)
    if path is not None and _is_of_folder(found) and (path.is_dir() or not os.access(path.parent, os.W_OK)):
        raise ZooError(f"{path} cannot be written; do not keep the alignment: keep=False (--no-keep)")


def _is_of_folder(found: ResolvedModel) -> bool:
    return found.exported and found.is_ours


def check_config(path: Path, sha256: str | None) -> ModelConfig:
    """Read the config of bundled weights; raises ConfigError if none of the weights has this sha256."""
    config = ModelConfig.from_file(path)
    if sha256 is None or sha256 not in {entry.sha256 for entry in config.weights}:
        raise ConfigError(f"{path} does not bundle the measured weights; give the config that does")
    return config


def into_config(path: Path, alignment: LabelAlignment) -> None:
    """Write an alignment into the config that bundles the weights it was measured on.

    Raises:
        ConfigError: the config does not bundle these weights.
    """
    config = check_config(path, alignment.weights_sha256)
    entries = tuple(
        entry.model_copy(update={"alignment": alignment}) if entry.sha256 == alignment.weights_sha256 else entry
        for entry in config.weights
    )
    config = config.model_copy(update={"weights": entries})
    files.write_atomically(path, config.to_json(config_files.base_of(path)).encode())


def read(path: Path) -> LabelAlignment:
    """Read an alignment; raises ConfigError, which names the file, if it is not valid."""
    try:
        return LabelAlignment.model_validate(read_json(path))
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}; remove it, and run zoo align again") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({reason(error)}); remove it") from None


def _kept_file(found: ResolvedModel, cache_dir: str | os.PathLike | None) -> Path | None:
    """Return the place for an alignment of these weights; None for bundled and random weights and a user's own file."""
    if found.path is None:
        return None
    if found.exported:
        if found.is_ours:
            return found.path.parent / FILE
        return cache.root_of(cache_dir) / "alignments" / f"{files.sha256(found.path)}.json"
    if found.tag is None:
        return None
    entry = weights.entry(found.config, found.tag)
    if entry.hub:
        return cache.root_of(cache_dir) / "alignments" / f"{entry.hub.sha256}.json"
    return cache.alignment_path(found.config, found.tag, cache_dir) if entry.upstream else None


def _valid(path: Path | None, found: ResolvedModel, cache_dir: str | os.PathLike | None) -> LabelAlignment | None:
    """Return the alignment in a file if it belongs to these weights; else print why it is not used."""
    if path is None or not files.is_file(path):
        return None
    try:
        alignment = read(path)
    except ConfigError as error:
        print(f"zoo: the alignment in {path} is not used: {error}", file=sys.stderr)
        return None
    if (
        alignment.weights_sha256 == sha256_of(found, cache_dir)
        and len(alignment.assignment) == found.config.num_classes
    ):
        return alignment
    _tell_other_weights(path)
    return None


def _tell_other_weights(path: Path) -> None:
    print(
        f"zoo: the alignment in {path} belongs to other weights and is not used; run zoo align again", file=sys.stderr
    )


def sha256_of(found: ResolvedModel, cache_dir: str | os.PathLike | None = None) -> str | None:
    """Return the sha256 of the weights, for their alignment; None for random weights.

    For a converted checkpoint it comes from the record, which was verified when the file was located.
    """
    if found.path is None:
        return None
    if not found.exported and found.tag is not None and weights.entry(found.config, found.tag).upstream:
        record = cache.Record.read(found.path)
        if record:
            return record.sha256
    return files.sha256(found.path)
