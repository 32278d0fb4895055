"""Convert a published checkpoint, downloaded by us or by hand, once into our cache.

Of several places of one checkpoint, the first that gives it is taken. The sha256 of a file is recorded when it is first
seen; after that, a file of that place must have the same sha256, and any place must give the same tensors.
"""

from __future__ import annotations

import fnmatch
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...common import files
from ...common.downloads import OFFLINE, is_offline
from ...common.errors import WeightsCorruptedError, WeightsUnavailableError, ZooError
from ...common.tensors import state_sha256
from ...common.text import one_line
from ...schema import labels, registry
from ...schema.config import ModelConfig
from ...schema.entries import Upstream, Weights
from ...schema.licenses import LIBRARIES, is_noncommercial, license_of
from .. import cache, mirror, weights
from ..state_dicts import check_finite, load_into
from ..tensor_names import is_batch_count
from . import convert_file, download, pickles

if TYPE_CHECKING:
    from torch import Tensor, nn

CONVERTER_VERSION = "1"
_UNSET = f"correct the mirror, or unset {mirror.VARIABLE}"


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
    path = _checkpoint(Path(source), wanted.sources)
    wanted = wanted.of(_source_of(path, wanted.sources))
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
        path = _from_mirror(wanted, target, unfinished) or _from_sources(wanted, target, unfinished)
        cache.clear_partial(unfinished)
        return path


def _from_sources(wanted: _Wanted, target: Path, unfinished: Path) -> Path:
    """Fetch from the first place that gives the checkpoint, and tell why those before it did not."""
    if is_offline():
        raise WeightsUnavailableError(OFFLINE)
    failures: list[tuple[Upstream, ZooError]] = []
    for source in wanted.sources:
        try:
            path = _from_source(wanted.of(source), target, unfinished)
        except (WeightsUnavailableError, WeightsCorruptedError) as error:
            failures.append((source, error))
            continue
        if failures:
            print(f"zoo: {wanted.name} comes from {source.address}; {_told(failures)}", file=sys.stderr)
        return path
    if len(failures) == 1:
        raise failures[0][1]
    wrong = all(isinstance(error, WeightsCorruptedError) for _, error in failures)
    raise (WeightsCorruptedError if wrong else WeightsUnavailableError)(f"no source gives it: {_told(failures)}")


def _told(failures: list[tuple[Upstream, ZooError]]) -> str:
    return "; ".join(f"{source.address} failed ({one_line(str(error), 400).rstrip('.')})" for source, error in failures)


def _from_source(wanted: _Wanted, target: Path, unfinished: Path) -> Path:
    _tell_terms(wanted.name, license_of(wanted.upstream), LIBRARIES[wanted.upstream.source].home)
    unfinished.mkdir(parents=True, exist_ok=True)
    try:
        original = download.fetch(wanted.upstream, unfinished, wanted.beside(target))
        return _convert(wanted, original, target).store(target)
    except WeightsCorruptedError:  # continuing with this file would fail again
        cache.clear_partial(unfinished)
        raise


def _tell_terms(name: str, license: str, home: str | None) -> None:
    if is_noncommercial(license):
        print(f"zoo: {name} is licensed {license}: no commercial use{f'; see {home}' if home else ''}", file=sys.stderr)


def _from_mirror(wanted: _Wanted, target: Path, unfinished: Path) -> Path | None:
    """Fetch from the user's mirror; None if there is none, or if it lacks these weights."""
    try:
        found = mirror.fetch(wanted.config.name, wanted.key, unfinished)
        return found and _store_mirrored(wanted, found, target)
    except WeightsCorruptedError:  # continuing with this file would fail again
        cache.clear_partial(unfinished)
        raise


def _store_mirrored(wanted: _Wanted, found: mirror.Found, target: Path) -> Path:
    entry, known = found.entry, cache.Record.read(target)
    _tell_terms(wanted.name, entry.license, entry.home)
    origin = f"{found.place}/{entry.file}"
    facts, tensors = weights.read_metadata(found.path), weights.read(found.path)
    network = "discriminator" if wanted.discriminator else None
    if (facts.get("name"), facts.get("tag"), facts.get("network")) != (wanted.config.name, wanted.entry.tag, network):
        raise WeightsCorruptedError(f"{origin} states that it holds other weights than {wanted.name}; {_UNSET}")
    check_finite(tensors, origin)
    load_into(wanted.build(), tensors, origin)
    hashes = [source.sha256 for source in wanted.sources]
    if None not in hashes and entry.original_sha256 not in hashes:
        raise WeightsCorruptedError(f"{origin} comes from another file than {wanted.name} was published as; {_UNSET}")
    identity = tensors_sha256(tensors)
    if known and known.tensors_sha256 not in (None, identity):
        raise WeightsCorruptedError(
            f"{origin} has other tensors than {known.original} gave first; {_how_to_forget(wanted)}"
        )
    cache.store_copy(target, found.path, entry.original_sha256, entry.original, identity)
    print(f"zoo: {wanted.name} comes from the mirror {found.place}", file=sys.stderr)
    return target


