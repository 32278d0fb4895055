"""Find the discriminator that was trained with a generator; it is fetched when it is first used.

bundled weights           beside the generator in the package
a converted checkpoint    a second file of the cache: weights/<method>/<dataset>/<tag>-discriminator.safetensors, made
                          with the generator's where both were published in one file
a folder or repository    discriminator.safetensors beside model.safetensors
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..common.errors import WeightsCorruptedError, WeightsUnavailableError
from ..common.files import is_file
from ..schema.config import ModelConfig
from . import cache, hub, weights
from .resolve import ResolvedModel


class DiscriminatorFile(Protocol):
    """Where a discriminator is, or how it is fetched."""

    def is_local(self) -> bool:
        """Return True if `locate` needs no network."""
        ...

    def locate(self) -> Path:
        """Return the verified safetensors file, fetched if it is not on this machine.

        Raises:
            WeightsUnavailableError: it is unavailable; the message says why, and how to get it.
            WeightsCorruptedError: the file differs from the expected one.
        """
        ...


def lookup(found: ResolvedModel, cache_dir: str | os.PathLike | None = None) -> DiscriminatorFile | None:
    """Return the discriminator of these weights; None if none is known."""
    if found.path is None:
        return None
    if found.exported:
        beside = OfFolder(found.path)
        return beside if hub.address_of(found.path.parent) or is_file(beside.path) else None
    if found.tag is None or weights.entry(found.config, found.tag).discriminator is None:
        return None
    return OfRegistry(found.config, found.tag, cache_dir)


@dataclass(frozen=True)
class OfRegistry:
    """The discriminator that a weights entry of a config lists."""

    config: ModelConfig
    tag: str
    cache_dir: str | os.PathLike | None = None

    def is_local(self) -> bool:
        file = self._file
        return is_file(weights.bundled_path(file.bundled) if file.bundled else self._converted)

    def locate(self) -> Path:
        file = self._file
        if file.bundled:
            return weights.bundled(file.bundled, file.sha256)
        if is_file(self._converted):
            cache.check(self._converted, self.cache_dir)
            return self._converted
        entry = weights.entry(self.config, self.tag)
        try:
            from .upstream.importer import download_checkpoint

            return download_checkpoint(self.config, entry, self.cache_dir, discriminator=True)
        except WeightsUnavailableError as error:
            raise WeightsUnavailableError(
                f"the discriminator of {self.config.name}@{self.tag} is not on this machine: "
                f"{str(error).rstrip('.')}. {weights.how_to_import(self.config, entry, discriminator=True)}"
            ) from None

    @property
    def _file(self):
        file = weights.entry(self.config, self.tag).discriminator
        assert file is not None
        return file

    @property
    def _converted(self) -> Path:
        return cache.weights_path(self.config, cache.discriminator_key(self.tag), self.cache_dir)


@dataclass(frozen=True)
class OfFolder:
    """The discriminator beside the weights of a folder, or of a repository in the Hub's cache."""

    beside: Path  # the generator's weights

    @property
    def path(self) -> Path:
        return self.beside.with_name(hub.DISCRIMINATOR_FILE)

    def is_local(self) -> bool:
        return is_file(self.path) and _are_of_one_run(self.beside, self.path)

    def locate(self) -> Path:
        path, address = self.path, hub.address_of(self.beside.parent)
        if address:
            path = hub.download(address.repo_id, hub.DISCRIMINATOR_FILE, address.revision)
        if not is_file(path):
            raise WeightsUnavailableError(f"{path} does not exist; give a folder that has the discriminator of its run")
        if not _are_of_one_run(self.beside, path):
            raise WeightsUnavailableError(
                f"{path} belongs to another training run than {self.beside.name} beside it; export the run again"
            )
        return path


def _are_of_one_run(a: Path, b: Path) -> bool:
    """Return False if two weights files state different runs. A damaged file is reported when it is read."""
    try:
        one, other = weights.read_metadata(a), weights.read_metadata(b)
    except WeightsCorruptedError:
        return True
    return all(one[key] == other[key] for key in ("name", "config", "seed", "step") if key in one and key in other)
