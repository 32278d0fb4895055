"""Convert a published checkpoint, downloaded by us or by hand, once into our cache.

The sha256 of a file is recorded when it is first seen; after that, a file of that name must have the same sha256.
"""

from __future__ import annotations

import fnmatch
import json
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...common import files
from ...common.errors import WeightsCorruptedError, WeightsUnavailableError, ZooError
from ...schema import labels, registry
from ...schema.config import ModelConfig
from ...schema.entries import Upstream, Weights
from .. import cache, weights
from . import convert_file, download, pickles

if TYPE_CHECKING:
    from torch import Tensor

CONVERTER_VERSION = "1"


def import_checkpoint(
    name: str,
    source: str | Path,
    cache_dir: str | os.PathLike | None = None,
    force: bool = False,
    discriminator: bool = False,
) -> Path:
    """Convert a downloaded checkpoint of `name` or `name@tag`; returns the safetensors file in the cache.

    Args:
        source: the checkpoint, or its folder.
        force: replace an earlier import, even by another file than the recorded one.
        discriminator: the checkpoint is the discriminator of these weights, not the generator.

    Raises:
        WeightsUnavailableError: there is no such file, or the weights of this tag are not imported.
        WeightsCorruptedError: the file is damaged, belongs to another model, or differs from the recorded file.
        ZooError: these weights were imported before.
    """
    base, tag = registry.split_tag(name)
    config = registry.config(base)
    entry = weights.entry(config, tag)
    wanted = _wanted(config, entry, discriminator)
    target = wanted.target(cache_dir)
    if target.exists() and not force:
        raise ZooError(f"{target} exists; these weights were imported before (--force imports them again)")
    path = _checkpoint(Path(source), wanted.upstream)
    converted = _convert(wanted, download.Original(path, path.name, str(path)), target, trust_anew=force)
    with cache.lock(config, wanted.key, cache_dir):
        return converted.store(target)


def download_checkpoint(
    config: ModelConfig, entry: Weights, cache_dir: str | os.PathLike | None = None, discriminator: bool = False
) -> Path:
    """Fetch a published checkpoint and convert it; returns the safetensors file in the cache.

    Of several processes, one downloads. An interrupted download continues where it stopped, even in another process.

    Args:
        discriminator: fetch the discriminator of these weights, not the generator.

    Raises:
        WeightsUnavailableError: the download is impossible; the message says why.
        WeightsCorruptedError: the file is damaged, belongs to another model, or differs from the recorded file.
    """
    wanted = _wanted(config, entry, discriminator)
    target = wanted.target(cache_dir)
    with cache.lock(config, wanted.key, cache_dir) as unfinished:
        if target.is_file():  # another process was first
            return target
        unfinished.mkdir(parents=True, exist_ok=True)
        original = download.fetch(wanted.upstream, unfinished, wanted.choice(cache_dir))
        try:
            path = _convert(wanted, original, target).store(target)
        except WeightsCorruptedError:  # continuing with this file would fail again
            cache.clear_partial(unfinished)
            raise
        cache.clear_partial(unfinished)
        return path


@dataclass(frozen=True)
class _Wanted:
    """A published network of a weights entry: its generator or its discriminator."""

    config: ModelConfig
    entry: Weights
    upstream: Upstream
    discriminator: bool

    @property
    def key(self) -> str:
        """What stands for the tag in names of files."""
        return cache.discriminator_key(self.entry.tag) if self.discriminator else self.entry.tag

    @property
    def name(self) -> str:
        """The name that messages and `zoo cache` show."""
        return f"{self.config.name}@{self.key}"

    def target(self, cache_dir: str | os.PathLike | None) -> Path:
        return cache.weights_path(self.config, self.key, cache_dir)

    def choice(self, cache_dir: str | os.PathLike | None) -> download.Choice:
        """Return how a file is chosen by a pattern: a discriminator must be of the run of its generator."""
        if not self.discriminator:
            return download.newest
        generator = cache.weights_path(self.config, self.entry.tag, cache_dir)
        beside = weights.read_metadata(generator).get("original") if generator.is_file() else None
        return partial(download.only, beside=beside)


