"""A mirror of one's own: a folder of converted weights with a manifest, on a disk or on a server.

    ZOO_MIRROR=/shared/zoo    or file:///shared/zoo, https://server/zoo, http:// on this machine and in private networks

It is asked before the publishers. `write` makes its folder from what is bundled and in the cache.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ..common import files
from ..common.cache_roots import user_folder
from ..common.downloads import is_offline
from ..common.errors import WeightsCorruptedError, WeightsUnavailableError, ZooError
from ..common.json_files import LIMIT, UnreadableError, read_bytes, reason
from ..common.locks import locked
from ..common.network_settings import Setting
from ..schema import registry
from ..schema.entries import Upstream, Weights
from ..schema.licenses import LIBRARIES, license_of
from ..schema.mirror_manifest import FILENAME, Manifest, MirrorFile
from . import cache
from .upstream import https

VARIABLE = "ZOO_MIRROR"
_LOCK = ".zoo-mirror.lock"


@dataclass(frozen=True)
class Mirror:
    """The mirror that $ZOO_MIRROR names: a folder, or an address."""

    place: str
    folder: Path | None  # None: on a server

    def manifest(self, temporary: Path) -> Manifest:
        """Read the manifest; `temporary` is a folder for downloads.

        Raises:
            WeightsUnavailableError: there is none, or it cannot be reached.
            WeightsCorruptedError: it is damaged.
        """
        if self.folder:
            return _manifest_of(self.folder)
        into = temporary / "manifest"
        files.make_own(into)
        try:
            path = https.download(f"{self.place}/{FILENAME}", into, filename=FILENAME, limit=LIMIT)
            return Manifest.parse(path.read_bytes(), f"{self.place}/{FILENAME}")
        finally:
            files.remove_own(into)

    def get(self, entry: MirrorFile, temporary: Path) -> Path:
        """Return the path of a file, with the size and the sha256 of the manifest; errors as for `manifest`."""
        address = f"{self.place}/{entry.file}"
        if self.folder:
            path = _inside(self.folder, entry.file)
            if not files.is_file(path):
                raise WeightsCorruptedError(f"{path} is missing, although {self.folder / FILENAME} lists it")
        else:
            into = temporary / f"mirror-{entry.sha256[:16]}"
            files.make_own(into)
            path = https.download(address, into, entry.size, True, filename=Path(entry.file).name)
        size = path.stat().st_size
        if size != entry.size:
            raise WeightsCorruptedError(f"{address} has {size:,} bytes, its manifest says {entry.size:,}")
        if (digest := files.sha256(path)) != entry.sha256:
            raise WeightsCorruptedError(
                f"{address} has sha256 {digest[:12]}..., its manifest says {entry.sha256[:12]}..."
            )
        return path


def current() -> Mirror | None:
    """Return the mirror of $ZOO_MIRROR, None if it is not set; raises ZooError if its value is none."""
    value = os.environ.get(VARIABLE)
    if not value:
        return None
    if "://" not in value:
        return Mirror(value.rstrip("/") or "/", user_folder(value))
    url = value.rstrip("/")
    try:
        parts = urlsplit(url)
        if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
            folder = url2pathname(parts.path)
            return Mirror(folder, Path(folder))
        usable = https.is_allowed(url) and not parts.query and not parts.fragment
    except ValueError:
        usable = False
    if not usable:
        raise ZooError(
            f"{Setting(VARIABLE, value)} cannot be a mirror; give a folder or https://HOST/PATH (http:// only on this "
            f"machine and in private networks)"
        )
    return Mirror(url, None)


class Found(NamedTuple):
    """A verified file of the mirror, which is on this machine now."""

    path: Path
    entry: MirrorFile
    place: str


def fetch(name: str, key: str, temporary: Path) -> Found | None:
    """Return the weights of a model from the mirror; None, after a line on standard error, if it lacks them.

    Args:
        key: the tag, or what stands for it in the name of a discriminator.
        temporary: folder for downloads.

    Raises:
        ZooError: $ZOO_MIRROR is no mirror.
        WeightsUnavailableError: it cannot be reached.
        WeightsCorruptedError: its manifest or its file is damaged.
    """
    mirror = current()
    if mirror is None or (mirror.folder is None and is_offline()):
        return None
    try:
        entry = mirror.manifest(temporary).find(name, key)
        if entry is None:
            print(f"zoo: the mirror {mirror.place} lacks {name}@{key}", file=sys.stderr)
            return None
        return Found(mirror.get(entry, temporary), entry, mirror.place)
    except (WeightsUnavailableError, WeightsCorruptedError) as error:
        text = f"the mirror of {VARIABLE} fails: {str(error).rstrip('.')}; correct it, or unset {VARIABLE}"
        raise type(error)(text) from None


def _manifest_of(folder: Path) -> Manifest:
    path = folder / FILENAME
    try:
        return Manifest.parse(read_bytes(path), str(path))
    except UnreadableError as error:
        raise WeightsCorruptedError(f"{path} cannot be read: {error}") from None
    except OSError as error:
        if isinstance(error, ZooError):
            raise
        raise WeightsUnavailableError(f"{path} cannot be read ({reason(error)})") from None


def _inside(folder: Path, file: str) -> Path:
    """Return the path of a file in a folder; raises WeightsCorruptedError if a link leads out of it."""
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise WeightsCorruptedError(f"{path} leads out of the folder of the mirror")
    return path


# ------------------------------------------------------------------------------------------------------------ writing


class Item(NamedTuple):
    """A file that a mirror is to hold, and its present path."""

    entry: MirrorFile
    path: Path


def items(patterns: Sequence[str], cache_dir: str | os.PathLike | None = None) -> list[Item]:
    """Return what is bundled or in the cache and fits one of the patterns; () fits all.

    Raises:
        ZooError: nothing on this machine fits a pattern.
        UsageError: a pattern is a name or a tag that does not exist.
    """
    here = [*_bundled(), *_cached(cache_dir)]
    for pattern in patterns:
        if not any(cache.fits(_shown(item.entry), pattern) for item in here):
            registry.refuse_unknown(pattern.removesuffix(cache.DISCRIMINATOR))
            name, at, tag = pattern.removesuffix(cache.DISCRIMINATOR).partition("@")
            fitting = [registry.resolve(name)] if registry.is_name(name) else registry.fitting(name)
            if not fitting:
                raise ZooError(registry.nothing_fits(name))
            example = fitting[0] + (at + tag if "*" not in tag else "")
            raise ZooError(
                f"no weights on this machine fit {pattern!r}; load them first, as with: zoo sample {quote(example)}"
            )
    return [item for item in here if not patterns or any(cache.fits(_shown(item.entry), p) for p in patterns)]


def _shown(entry: MirrorFile) -> str:
    return f"{entry.name}@{entry.tag}"


def _bundled() -> Iterator[Item]:
    from .weights import bundled_path

    for name in registry.names():
        config = registry.config(name)
        for weights in config.weights:
            for key, holder in ((weights.tag, weights), (cache.discriminator_key(weights.tag), weights.discriminator)):
                if holder is None or holder.bundled is None or not bundled_path(holder.bundled).is_file():
                    continue
                path = bundled_path(holder.bundled)
                facts = {"sha256": holder.sha256, "original": "bundled", "original_sha256": holder.sha256}
                yield Item(_entry(name, key, path, license=config.license, **facts), path)


def _cached(cache_dir: str | os.PathLike | None) -> Iterator[Item]:
    known = {f"{name}@{w.tag}": w for name in registry.names() for w in registry.config(name).weights}
    for found in cache.entries("*", cache_dir):
        name, _, key = found.name.partition("@")
        weights = known.get(found.name.removesuffix(cache.DISCRIMINATOR))
        source = _source_of(weights, key) if weights else None
        if source is None or found.record is None:  # copied there by hand, or of a model that is not in this registry
            continue
        record = found.record
        original = record.original if record.original.startswith("https://") else source.address
        facts = {"sha256": record.sha256, "original": original, "original_sha256": record.original_sha256}
        terms = {"license": license_of(source), "home": LIBRARIES[source.source].home}
        yield Item(_entry(name, key, found.path, **facts, **terms), found.path)


def _source_of(weights: Weights, key: str) -> Upstream | None:
    holder = weights if key == weights.tag else weights.discriminator
    return holder.upstream if holder else None


def _entry(name: str, key: str, path: Path, **facts) -> MirrorFile:
    file = f"weights/{name}/{key}.safetensors"
    return MirrorFile(name=name, tag=key, file=file, size=path.stat().st_size, **facts)


def write(folder: Path, wanted: Sequence[Item]) -> Iterator[tuple[MirrorFile, bool]]:
    """Copy files into the folder of a mirror, new or old; yields each entry, and whether it was there already.

    An interrupted call is continued by the next one. The manifest never lists a file that is not there.

    Raises:
        ZooError: the folder holds something else, or another process writes it.
        WeightsCorruptedError: a file on this machine is damaged.
    """
    if not folder.is_dir() and os.path.lexists(folder):
        raise ZooError(f"{folder} is not a folder; give a new or an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(folder / FILENAME) and any(path.name != _LOCK for path in folder.iterdir()):
        raise ZooError(f"{folder} holds other files and is no mirror; give a new or an empty folder")
    with locked(folder / _LOCK, refusal=f"another process is writing {folder}; run the command again later"):
        manifest = _manifest_of(folder) if os.path.lexists(folder / FILENAME) else Manifest()
        _save(folder, manifest)
        for item in wanted:
            was_there = _put(folder, item, manifest.find(item.entry.name, item.entry.tag))
            if manifest.find(item.entry.name, item.entry.tag) != item.entry:
                manifest = manifest.with_file(item.entry)
                _save(folder, manifest)
            yield item.entry, was_there


def _save(folder: Path, manifest: Manifest) -> None:
    files.remove_leftovers(folder / FILENAME)
    files.write_atomically(folder / FILENAME, manifest.to_json().encode())


def _put(folder: Path, item: Item, listed: MirrorFile | None) -> bool:
    """Copy a file to its place unless it is there; returns whether it is. Only a listed file is replaced."""
    target = _inside(folder, item.entry.file)
    if os.path.lexists(target):
        here = files.sha256(target) if stat.S_ISREG(target.lstat().st_mode) else None
        if here == item.entry.sha256:
            return True
        if listed is None or here != listed.sha256:
            raise ZooError(f"{target} is not a file that this command wrote; move it away, or give another folder")
    files.remove_leftovers(target)
    with files.replacing(target) as temporary:
        shutil.copyfile(item.path, temporary)
        files.verify_sha256(temporary, item.entry.sha256, f"remove {item.path}, then load {item.entry.name} again")
    return False
