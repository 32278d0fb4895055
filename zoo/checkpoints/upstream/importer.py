"""Bring published checkpoints into our cache: downloaded by us, downloaded by hand, or converted already in a mirror.

Of several places of one checkpoint, the first that gives it is taken.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ...common.downloads import OFFLINE, is_offline
from ...common.errors import WeightsCorruptedError, WeightsUnavailableError, ZooError
from ...common.text import one_line
from ...schema import registry
from ...schema.config import ModelConfig
from ...schema.entries import Upstream, Weights
from ...schema.licenses import LIBRARIES, is_noncommercial, license_of
from .. import cache, mirror, weights
from ..state_dicts import check_finite, load_into
from . import download, given
from .conversion import Wanted, convert, how_to_forget, tensors_sha256

_UNSET = f"correct the mirror, or unset {mirror.VARIABLE}"


def import_checkpoint(
    name: str,
    source: str | Path,
    cache_dir: str | os.PathLike | None = None,
    force: bool = False,
    discriminator: bool = False,
    member: str | None = None,
) -> Path:
    """Convert a downloaded checkpoint of `name` or `name@tag`; returns the safetensors file in the cache.

    Args:
        source: the checkpoint, its folder, or a zip archive that has it.
        force: replace an earlier import, even by another file than the recorded one.
        discriminator: the checkpoint is the discriminator of these weights, not the generator.
        member: name of the checkpoint in the archive, where that is not the name it was published with.

    Raises:
        WeightsUnavailableError: there is no such file, or the weights of this tag are not imported.
        WeightsCorruptedError: the file is damaged, belongs to another model, or differs from the recorded file.
        ZooError: these weights were imported before.
    """
    base, tag = registry.split_tag(name)
    config = registry.config(base)
    wanted = _wanted(config, weights.entry(config, tag), discriminator)
    target = wanted.target(cache_dir)
    if target.exists() and not force:
        raise ZooError(f"{target} exists; these weights were imported before (--force imports them again)")
    path = given.checkpoint(Path(source), wanted.sources)
    with given.opened(path, wanted.sources, member) as original:
        wanted = wanted.of(given.source_of(original, wanted.sources))
        converted = convert(wanted, original, target, trust_anew=force)
        with cache.lock(config, _lock_key(wanted), cache_dir):
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
    with cache.lock(config, _lock_key(wanted), cache_dir) as unfinished:
        if target.is_file():  # another process was first
            return target
        unfinished.mkdir(parents=True, exist_ok=True)
        path = _from_mirror(wanted, target, unfinished) or _from_sources(wanted, target, unfinished, cache_dir)
        cache.clear_partial(unfinished)
        return path


def _from_sources(wanted: Wanted, target: Path, unfinished: Path, cache_dir: str | os.PathLike | None) -> Path:
    """Fetch from the first place that gives the checkpoint, and tell why those before it did not."""
    if is_offline():
        raise WeightsUnavailableError(OFFLINE)
    failures: list[tuple[Upstream, ZooError]] = []
    for source in wanted.sources:
        try:
            path = _from_source(wanted.of(source), target, unfinished, cache_dir)
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


def _from_source(wanted: Wanted, target: Path, unfinished: Path, cache_dir: str | os.PathLike | None) -> Path:
    _tell_terms(wanted.name, license_of(wanted.upstream), LIBRARIES[wanted.upstream.source].home)
    unfinished.mkdir(parents=True, exist_ok=True)
    try:
        original = download.fetch(wanted.upstream, unfinished, wanted.beside(target))
        path = convert(wanted, original, target).store(target)
    except WeightsCorruptedError:  # continuing with this file would fail again
        cache.clear_partial(unfinished)
        raise
    _convert_other(wanted, original, cache_dir)
    return path


def _convert_other(wanted: Wanted, original: download.Original, cache_dir: str | os.PathLike | None) -> None:
    """Convert the entry's other network, too, where it lies in the same file, so that this is not fetched again.

    The caller holds the lock of both. What goes wrong is told and no more: it concerns a network that nobody has asked
    for yet.
    """
    sources = weights.sources_of(wanted.entry, not wanted.discriminator)
    same = next((source for source in sources if source.is_same_file(wanted.upstream)), None)
    if same is None:
        return
    other = Wanted(wanted.config, wanted.entry, sources, same, not wanted.discriminator)
    target = other.target(cache_dir)
    if target.is_file():
        return
    try:
        if original.archive:
            original = download.member(original.archive, [same.path], original.path.parent, original.address)
        convert(other, original, target).store(target)
    except ZooError as error:
        print(f"zoo: {other.name}, in the same file, was not converted: {one_line(str(error), 400)}", file=sys.stderr)


def _lock_key(wanted: Wanted) -> str:
    """Return what stands for the tag in the name of the lock; both networks of one published file have the same."""
    generator, discriminator = (weights.sources_of(wanted.entry, network) for network in (False, True))
    shared = any(one.is_same_file(other) for one in generator for other in discriminator)
    return wanted.entry.tag if shared else wanted.key


def _tell_terms(name: str, license: str, home: str | None) -> None:
    if is_noncommercial(license):
        print(f"zoo: {name} is licensed {license}: no commercial use{f'; see {home}' if home else ''}", file=sys.stderr)


def _from_mirror(wanted: Wanted, target: Path, unfinished: Path) -> Path | None:
    """Fetch from the user's mirror; None if there is none, or if it lacks these weights."""
    try:
        found = mirror.fetch(wanted.config.name, wanted.key, unfinished)
        return found and _store_mirrored(wanted, found, target)
    except WeightsCorruptedError:  # continuing with this file would fail again
        cache.clear_partial(unfinished)
        raise


def _store_mirrored(wanted: Wanted, found: mirror.Found, target: Path) -> Path:
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
            f"{origin} has other tensors than {known.original} gave first; {how_to_forget(wanted)}"
        )
    cache.store_copy(target, found.path, entry.original_sha256, entry.original, identity)
    print(f"zoo: {wanted.name} comes from the mirror {found.place}", file=sys.stderr)
    return target


def _wanted(config: ModelConfig, entry: Weights, discriminator: bool) -> Wanted:
    """Return the published network of an entry; raises WeightsUnavailableError if it has none."""
    if sources := weights.sources_of(entry, discriminator):
        return Wanted(config, entry, sources, sources[0], discriminator)
    if not discriminator:
        raise WeightsUnavailableError(f"{config.name}@{entry.tag} is not imported. {weights.how_to_get(config, entry)}")
    if entry.discriminator:
        raise WeightsUnavailableError(
            f"the discriminator of {config.name}@{entry.tag} is not imported: it ships with the package"
        )
    raise WeightsUnavailableError(
        f"no published discriminator of {config.name}@{entry.tag} is known; leave out --discriminator to import the "
        f"generator"
    )
