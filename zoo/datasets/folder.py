"""A folder of images: flat, or one folder per class, or either of these below train, val and test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..common.errors import DataCorruptedError, DataUnavailableError
from ..common.json_files import check_regular, reason
from ..common.text import visible
from ..schema.class_names import class_ids, class_names
from .image_reader import open_image
from .source import DatasetSource, fingerprint_of

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")
_MOST_FOLDERS = 300_000  # ImageNet-21k has 21,841; links can multiply a few folders without end
_SPLITS = [("train", "training"), ("val", "valid", "validation"), ("test", "testing")]


class ImageFile(NamedTuple):
    """An image file below a folder."""

    name: str  # relative path
    label: int
    size: int  # bytes
    modified: int  # nanoseconds


class ImageFolder(DatasetSource):
    """The images of one split below a folder, in the order of torchvision's ImageFolder.

    Labels follow the sorted names of the class folders, as there, unless the names are numbers (2 before 10), or the
    public class names or WordNet ids of the data set (whose order is public, too).

    Args:
        path: the split itself, unless it has folders called train, val or test.
        dataset: its class names or WordNet ids define the order of the labels, if the folders are named so.
        classes: False = all labels are 0, whatever the folders.
    """

    def __init__(self, path: Path, split: str, dataset: str = "custom", classes: bool = True):
        self.path, self.split, self.dataset, self.classes = path, split, dataset, classes
        self.origin = visible(str(path.resolve()))

    @cached_property
    def folders(self) -> list[Path]:
        """The folders of the images of the split; several if the split is "all"."""
        return split_folders(self.path, self.split)

    def fingerprint(self) -> str:
        return fingerprint_of((file.name, file.size, file.modified) for file in self.files)

    @cached_property
    def _scanned(self) -> tuple[list[ImageFile], tuple[str, ...]]:
        return scan(self.folders, self.path, self.classes, self.dataset)

    @property
    def files(self) -> list[ImageFile]:
        return self._scanned[0]

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._scanned[1]

    @property
    def num_classes(self) -> int:
        return max(len(self.class_names), 1)

    @cached_property
    def labels(self) -> np.ndarray:
        import numpy as np

        return np.array([file.label for file in self.files], np.int64)

    def image(self, i: int) -> Image:
        return open_image(self.path / self.files[i].name)

    def where(self, i: int) -> str:
        return str(self.path / self.files[i].name)


def scan(folders: list[Path], base: Path, classes: bool, dataset: str) -> tuple[list[ImageFile], tuple[str, ...]]:
    """Return all image files of these folders, class after class, and the class names (none for flat folders).

    Raises:
        DataUnavailableError: there are no images.
        DataCorruptedError: there are images beside class folders, an empty class folder, or folders with other classes.
    """
    found = [_images(folder) for folder in folders]
    if not any(found):
        raise DataUnavailableError(
            f"{folders[0]} has no images ({', '.join(SUFFIXES)}); give a folder of images, flat or with one "
            f"folder per class"
        )
    names = _class_folders(folders, found, dataset) if classes else ()
    index = {name: label for label, name in enumerate(names)}
    files = []
    for folder, images in zip(folders, found, strict=True):
        below = "" if folder == base else f"{folder.relative_to(base)}{os.sep}"
        for name, size, modified in images:
            files.append(ImageFile(below + name, index[name.partition(os.sep)[0]] if names else 0, size, modified))
    files.sort(key=lambda file: (file.label, file.name.rpartition(os.sep)))
    public = class_names(dataset)
    return files, public if names and names == class_ids(dataset) else tuple(map(visible, names))


def _class_folders(folders: list[Path], found: list[list], dataset: str) -> tuple[str, ...]:
    """Return the names of the class folders, the same in all folders, in label order; none for flat folders."""
    filed = [{name.partition(os.sep)[0] for name, _, _ in images if os.sep in name} for images in found]
    names = filed[0]
    for folder, images, own in zip(folders, found, filed, strict=True):
        if own and (loose := sum(os.sep not in name for name, _, _ in images)):
            raise DataCorruptedError(
                f"{folder} has {loose} images beside folders of images; move them into a class folder"
            )
        if own != names:
            raise DataCorruptedError(f"{folder} and {folders[0]} have different class folders; make them the same")
        if own and (empty := {path.name for path in subfolders(folder)} - own):
            raise DataCorruptedError(
                f"{folder / min(empty)} has no images, but the folders beside it are classes; fill or remove it"
            )
    for public in (class_ids(dataset), class_names(dataset)):
        if names and names == set(public):
            return public
    return tuple(sorted(names, key=int) if all(name.isdecimal() for name in names) else sorted(names))


def split_folders(path: Path, split: str) -> list[Path]:
    """Return the folders of a split, or the path itself if it has no folders called train, val or test.

    A folder called "train" is a class if other folders beside it have images.
    """
    if not path.is_dir():
        raise DataUnavailableError(f"{path} does not exist; give a folder of images, or an .npz file")
    below = subfolders(path)
    known = {alias for aliases in _SPLITS for alias in aliases}
    splits = [folder for folder in below if folder.name.lower() in known]
    if not splits or any(folder not in splits and has_images(folder) for folder in below):
        return [path]
    if split == "all":
        return splits
    for folder in splits:
        if folder.name.lower() in split_names(split):
            return [folder]
    raise DataUnavailableError(f"{path} has no {split} split; give {' or '.join(folder.name for folder in splits)}")


def split_names(split: str) -> tuple[str, ...]:
    """Return the possible folder names of a split."""
    return next((aliases for aliases in _SPLITS if split in aliases), (split,))


def subfolders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not _ignored(entry.name))


def has_images(path: Path) -> bool:
    """Return True if there is an image in this folder or below it."""
    return next(_walk(path), None) is not None


def _images(folder: Path) -> list[tuple[str, int, int]]:
    """Return (relative path, bytes, modification time) of the images below a folder."""
    found, start = [], len(f"{folder}{os.sep}")
    for entry in _walk(folder):
        stat = entry.stat()
        found.append((entry.path[start:], stat.st_size, stat.st_mtime_ns))
    return found


def _walk(folder: str | Path) -> Iterator[os.DirEntry]:
    """Yield the image files below a folder, following links.

    Raises:
        DataUnavailableError: a folder cannot be read.
        DataCorruptedError: an entry named like an image is not a file, or a link leads back to a folder above it.
    """
    waiting: list[tuple[str, tuple]] = [(os.fspath(folder), ())]
    for visited in itertools.count(1):
        place, above = waiting.pop()
        try:
            status = Path(place).stat()
            with os.scandir(place) as entries:
                found = [entry for entry in entries if not _ignored(entry.name)]
        except OSError as error:
            raise DataUnavailableError(f"{place} cannot be read ({error.strerror}); check it") from None
        here = status.st_dev, status.st_ino
        if here in above or visited > _MOST_FOLDERS:
            raise DataCorruptedError(f"{place}: its links form a circle; remove them")
        for entry in found:
            if _is_folder(entry):
                waiting.append((entry.path, (*above, here)))
            elif entry.name.lower().endswith(SUFFIXES):
                _check_file(entry)
                yield entry
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


def _ignored(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))
