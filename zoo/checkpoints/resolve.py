"""Resolve a name, a folder or an address on the Hub to a config and a verified weights file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ..common.errors import WeightsUnavailableError
from ..schema import registry
from ..schema.config import ModelConfig
from . import hub
from . import weights as weight_files


class ResolvedModel(NamedTuple):
    """What a name or a folder stands for."""

    config: ModelConfig
    path: Path | None  # of the weights; None = random
    tag: str | None  # which of the config's weights
    exported: bool = False  # from a folder with its own config
    is_ours: bool = True  # False: in the Hub's cache, where nothing may be written


class Identity(NamedTuple):
    """What a name or a folder stands for, before anything is located."""

    config: ModelConfig
    tag: str  # "default" where the name has none
    folder: Path | None  # with a config of its own


def identify(name_or_folder: str | os.PathLike, wanted: str = "default") -> Identity:
    """Find the config, fetching nothing.

    Raises:
        UnknownModelError, UnknownTagError: there is no such model, or it has no such weights.
        WeightsUnavailableError: a folder has no config.
    """
    folder, tag = registry.folder_of(name_or_folder), "default"
    config = registry.exported(name_or_folder)
    if config is None:
        if folder:
            raise WeightsUnavailableError(
                f"{folder} has no config.json; give the name of a model, or an exported folder"
            )
        tag = registry.split_tag(os.fspath(name_or_folder))[1]
        config = registry.config(os.fspath(name_or_folder))
    if wanted not in ("default", "random", *config.tags) and not is_weights_file(wanted):
        if Path(wanted).is_file():
            raise WeightsUnavailableError(
                f"{wanted} is not a .safetensors file; convert it with: zoo import {config.name}@TAG --from {wanted}"
            )
        weight_files.entry(config, wanted)  # refuses it
    return Identity(config, tag, folder)


def resolve_model(name_or_folder: str | os.PathLike, wanted: str = "default", cache_dir=None) -> ResolvedModel:
    """Find the config and the verified weights for `load`, with the same arguments and errors."""
    place = hub.local_folder(name_or_folder, with_weights=wanted == "default")
    config, tag, folder = identify(place, wanted)
    if wanted == "random":
        return ResolvedModel(config, None, None)
    if is_weights_file(wanted):
        return ResolvedModel(config, Path(wanted), None)
    if folder and wanted == "default":
        ours = hub.address_of(folder) is None
        return ResolvedModel(config, folder / hub.WEIGHTS_FILE, config.default_tag, exported=True, is_ours=ours)
    tag = weight_files.entry(config, tag if wanted == "default" else wanted).tag
    return ResolvedModel(config.of_weights(tag), weight_files.locate(config, tag, cache_dir), tag)


def is_weights_file(wanted: str) -> bool:
    """Return True if `weights` of `zoo.load` is the path of a file, and neither a tag nor "random"."""
    return wanted.lower().endswith(".safetensors")


def shown_name(name_or_folder: str | os.PathLike, found: ResolvedModel) -> str:
    """Return how commands name the model: the folder or address as given, else "name" or "name@tag"."""
    if found.exported or found.tag in (None, found.config.default_tag):
        return registry.argument_for(name_or_folder) if found.exported else found.config.name
    return f"{found.config.name}@{found.tag}"
