"""Find the source of images for a name and, optionally, a path."""

from __future__ import annotations

import os
from pathlib import Path

from ..common.cache_roots import data_root, user_folder
from ..common.errors import DataUnavailableError, UnknownSplitError, UsageError
from ..common.text import letters
from .archive import PictureArchive
from .array_sets import Digits, StackedMnist, Torchvision
from .catalogue import CATALOGUE
from .folder import ImageFolder
from .image_files import CelebA, Collection, ImageNet, ImageNetSubset, LsunBedroom, TinyImageNet
from .npz import Npz
from .picture_files import is_archive, shards_in
from .source import DatasetSource

_COLLECTIONS = {
    "celeba": CelebA,
    "imagenet": ImageNet,
    "tiny-imagenet": TinyImageNet,
    "baby-imagenet": ImageNetSubset,
    "papa-imagenet": ImageNetSubset,
    "grandpa-imagenet": ImageNetSubset,
    "afhq-v2": Collection,
}

WHAT = "a folder of images, an archive of one (.zip, .tar, .tar.gz), or an .npz file"


def find(dataset: str, split: str, root: str | os.PathLike | None, classes: bool = True) -> DatasetSource:
    """Return the source of one split; nothing is read or downloaded yet.

    A path is the folder of the files of a public data set, or what `of_path` reads.

    Args:
        classes: False = own pictures have no classes, whatever their folders.

    Raises:
        DataUnavailableError: the name or split is unknown, or there is nothing usable at the path.
    """
    entry = CATALOGUE.get(dataset)
    if root is None:
        if entry is None:
            raise DataUnavailableError(
                f"{dataset} is not a data set of the zoo ({', '.join(CATALOGUE)}), so give its path: {WHAT} "
                f"with {split}_images (N, H, W, 3) uint8 and {split}_labels (N,)"
            )
        check_split(dataset, split)
        return public(dataset, split, data_root(), anywhere=True)
    path = user_folder(root)
    if path.suffix == ".npz" and not path.is_dir() and dataset == "stacked-mnist":
        check_split(dataset, split)
        return StackedMnist(Npz(path, split, "mnist"), split)
    if entry and split in entry.splits and path.is_dir():
        source = public(dataset, split, path, anywhere=False)
        if source.locate() or source.can_fetch():
            return source
    if entry and split == entry.default_split and path.suffix.lower() != ".npz":
        split = "train"  # of CelebA and STL-10, models are trained on other splits, which own pictures do not have
    return of_path(path, split, dataset, classes and (entry.classes if entry else True))


def of_path(path: Path, split: str, dataset: str = "custom", classes: bool = True) -> DatasetSource:
    """Return the pictures of a folder, an archive or an .npz file; this is the one place that knows them.

    Args:
        dataset: see `layout.arrange`.
        classes: False = all labels are 0, whatever the folders.

    Raises:
        DataUnavailableError: the path is none of them.
    """
    if path.is_dir():
        shards = shards_in(path)
        if shards:
            return PictureArchive(path, split, dataset, classes, shards)
        return ImageFolder(path, split, dataset, classes)
    if path.suffix.lower() == ".npz":
        return Npz(path, split, dataset)
    refuse_missing(path)
    if is_archive(path.name):
        return PictureArchive(path, split, dataset, classes)
    raise DataUnavailableError(f"{path} is neither a folder nor an .npz file nor an archive; give {WHAT}")


def refuse_missing(path: str | os.PathLike) -> None:
    """Raise DataUnavailableError if nothing is there; UsageError if it is the name of a data set."""
    if Path(path).exists():
        return
    text = os.fspath(path)
    named = {letters(name): name for name in CATALOGUE}.get(letters(text))
    if named is None:
        raise DataUnavailableError(f"{text} does not exist; give {WHAT}")
    raise UsageError(
        f"{text} is the name of a data set, and no path; models of {named} find it without --data (`zoo data list`), "
        f"for others give {WHAT}"
    )


def is_pictures(path: Path) -> bool:
    """Return True for a file that `of_path` reads, by its name."""
    return path.suffix.lower() == ".npz" or is_archive(path.name)


def is_place(data: str | os.PathLike) -> bool:
    """Return True for a path, which exists or is written as one; False for what can only be the name of a data set."""
    text, path = os.fspath(data), Path(data)
    return not isinstance(data, str) or path.exists() or is_pictures(path) or os.sep in text or "/" in text


def public(dataset: str, split: str, root: Path, anywhere: bool) -> DatasetSource:
    """Return the source of the publisher's files below a root."""
    if dataset == "digits":
        return Digits()
    if dataset == "lsun-bedroom":
        return LsunBedroom(split, root, anywhere)
    if dataset in _COLLECTIONS:
        return _COLLECTIONS[dataset](dataset, split, root, anywhere)
    if dataset == "stacked-mnist":
        return StackedMnist(Torchvision("mnist", split, root, anywhere), split)
    return Torchvision(dataset, split, root, anywhere)


def check_split(dataset: str, split: str) -> None:
    """Raise UnknownSplitError for a split that a data set of the catalogue has not."""
    splits = CATALOGUE[dataset].splits
    if split not in splits:
        raise UnknownSplitError(f"{dataset} has no {split} split; give {' or '.join(splits)}")
