"""The cache of converted checkpoints and their records.

    weights/<method>/<dataset>/<tag>.safetensors   a converted checkpoint, named so when complete
    weights/<method>/<dataset>/<tag>.json          its record, which outlives it: a next download must be the same file
    weights/.../<tag>-discriminator.safetensors    its discriminator, with a record of its own
    weights/.../<tag>.alignment.json               its alignment, if `zoo align` has measured it
    alignments/<sha256>.json                       the alignment of weights of the Hugging Face Hub
    references/                                    features and statistics of real images (`zoo.evaluation`)
    features/<key>/                                features of an evaluation that was interrupted, for a week
    verified/<sha256>                              size and time of a file when it was hashed and had this sha256
    partial/<method>-<dataset>@<tag>/              a download that continues where it stopped
    locks/<method>-<dataset>@<tag>.lock            held by the process that fetches
    inductor/                                      what `zoo train --compile` has compiled (`training/compiling.py`)

Files of the Hugging Face Hub stay in the Hub's own cache ($HF_HOME).
"""

from __future__ import annotations

import errno
import fnmatch
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..common import files
from ..common.cache_roots import NO_HOME, cache_root
from ..common.errors import WeightsCorruptedError, WeightsUnavailableError
from ..common.json_files import read_json
from ..common.locks import locked
from ..schema.config import ModelConfig
from ..schema.labels import plain

_CANNOT_WRITE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT}
_ALIGNMENT = ".alignment.json"
DISCRIMINATOR = "-discriminator"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def root_of(cache_dir: str | os.PathLike | None) -> Path:
    return cache_root() if cache_dir is None else Path(cache_dir)


def weights_path(config: ModelConfig, tag: str, cache_dir: str | os.PathLike | None = None) -> Path:
    """Return the path of the converted upstream weights of a tag."""
    return root_of(cache_dir) / "weights" / config.name / f"{tag}.safetensors"


def discriminator_key(tag: str) -> str:
    """Return what stands for the tag in the names of the files of its discriminator."""
    return f"{tag}{DISCRIMINATOR}"


def alignment_path(config: ModelConfig, tag: str, cache_dir: str | os.PathLike | None = None) -> Path:
    """Return the path of the alignment of a converted checkpoint."""
    return weights_path(config, tag, cache_dir).with_suffix(_ALIGNMENT)


# -------------------------------------------------------------------------------------------------------- the records


