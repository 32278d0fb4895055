"""Locate and verify weights; `safetensors_files` reads them, `state_dicts` loads them into a network.

A file must be whole, and have the sha256 of the config or of the record.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..common.errors import WeightsUnavailableError
from ..common.files import is_file, verify_sha256
from ..common.package_data import data_path
from ..schema.config import ModelConfig
from ..schema.entries import Upstream, Weights
from ..schema.tags import entry as entry
from . import cache, hub
from .safetensors_files import read as read
from .safetensors_files import read_metadata as read_metadata

cached_path = cache.weights_path


def bundled_path(filename: str) -> Path:
    return data_path("zoo.checkpoints", "bundled", filename)


def bundled(filename: str, sha256: str | None) -> Path:
    """Return the verified path of a bundled file.

    Raises:
        WeightsUnavailableError: the installation lacks it.
        WeightsCorruptedError: it has another sha256.
    """
    path = bundled_path(filename)
    if not path.is_file():
        raise WeightsUnavailableError(f"{path} is missing from the installation; install the package again")
    verify_sha256(path, sha256)
    return path


def is_local(config: ModelConfig, weights: Weights, cache_dir: str | os.PathLike | None = None) -> bool:
    """Return True if these weights load without a network."""
    return local_path(config, weights, cache_dir) is not None


def local_path(config: ModelConfig, weights: Weights, cache_dir: str | os.PathLike | None = None) -> Path | None:
    """Return the file from which these weights load without a network, unverified; None if it is not here."""
    if weights.hub:
        return hub.cached(weights.hub.repo_id, weights.hub.filename, weights.hub.revision)
    path = bundled_path(weights.bundled) if weights.bundled else cached_path(config, weights.tag, cache_dir)
    return path if is_file(path) else None


def locate(config: ModelConfig, tag: str = "default", cache_dir: str | os.PathLike | None = None) -> Path:
    """Return the verified safetensors file of a tag, fetched and converted if it is not on this machine.

    Raises:
        WeightsUnavailableError: the tag is unknown or unavailable; the message says why and what each tag needs.
        WeightsCorruptedError: the file differs from the file of the config or of the first download.
    """
    weights = entry(config, tag)
    if weights.bundled:
        return bundled(weights.bundled, weights.sha256)
    path = cached_path(config, weights.tag, cache_dir)
    if weights.upstream and is_file(path):
        cache.check(path, cache_dir)
        return path
    try:
        return _fetch(config, weights, cache_dir)
    except WeightsUnavailableError as error:
        reason = f": {str(error).rstrip('.')}." if str(error) else "."
        raise WeightsUnavailableError(
            f"{config.name}@{weights.tag} is not on this machine{reason} {how_to_get(config, weights)}"
            f"{_alternatives(config, weights)}"
        ) from None


def _fetch(config: ModelConfig, weights: Weights, cache_dir: str | os.PathLike | None) -> Path:
    if weights.hub:
        file = weights.hub
        return hub.download(file.repo_id, file.filename, file.revision, file.sha256, cache_dir=cache_dir)
    from .upstream.importer import download_checkpoint

    return download_checkpoint(config, weights, cache_dir)


def how_to_get(config: ModelConfig, weights: Weights) -> str:
    """Return one sentence: the file to fetch, its address, and the command that imports it."""
    if weights.upstream:
        return how_to_import(config, weights)
    if weights.hub:
        file = weights.hub
        return (
            f"Download {file.filename} (revision {file.revision}) from https://huggingface.co/{file.repo_id}, then "
            f"load it with weights=PATH."
        )
    return "It ships with the package."


def how_to_import(config: ModelConfig, weights: Weights, discriminator: bool = False) -> str:
    """Return one sentence, as `how_to_get`, for a published checkpoint: the generator's or the discriminator's."""
    upstream, *mirrors = sources_of(weights, discriminator)
    option = " --discriminator" if discriminator else ""
    elsewhere = "".join(f", or {mirror.archive or mirror.path} from {mirror.address}" for mirror in mirrors)
    return (
        f"Download {upstream.archive or upstream.path} from {upstream.address}{elsewhere}, then run: "
        f"zoo import {config.name}@{weights.tag} --from FILE{option}."
    )


def sources_of(weights: Weights, discriminator: bool) -> tuple[Upstream, ...]:
    """Return where the published checkpoint of the generator or discriminator is, in the order in which it is tried.

    Returns () if it has another place.
    """
    holder = weights.discriminator if discriminator else weights
    return (holder.upstream, *holder.mirrors) if holder and holder.upstream else ()


def _alternatives(config: ModelConfig, weights: Weights) -> str:
    others = [other for other in config.weights if other.tag != weights.tag]
    described = [
        f"@{o.tag} ({'available offline' if is_local(config, o) else 'not on this machine: ' + how_to_get(config, o)})"
        for o in others
    ]
    return f" Other weights: {'; '.join(described)}." if described else ' Untrained: weights="random".'