@dataclass(frozen=True)
class _Wanted:
    """A published network of a weights entry: its generator or its discriminator."""

    config: ModelConfig
    entry: Weights
    sources: tuple[Upstream, ...]
    upstream: Upstream  # the one of the sources that is tried
    discriminator: bool

    @property
    def key(self) -> str:
        """What stands for the tag in names of files."""
        return cache.discriminator_key(self.entry.tag) if self.discriminator else self.entry.tag

    @property
    def name(self) -> str:
        """The name that messages and `zoo cache` show."""
        return f"{self.config.name}@{self.key}"

    def of(self, source: Upstream) -> _Wanted:
        return replace(self, upstream=source)

    def build(self) -> nn.Module:
        """Return the network without weights."""
        from ... import nets

        if self.discriminator:
            return nets.build_discriminator(self.config.discriminator, device="meta")
        return nets.build_generator(self.config.generator, device="meta")

    def target(self, cache_dir: str | os.PathLike | None) -> Path:
        return cache.weights_path(self.config, self.key, cache_dir)

    def beside(self, target: Path) -> str | None:
        """Return the published path of the generator, whose run that of a discriminator must be; None if not known."""
        generator = target.with_name(f"{self.entry.tag}.safetensors")
        return weights.read_metadata(generator).get("original") if self.discriminator and generator.is_file() else None


def _wanted(config: ModelConfig, entry: Weights, discriminator: bool) -> _Wanted:
    if sources := weights.sources_of(entry, discriminator):
        return _Wanted(config, entry, sources, sources[0], discriminator)
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
    tensors_sha256: str
    original: download.Original
    sha256: str  # of the original
    is_new: bool  # no sha256 of the original was known before

    def store(self, target: Path) -> Path:
        provenance = _provenance(self.wanted, self.original, self.sha256)
        cache.store(
            target, self.tensors, provenance, self.sha256, self.original.address, tensors_sha256=self.tensors_sha256
        )
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
    download.check_size(upstream, str(original), original.path.stat().st_size, "download it again")
    digest, known = files.sha256(original.path), cache.Record.read(target)
    for expected, whose in (
        (original.sha256, "that its server states"),
        (download.stated_sha256(upstream), "of the published file"),
    ):
        download.check_sha256(str(original), digest, expected, f"the sha256 {whose}; download it again")
    enforced = None if trust_anew else known
    if enforced and _is_same_place(enforced, wanted, original):
        remedy = f"the sha256 of its first download; {_how_to_forget(wanted)}"
        download.check_sha256(str(original), digest, enforced.original_sha256, remedy)
    state = weights.read(original.path) if original.path.suffix == ".safetensors" else pickles.read(original.path)
    spec = config.discriminator if wanted.discriminator else config.generator
    tensors = convert_file(state, upstream.source, spec, str(original))
    identity = tensors_sha256(tensors)
    if enforced and enforced.tensors_sha256 not in (None, identity):
        raise WeightsCorruptedError(
            f"{original} gives other tensors than {enforced.original} gave first; {_how_to_forget(wanted)}"
        )
    return _Converted(wanted, tensors, identity, original, digest, is_new=known is None and upstream.sha256 is None)


def tensors_sha256(tensors: dict[str, Tensor]) -> str:
    """Return what identifies converted tensors; without the counts of batches, which some files of one model lack."""
    return state_sha256({name: tensor for name, tensor in tensors.items() if not is_batch_count(name)})


def _is_same_place(known: cache.Record, wanted: _Wanted, original: download.Original) -> bool:
    """Whether the file must be the recorded one, byte by byte; a file from another place holds the same tensors."""
    return len(wanted.sources) == 1 or known.tensors_sha256 is None or known.original == original.address


def _how_to_forget(wanted: _Wanted) -> str:
    return f"if you trust the new file, forget the old one: zoo cache clear {wanted.name} --forget, then load it again"


def _checkpoint(given: Path, sources: Sequence[Upstream]) -> Path:
    if given.is_file():
        return given
    if not given.is_dir():
        raise WeightsUnavailableError(f"{given} does not exist; give the downloaded file, or its folder")
    patterns = list(dict.fromkeys(source.filename for source in sources))
    named = " or ".join(patterns)
    found = sorted(path for path in given.rglob("*") if path.is_file() and _fits(path, patterns))
    if not found:
        raise WeightsUnavailableError(f"no file in {given} is called {named}; give the path of the file")
    if len(found) > 1:
        shown = ", ".join(str(path.relative_to(given)) for path in found[:4]) + (", ..." if len(found) > 4 else "")
        raise WeightsUnavailableError(
            f"{len(found)} files in {given} are called {named} ({shown}); give the path of the file"
        )
    return found[0]


def _fits(path: Path, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(path.name, pattern) for pattern in patterns)


def _source_of(path: Path, sources: Sequence[Upstream]) -> Upstream:
    """Return the source that a downloaded file is most likely from, by its name and size; the first in doubt."""
    size = path.stat().st_size
    return max(sources, key=lambda source: (_fits(path, [source.filename]), source.size == size))


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