def _wanted(config: ModelConfig, entry: Weights, discriminator: bool) -> _Wanted:
    upstream = weights.upstream_of(entry, discriminator)
    if upstream is not None:
        return _Wanted(config, entry, upstream, discriminator)
    if not discriminator:
        raise WeightsUnavailableError(f"{config.name}@{entry.tag} is not imported: {weights.how_to_get(config, entry)}")
    if entry.discriminator:
        raise WeightsUnavailableError(
            f"the discriminator of {config.name}@{entry.tag} is not imported: it ships with the package"
        )
    raise WeightsUnavailableError(
        f"no published discriminator of {config.name}@{entry.tag} is known; leave out --discriminator to import the "
        f"generator"
    )


@dataclass(frozen=True)
class _Converted:
    wanted: _Wanted
    tensors: dict[str, Tensor]
    original: download.Original
    sha256: str  # of the original
    is_new: bool  # no sha256 of the original was known before

    def store(self, target: Path) -> Path:
        provenance = _provenance(self.wanted, self.original, self.sha256)
        cache.store(target, self.tensors, provenance, self.sha256, self.original.address)
        name, config = self.wanted.name, self.wanted.config
        if self.is_new:
            size = files.as_size(self.original.path.stat().st_size)
            print(
                f"zoo: {name} is {self.original.name}, {size}, sha256 {self.sha256}; the sha256 is recorded and "
                f"enforced from now on",
                file=sys.stderr,
            )
        doubt = None if self.wanted.discriminator else labels.doubt(config, name, None)
        if doubt:
            print(f"zoo: {doubt}", file=sys.stderr)
        return target


def _convert(wanted: _Wanted, original: download.Original, target: Path, trust_anew: bool = False) -> _Converted:
    upstream, config = wanted.upstream, wanted.config
    digest, known = files.sha256(original.path), cache.Record.read(target)
    again = "download it again"
    _enforce(original, digest, original.sha256, f"the sha256 that its server states; {again}")
    _enforce(original, digest, upstream.sha256, f"the sha256 of the published file; {again}")
    if known and not trust_anew:
        remedy = (
            f"if you trust the new file, forget the old one: zoo cache clear {wanted.name} --forget, then load it again"
        )
        _enforce(original, digest, known.original_sha256, f"the sha256 of its first download; {remedy}")
    state = weights.read(original.path) if original.path.suffix == ".safetensors" else pickles.read(original.path)
    spec = config.discriminator if wanted.discriminator else config.generator
    tensors = convert_file(state, upstream.source, spec, str(original))
    return _Converted(wanted, tensors, original, digest, is_new=known is None and upstream.sha256 is None)


def _enforce(original: download.Original, digest: str, expected: str | None, remedy: str) -> None:
    if expected not in (None, digest):
        found = f"{original} has sha256 {digest[:12]}..."
        raise WeightsCorruptedError(f"{found}, expected {expected[:12]}..., {remedy}")


def _checkpoint(source: Path, upstream: Upstream) -> Path:
    if source.is_file():
        return source
    if not source.is_dir():
        raise WeightsUnavailableError(f"{source} does not exist; give the downloaded file, or its folder")
    pattern = upstream.path.rpartition("/")[2]
    found = sorted(path for path in source.rglob("*") if path.is_file() and fnmatch.fnmatchcase(path.name, pattern))
    if not found:
        raise WeightsUnavailableError(f"no file in {source} is called {pattern}; give the path of the file")
    if len(found) > 1:
        shown = ", ".join(str(path.relative_to(source)) for path in found[:4]) + (", ..." if len(found) > 4 else "")
        raise WeightsUnavailableError(
            f"{len(found)} files in {source} are called {pattern} ({shown}); give the path of the file"
        )
    return found[0]


def _provenance(wanted: _Wanted, original: download.Original, digest: str) -> dict[str, str]:
    return {
        "name": wanted.config.name,
        "tag": wanted.entry.tag,
        **({"network": "discriminator"} if wanted.discriminator else {}),
        "source": json.dumps(wanted.upstream.model_dump(exclude_none=True)),
        "original": original.name,
        "original_sha256": digest,
        "converter": CONVERTER_VERSION,
        **({"revision": original.revision} if original.revision else {}),
    }
