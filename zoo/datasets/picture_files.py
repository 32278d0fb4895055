"""Which files are pictures, in a folder as in an archive: by their suffix, unless a system left them there."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..common.errors import DataCorruptedError, DataUnavailableError
from ..common.json_files import check_regular, reason

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
)
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_PUBLISHED = ("cifar-", "stl10_", "tiny-imagenet", "img_align_celeba", "ILSVRC")  # archives
_SYSTEM_FOLDERS = {
    "__macosx",  # of archives made on a Mac
    "@eadir",  # thumbnails of a Synology disk
    "@recycle",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "thumbnails",
}
_SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
_MOST_FOLDERS = 300_000  # ImageNet-21k has 21,841; links can multiply a few folders without end
_NAMED = 3  # examples of each kind that is left out


class PictureFile(NamedTuple):
    """A picture below a folder, or in an archive."""

    name: str  # relative path, with "/"
    size: int  # bytes
    modified: int  # nanoseconds
    label: int = 0


class LeftOut(NamedTuple):
    """Files of one kind that are no pictures."""

    kind: str
    count: int
    examples: tuple[str, ...]  # the first names

    def __str__(self) -> str:
        more = ", ..." if self.count > len(self.examples) else ""
        return f"{self.count:,} {self.kind}{'s' if self.count > 1 else ''} ({', '.join(self.examples)}{more})"


@dataclass
class Listing:
    """What a folder or an archive holds, in any order."""

    pictures: list[PictureFile] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)  # with or without pictures, as relative paths
    others: dict[str, list[str]] = field(default_factory=dict)  # names of what is left out, by kind

    def leave_out(self, kind: str, name: str) -> None:
        self.others.setdefault(kind, []).append(name)

    def take_back(self, names: Collection[str]) -> None:
        """Count these files no longer as left out."""
        kept = {kind: [name for name in found if name not in names] for kind, found in self.others.items()}
        self.others = {kind: found for kind, found in kept.items() if found}

    def left_out(self) -> tuple[LeftOut, ...]:
        found = (LeftOut(kind, len(names), tuple(sorted(names)[:_NAMED])) for kind, names in self.others.items())
        return tuple(sorted(found, key=lambda kind: (-kind.count, kind.kind)))


def folder_is_ignored(name: str) -> bool:
    """Return True for a hidden folder, and for the thumbnails and recycle bins of systems."""
    return name.startswith(".") or name.lower() in _SYSTEM_FOLDERS


def why_ignored(name: str) -> str | None:
    """Return why a file of this name is no picture; None for a picture."""
    if name.startswith("."):
        return "hidden file"
    if name.lower() in _SYSTEM_FILES:
        return "system file"
    if name.lower().endswith(SUFFIXES):
        return None
    suffix = Path(name).suffix.lower()
    return f"{suffix} file" if suffix else "suffixless file"


def list_names(files: Sequence[PictureFile], folders: Collection[str] = ()) -> Listing:
    """Sort out the files of an archive by their names."""
    found, ignored_folders = Listing(), set()
    for file in files:
        *parents, name = file.name.split("/")
        ignored = next((i for i, parent in enumerate(parents, 1) if folder_is_ignored(parent)), None)
        if ignored is not None:
            ignored_folders.add("/".join(parents[:ignored]))
        elif kind := why_ignored(name):
            found.leave_out(kind, file.name)
        else:
            found.pictures.append(file)
    for place in ignored_folders:
        found.leave_out("system folder", place)
    for place in {*folders, *(file.name.rpartition("/")[0] for file in found.pictures)}:
        parts = place.split("/")
        if place and not any(map(folder_is_ignored, parts)):
            found.folders.update("/".join(parts[:i]) for i in range(1, len(parts) + 1))
    return found


def list_folder(path: Path, tops: Collection[str] | None = None) -> Listing:
    """List what is below a folder, following links.

    Args:
        tops: look only into folders of these names at the top.

    Raises:
        DataUnavailableError: a folder cannot be read.
        DataCorruptedError: an entry named like a picture is not a file, or a link leads back to a folder above it.
    """
    found, start = Listing(), len(f"{path}{os.sep}")
    for entry, is_folder in _walk(path, tops):
        name = entry.path[start:].replace(os.sep, "/")
        if is_folder and folder_is_ignored(entry.name):
            found.leave_out("system folder", name)
        elif is_folder:
            found.folders.add(name)
        elif kind := why_ignored(entry.name):
            found.leave_out(kind, name)
        else:
            stat = entry.stat()
            found.pictures.append(PictureFile(name, stat.st_size, stat.st_mtime_ns))
    return found


def is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVES)


def shards_in(path: Path) -> list[Path]:
    """Return the archives of a folder that holds no pictures beside them."""
    found = sorted(entry for entry in path.iterdir() if is_archive(entry.name) and not entry.name.startswith("."))
    return found if found and not _has_pictures(path) else []


def holds_own(path: Path) -> bool:
    """Return True if there are pictures below a folder, or archives in it that are not a publisher's."""
    if any(is_archive(entry.name) and not entry.name.startswith(_PUBLISHED) for entry in path.iterdir()):
        return True
    return _has_pictures(path)


def _has_pictures(path: Path) -> bool:
    return any(not is_folder and why_ignored(entry.name) is None for entry, is_folder in _walk(path))


def _walk(path: Path, tops: Collection[str] | None = None) -> Iterator[tuple[os.DirEntry, bool]]:
    """Yield the files and folders below a folder; what is ignored is not looked into."""
    waiting: list[tuple[str, tuple]] = [(os.fspath(path), ())]
    for visited in itertools.count(1):
        place, above = waiting.pop()
        try:
            status = Path(place).stat()
            with os.scandir(place) as scanned:
                entries = list(scanned)
        except OSError as error:
            raise DataUnavailableError(f"{place} cannot be read ({error.strerror}); check it") from None
        here = status.st_dev, status.st_ino
        if here in above or visited > _MOST_FOLDERS:
            raise DataCorruptedError(f"{place}: its links form a circle; remove them")
        for entry in entries:
            if not above and tops is not None and entry.name not in tops:
                continue
            is_folder = _is_folder(entry)
            if is_folder and not folder_is_ignored(entry.name):
                waiting.append((entry.path, (*above, here)))
            elif not is_folder and why_ignored(entry.name) is None:
                _check_file(entry)
            yield entry, is_folder
        if not waiting:
            return


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _check_file(entry: os.DirEntry) -> None:
    try:
        check_regular(entry.stat().st_mode)
    except (OSError, ValueError) as error:
        raise DataCorruptedError(
            f"{entry.path} cannot be read as an image ({reason(error)}); repair or remove it"
        ) from None