@dataclass(frozen=True)
class Record:
    """What is known about a converted checkpoint."""

    sha256: str  # of the safetensors file
    original_sha256: str  # of the file that its authors published, when it was first seen on this machine
    original: str  # where the published file came from
    replaced_sha256: str | None = None  # of the replaced file; between two renames either may exist
    tensors_sha256: str | None = None  # of the converted tensors, which all sources must give

    @classmethod
    def read(cls, path: Path) -> Record | None:
        """Return the record of a file in the cache, None if there is none."""
        try:
            return cls(**read_json(path.with_suffix(".json")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            raise WeightsCorruptedError(f"{path.with_suffix('.json')} is damaged; remove it and {path}") from None

    def write(self, path: Path) -> None:
        files.write_atomically(path.with_suffix(".json"), (json.dumps(asdict(self), indent=2) + "\n").encode())


def store(
    path: Path,
    tensors: dict,
    metadata: dict[str, str],
    original_sha256: str,
    original: str,
    tensors_sha256: str | None = None,
) -> Record:
    """Store a converted checkpoint under its name; the file never exists without its checksum on record.

    The caller holds the lock. `original` and the checksums are those of `Record`.
    """

    def write(temporary: Path) -> None:
        files.write_safetensors(temporary, tensors, metadata)

    return _store(path, write, Record("", original_sha256, original, None, tensors_sha256))


def store_copy(path: Path, source: Path, original_sha256: str, original: str, tensors_sha256: str) -> Record:
    """Store a copy of a converted checkpoint, as `store` does."""

    def write(temporary: Path) -> None:
        shutil.copyfile(source, temporary)

    return _store(path, write, Record("", original_sha256, original, None, tensors_sha256))


def _store(path: Path, write: Callable[[Path], None], facts: Record) -> Record:
    for written in (path, path.with_suffix(".json")):
        files.remove_leftovers(written)
    replaced = files.sha256(path) if path.is_file() else None
    with files.replacing(path) as temporary:
        write(temporary)
        record = replace(facts, sha256=files.sha256(temporary), replaced_sha256=replaced)
        record.write(path)
    _stamp(path, record.sha256, _root_of_weights(path))
    return record


def check(path: Path, cache_dir: str | os.PathLike | None = None) -> None:
    """Raise WeightsCorruptedError if a file of the cache is not the file that was stored."""
    record = Record.read(path)
    if record is None:  # copied there by hand
        return
    name = _name_of(path)
    try:
        check_once(path, record.sha256, f"remove with: zoo cache clear {name}; the next load converts again", cache_dir)
    except WeightsCorruptedError:
        if record.replaced_sha256 is None or files.sha256(path) != record.replaced_sha256:
            raise


def check_once(path: Path, sha256: str, remedy: str, cache_dir: str | os.PathLike | None = None) -> None:
    """Verify the sha256 of a file when it is first used, and whenever its size or time has changed."""
    stamp = root_of(cache_dir) / "verified" / sha256
    with suppress(OSError):
        if stamp.read_text() == _size_and_time(path):
            return
    files.verify_sha256(path, sha256, remedy)
    _stamp(path, sha256, root_of(cache_dir))


def _stamp(path: Path, sha256: str, root: Path) -> None:
    with suppress(OSError):  # with a read-only cache, the file is hashed each time
        files.write_atomically(root / "verified" / sha256, _size_and_time(path).encode())


def _size_and_time(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}\n"


# --------------------------------------------------------------------------------------------- one process at a time


@contextmanager
def lock(
    config: ModelConfig, tag: str, cache_dir: str | os.PathLike | None = None, refusal: str | None = None
) -> Iterator[Path]:
    """Hold the lock for fetching a tag; yields the folder of its partial downloads. A killed process releases it.

    Args:
        refusal: message of a ZooError that is raised instead of waiting for another process.
    """
    root, key = root_of(cache_dir), f"{config.slug}@{tag}"
    with explained(root):
        (root / "locks").mkdir(parents=True, exist_ok=True)
        with locked(root / "locks" / f"{key}.lock", f"fetching {config.name}@{tag}", 0.5, refusal):
            yield root / "partial" / key


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Report a full or read-only disk below `folder` in one line."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise WeightsUnavailableError(
                f"{folder} is full ({error.strerror}); free some space, or set ZOO_CACHE to another folder"
            ) from None
        if error.errno in _CANNOT_WRITE and not isinstance(error, WeightsUnavailableError):
            if NO_HOME in folder.parents:
                raise WeightsUnavailableError(
                    "there is no home folder for files; set HOME, or set ZOO_CACHE to a writable folder"
                ) from None
            raise WeightsUnavailableError(
                f"{folder} cannot be written ({error.strerror}); set ZOO_CACHE to a writable folder"
            ) from None
        raise


# --------------------------------------------------------------------------------------------- list, verify and clear


@dataclass(frozen=True)
class CachedCheckpoint:
    """A converted checkpoint in the cache."""

    name: str  # name@tag
    path: Path
    size: int  # bytes
    record: Record | None

    def problem(self) -> str | None:
        """Hash the file; return why it differs from the record, or None if it does not."""
        if self.record is None:
            return "no checksum on record"
        if files.sha256(self.path) not in (self.record.sha256, self.record.replaced_sha256):
            return "damaged: its sha256 differs from the record"
        return None


def entries(pattern: str = "*", cache_dir: str | os.PathLike | None = None) -> list[CachedCheckpoint]:
    """Return the entries of the cache, sorted; `pattern` is a name in any spelling, name@tag, or a glob.

    A tag fits its generator and its discriminator; `name@tag-discriminator` fits the discriminator alone.
    """
    found = sorted((root_of(cache_dir) / "weights").glob("*/*/*.safetensors"))
    names = {path: _name_of(path) for path in found if not path.name.startswith(".")}
    return [
        CachedCheckpoint(name, path, path.stat().st_size, Record.read(path))
        for path, name in names.items()
        if fits(name, pattern)
    ]


def clear(
    pattern: str = "*", forget: bool = False, cache_dir: str | os.PathLike | None = None
) -> list[CachedCheckpoint]:
    """Remove the converted checkpoints and partial downloads that fit; returns the removed entries.

    A checkpoint without a record was copied there by hand and stays, as does any other foreign file.

    Args:
        pattern: as for `entries`.
        forget: also remove the records, so that the next download may be another file.
    """
    root = root_of(cache_dir)
    removed = []
    for entry in entries(pattern, cache_dir):
        if entry.record is None:
            continue
        removed.append(entry)
        entry.path.unlink(missing_ok=True)
        entry.path.with_suffix(_ALIGNMENT).unlink(missing_ok=True)
        (root / "verified" / entry.record.sha256).unlink(missing_ok=True)
    if forget:
        for path in (root / "weights").glob("*/*/*.json"):
            if fits(_name_of(path), pattern) and _is_record(path):
                path.unlink(missing_ok=True)
    for path in (root / "partial").glob("*@*"):
        if fits(path.name, pattern.replace("/", "-")):
            clear_partial(path)
    return removed


def clear_partial(partial: Path) -> None:
    """Remove all partial downloads in the folder that `lock` yielded."""
    for folder in partial.iterdir() if partial.is_dir() else ():
        if files.is_own(folder):
            files.remove_own(folder)
    with suppress(OSError):  # missing, or not empty
        partial.rmdir()


def _is_record(path: Path) -> bool:
    try:
        return Record.read(path) is not None
    except WeightsCorruptedError:
        return False


def fits(name: str, pattern: str) -> bool:
    """Return True if `name@tag` fits a pattern, as for `entries`."""
    base, _, tag = name.partition("@")
    wanted, _, wanted_tag = pattern.partition("@")
    same = plain(base) == plain(wanted) or fnmatch.fnmatch(base, wanted.lower())
    tags = (tag, tag.removesuffix(DISCRIMINATOR))
    return same and (not wanted_tag or any(fnmatch.fnmatch(tag, wanted_tag) for tag in tags))


def _name_of(path: Path) -> str:
    return f"{path.parent.parent.name}/{path.parent.name}@{path.stem}"


def _root_of_weights(path: Path) -> Path:
    return path.parents[3]
