"""Convert a published checkpoint, downloaded by us or by hand, once into our cache.

The sha256 of a file is recorded when it is first seen; after that, a file of that name must have the same sha256.
"""

from __future__ import annotations

import fnmatch
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...common import files
from ...common.errors import WeightsCorruptedError, WeightsUnavailableError, ZooError
from ...schema import labels, registry
from ...schema.config import ModelConfig
from ...schema.entries import Upstream, Weights
from .. import cache, weights
from . import convert, download, pickles

if TYPE_CHECKING:
    from torch import Tensor

CONVERTER_VERSION = "1"


def import_checkpoint(
    name: str, source: str | Path, cache_dir: str | os.PathLike | None = None, force: bool = False
) -> Path:
    """Convert a downloaded checkpoint of `name` or `name@tag`; returns the safetensors file in the cache.

    Args:
        source: the checkpoint, or its folder.
        force: replace an earlier import, even by another file than the recorded one.

    Raises:
        WeightsUnavailableError: there is no such file, or the weights of this tag are not imported.
        WeightsCorruptedError: the file is damaged, belongs to another model, or differs from the recorded file.
        ZooError: these weights were imported before.
    """
    base, tag = registry.split_tag(name)
    config = registry.config(base)
    entry = weights.entry(config, tag)
    if entry.upstream is None:
        raise WeightsUnavailableError(f"{config.name}@{entry.tag} is not imported: {weights.how_to_get(config, entry)}")
    target = cache.weights_path(config, entry.tag, cache_dir)
    if target.exists() and not force:
        raise ZooError(f"{target} exists; these weights were imported before (--force imports them again)")
    path = _checkpoint(Path(source), entry.upstream)
    converted = _convert(
        config, entry, entry.upstream, download.Original(path, path.name, str(path)), target, trust_anew=force
    )
    with cache.lock(config, entry.tag, cache_dir):
        return converted.store(target)


def download_checkpoint(config: ModelConfig, entry: Weights, cache_dir: str | os.PathLike | None = None) -> Path:
    """Fetch a published checkpoint and convert it; returns the safetensors file in the cache.

    Of several processes, one downloads. An interrupted download continues where it stopped, even in another process.

    Raises:
        WeightsUnavailableError: the download is impossible; the message says why.
        WeightsCorruptedError: the file is damaged, belongs to another model, or differs from the recorded file.
    """
    target, upstream = cache.weights_path(config, entry.tag, cache_dir), entry.upstream
    assert upstream is not None
    with cache.lock(config, entry.tag, cache_dir) as partial:
        if target.is_file():  # another process was first
            return target
        partial.mkdir(parents=True, exist_ok=True)
        original = download.fetch(upstream, partial)
        try:
            path = _convert(config, entry, upstream, original, target).store(target)
        except WeightsCorruptedError:  # continuing with this file would fail again
            cache.clear_partial(partial)
            raise
        cache.clear_partial(partial)
        return path


@dataclass(frozen=True)
class _Converted:
    config: ModelConfig
    name: str
    tensors: dict[str, Tensor]
    provenance: dict[str, str]
    original: download.Original
    sha256: str  # of the original
    is_new: bool  # no sha256 of the original was known before

    def store(self, target: Path) -> Path:
        cache.store(target, self.tensors, self.provenance, self.sha256, self.original.address)
        if self.is_new:
            size = files.as_size(self.original.path.stat().st_size)
            print(
                f"zoo: {self.name} is {self.original.name}, {size}, sha256 {self.sha256}; the sha256 is recorded and "
                f"enforced from now on",
                file=sys.stderr,
            )
        if doubt := labels.doubt(self.config, self.name, None):
            print(f"zoo: {doubt}", file=sys.stderr)
        return target


def _convert(
    config: ModelConfig,
    entry: Weights,
    upstream: Upstream,
    original: download.Original,
    target: Path,
    trust_anew: bool = False,
) -> _Converted:
    name, digest, known = f"{config.name}@{entry.tag}", files.sha256(original.path), cache.Record.read(target)
    again = "download it again"
    _enforce(original, digest, original.sha256, f"the sha256 that its server states; {again}")
    _enforce(original, digest, upstream.sha256, f"the sha256 of the published file; {again}")
    if known and not trust_anew:
        remedy = f"if you trust the new file, forget the old one: zoo cache clear {name} --forget, then load it again"
        _enforce(original, digest, known.original_sha256, f"the sha256 of its first download; {remedy}")
    state = weights.read(original.path) if original.path.suffix == ".safetensors" else pickles.read(original.path)
    tensors = convert(state, upstream.source, config.generator)
    is_new = known is None and upstream.sha256 is None
    return _Converted(
        config, name, tensors, _provenance(config, entry, upstream, original, digest), original, digest, is_new
    )


def _enforce(original: download.Original, digest: str, expected: str | None, remedy: str) -> None:
    if expected not in (None, digest):
        found = f"{original.name} from {original.address} has sha256 {digest[:12]}..."
        raise WeightsCorruptedError(f"{found}, expected {expected[:12]}..., {remedy}")


def _checkpoint(source: Path, upstream: Upstream) -> Path:
    if source.is_file():
        return source
    if not source.is_dir():
        raise WeightsUnavailableError(f"{source} does not exist; give the downloaded file, or its folder")
    pattern = upstream.path.rpartition("/")[2]
    found = sorted(path for path in source.rglob("*") if path.is_file() and fnmatch.fnmatchcase(path.name, pattern))
    if len(found) != 1:
        what = (
            f"{len(found)} files in {source} are called {pattern}"
            if found
            else f"no file in {source} is called {pattern}"
        )
        raise WeightsUnavailableError(f"{what}; give the path of the file")
    return found[0]


def _provenance(
    config: ModelConfig, entry: Weights, upstream: Upstream, original: download.Original, digest: str
) -> dict[str, str]:
    return {
        "name": config.name,
        "tag": entry.tag,
        "source": json.dumps(upstream.model_dump(exclude_none=True)),
        "original": original.name,
        "original_sha256": digest,
        "converter": CONVERTER_VERSION,
        **({"revision": original.revision} if original.revision else {}),
    }
