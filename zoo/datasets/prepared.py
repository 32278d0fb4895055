"""Prepared data sets on disk: one memory-mapped file of pixels, and one manifest.

    <root>/prepared/<data set>-<split>-<side>-<key>/manifest.json      source, count, labels, checksums, preparation
                                                   /<sha256>.uint8     (N, S, S, 3), C order, no header

The pixels are written under a temporary name, flushed to the disk and renamed; the manifest follows in the same way and
makes them valid. So a process may be killed at any moment: there is a manifest with whole pixels, or no manifest.
Builders of the same folder take turns by a lock, and remove the leftovers of killed builders.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..common.cache_roots import NO_HOME, data_root
from ..common.errors import DataCorruptedError, ZooError
from ..common.files import remove_leftovers, replacing, sha256, write_atomically
from ..common.locks import locked
from ..common.progress import Progress, ProgressCallback
from ..schema import identity
from .preparation import Preparation
from .source import DatasetSource, is_full_split

if TYPE_CHECKING:
    import numpy as np

    from .builder import WrittenPixels

_UNNAMED = "building.uint8"  # pixels whose checksum is not known yet
_PIXELS = re.compile(r"[0-9a-f]{16}\.uint8")
VERSION = 1  # of the layout and of the preparation; data of another version is prepared again
_OWN_VERSION = 2  # of the preparation of own pictures


@dataclass(frozen=True)
class Request:
    """The requested data."""

    dataset: str
    split: str
    resolution: int
    preparation: Preparation
    is_own: bool = False
    classes: bool = True  # False = all labels are 0, whatever the folders

    @property
    def data(self) -> str:
        """Whose data: of own pictures whatever they are called, as the name changes nothing of them."""
        return identity.CUSTOM if identity.is_custom(self.dataset) else self.dataset

    def stem(self) -> str:
        return f"{_plain(self.data)}-{_plain(self.split)}-{self.resolution}"

    def folder(self, origin: str) -> Path:
        """Return the folder of the prepared data from this origin."""
        facts = [VERSION, self.data, self.split, self.resolution, self.preparation.record(), origin]
        own = [_OWN_VERSION] + ["no classes"] * (not self.classes)
        key = json.dumps([*facts, *own] if self.is_own else facts)
        return home() / f"{self.stem()}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Prepared:
    """A prepared split on disk."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.manifest["count"], self.manifest["resolution"], self.manifest["resolution"], 3

    @property
    def path(self) -> Path:
        return self.folder / self.manifest["pixels"]

    def pixels(self) -> np.ndarray:
        """Map the pixels (N, S, S, 3) uint8, which are read on access; writing changes only this process's copy."""
        import numpy as np

        return np.memmap(self.path, np.uint8, mode="c", shape=self.shape)

    def labels(self) -> np.ndarray:
        import numpy as np

        labels = self.manifest["labels"]
        return np.zeros(self.manifest["count"], np.int64) if labels is None else np.array(labels, np.int64)

    def verify(self, progress: bool | ProgressCallback = False) -> None:
        """Read all pixels; raises DataCorruptedError if they have changed since they were written."""
        with Progress(progress) as bar:
            advance = bar.task("checking prepared images, bytes", self.path.stat().st_size, "bytes")
            found = sha256(self.path, advance)
        if found != self.manifest["sha256"]:
            raise DataCorruptedError(f"{self.path} is damaged; remove {self.folder}, so that it is prepared again")


def home() -> Path:
    return data_root() / "prepared"


def checksum(request: Request, how: Preparation, labels: np.ndarray, pixels_sha256: str) -> str:
    """Return a checksum of data set, split, preparation, labels and pixels, whatever their origin and name."""
    digest = hashlib.sha256(
        json.dumps([VERSION, request.data, request.split, request.resolution, how.record(), pixels_sha256]).encode()
    )
    digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


# ------------------------------------------------------------------------------------------------------ looking up


def complete(request: Request) -> Prepared | None:
    """Return the whole public split with this preparation, from any origin; None if there is none."""
    for folder in sorted(home().glob(f"{request.stem()}-*")):
        found = read(folder)
        if found and found.manifest["complete"] and found.manifest["requested"] == request.preparation.record():
            return found
    return None


def current(request: Request, source: DatasetSource) -> Prepared | None:
    """Return the data prepared from this source; None if there is none or the source has changed since."""
    found = read(request.folder(source.origin))
    if found is None or (source.anywhere and not found.manifest["complete"]):
        return None
    fingerprint = source.fingerprint()
    if found.manifest["fingerprint"] == fingerprint:
        return found
    if found.manifest["content"] is not None and found.manifest["content"] == source.content():
        _write_manifest(found.folder, {**found.manifest, "fingerprint": fingerprint})  # touched, not changed
        return found
    return None


def everything() -> list[Prepared]:
    """Return all prepared data."""
    found = (read(folder) for folder in sorted(home().glob("*")))
    return [prepared for prepared in found if prepared]


def read(folder: Path) -> Prepared | None:
    """Return the prepared data in a folder; None if there is no valid data."""
    try:
        found = Prepared(folder, json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
        if found.manifest["version"] != VERSION or found.path.stat().st_size != _bytes(found.shape):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


# -------------------------------------------------------------------------------------------------------- building


def build(request: Request, source: DatasetSource, progress: bool | ProgressCallback = False) -> Prepared:
    """Prepare a source, unless another process has just done so.

    Raises:
        DataUnavailableError: the images are not on this machine and cannot be fetched.
        DataCorruptedError: an image cannot be read, or the public split is not whole.
        ZooError: the disk is full.
    """
    folder = request.folder(source.origin)
    with _in_a_place_for_data():
        home().mkdir(parents=True, exist_ok=True)
    with locked(home() / f".{folder.name}.lock", f"preparing {request.dataset}, {request.split}"):
        return current(request, source) or _build(request, source, folder, progress)


def _build(request: Request, source: DatasetSource, folder: Path, progress: bool | ProgressCallback) -> Prepared:
    from .builder import sampled_sizes

    full = is_full_split(request.dataset, request.split, source)
    side = request.resolution
    how = request.preparation.fitted(sampled_sizes(source), side)
    _refuse_without_room(folder.parent, _bytes((len(source), side, side, 3)))
    folder.mkdir(exist_ok=True)
    _remove_leftovers(folder)
    pixels, written = _write_pixels(folder, source, how, side, progress)
    labels = source.labels
    manifest = {
        "version": VERSION,
        "dataset": request.dataset,
        "split": request.split,
        "resolution": side,
        "count": len(source),
        "num_classes": source.num_classes,
        "class_names": list(source.class_names),
        "source": source.origin,
        "complete": full,
        "fingerprint": source.fingerprint(),
        "content": source.content(),
        "requested": request.preparation.record(),
        "preparation": how.record(),
        "resized_by": f"Pillow {_pillow_version()}",
        "pixels": pixels,
        "sha256": written.sha256,
        "sizes": [[*size, count] for size, count in sorted(written.sizes.items())] if request.is_own else [],
        "checksum": checksum(request, how, labels, written.sha256),
        "labels": labels.tolist() if labels.any() else None,
    }
    _write_manifest(folder, manifest)
    _remove_leftovers(folder)
    return Prepared(folder, manifest)


def _write_pixels(
    folder: Path, source: DatasetSource, how: Preparation, side: int, progress: bool | ProgressCallback
) -> tuple[str, WrittenPixels]:
    """Write the pixels; returns the file name and what was written. A failure leaves nothing behind."""
    from .builder import write_pixels

    try:
        with replacing(folder / _UNNAMED) as temporary, temporary.open("wb", buffering=1 << 20) as file:
            written = write_pixels(source, how, side, file, progress)
        name = f"{written.sha256[:16]}.uint8"
        (folder / _UNNAMED).replace(folder / name)
    except BaseException as error:
        with suppress(OSError):  # unless it has older content
            folder.rmdir()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            _no_room(folder.parent, _bytes((len(source), side, side, 3)), error.strerror or str(error))
        raise
    _flush_folder(folder)
    return name, written


@contextmanager
def _in_a_place_for_data() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = "there is no home folder" if NO_HOME in home().parents else f"{home()}: {error.strerror}"
        raise ZooError(f"prepared images cannot be kept ({reason}); set ZOO_DATA to a writable folder") from None


def _refuse_without_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        _no_room(folder, needed, f"{_size(free)} are free")


def _no_room(folder: Path, needed: int, reason: str) -> NoReturn:
    raise ZooError(
        f"{folder} needs {_size(needed)} of free space ({reason}); free some space, or set ZOO_DATA to a folder "
        f"on another disk"
    ) from None


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    write_atomically(folder / "manifest.json", (json.dumps(manifest, ensure_ascii=False) + "\n").encode())
    _flush_folder(folder)


def _remove_leftovers(folder: Path) -> None:
    """Remove the leftovers of killed builders and the pixels of an older source, by the names that builders use.

    Processes that have mapped a removed file keep it: the system frees it when the last one unmaps it.
    """
    prepared = read(folder)
    for name in ("manifest.json", _UNNAMED):
        remove_leftovers(folder / name)
    for path in folder.iterdir():
        ours = path.name == _UNNAMED or _PIXELS.fullmatch(path.name)
        if ours and path.is_file() and not (prepared and path == prepared.path):
            path.unlink()


def _flush_folder(folder: Path) -> None:
    """Make renames in a folder durable, in order."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(handle)
        os.close(handle)


def _bytes(shape: tuple[int, ...]) -> int:
    return math.prod(shape)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _pillow_version() -> str:
    import PIL

    return PIL.__version__


def _plain(name: str) -> str:
    """Return a name without characters that file names cannot have."""
    return re.sub(r"[^A-Za-z0-9+]+", "_", name)
