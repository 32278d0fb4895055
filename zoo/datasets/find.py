"""Find the source of images for a name and, optionally, a path."""

from __future__ import annotations

import os
from pathlib import Path

from ..common.cache_roots import data_root, user_folder
from ..common.errors import DataUnavailableError
from .archives import Digits, StackedMnist, Torchvision
from .catalogue import CATALOGUE
from .folder import ImageFolder
from .image_files import CelebA, ImageNet, LsunBedroom, TinyImageNet
from .npz import Npz
from .source import DatasetSource

_COLLECTIONS = {"celeba": CelebA, "imagenet": ImageNet, "tiny-imagenet": TinyImageNet}


def find(dataset: str, split: str, root: str | os.PathLike | None) -> DatasetSource:
    """Return the source of one split; nothing is read or downloaded yet.

    A path is an .npz file, the folder of the archives of a public data set, or a folder of images.

    Raises:
        DataUnavailableError: the name or split is unknown, or there is nothing usable at the path.
    """
    entry = CATALOGUE.get(dataset)
    if root is None:
        if entry is None:
            raise DataUnavailableError(
                f"{dataset} is not a data set of the zoo ({', '.join(CATALOGUE)}), so give its path: a folder of "
                f"images, or an .npz file with {split}_images (N, H, W, 3) uint8 and {split}_labels (N,)"
            )
        _check_split(dataset, split)
        return public(dataset, split, data_root(), anywhere=True)
    path = user_folder(root)
    if path.suffix == ".npz" and not path.is_dir():
        if dataset == "stacked-mnist":
            _check_split(dataset, split)
            return StackedMnist(Npz(path, split), split)
        return Npz(path, split)
    if not path.is_dir():
        problem = "is neither a folder nor an .npz file" if path.exists() else "does not exist"
        raise DataUnavailableError(f"{path} {problem}; give a folder of images, or an .npz file with {split}_images")
    if entry and split in entry.splits:
        source = public(dataset, split, path, anywhere=False)
        if source.locate() or source.can_fetch():
            return source
    return ImageFolder(path, split, dataset, entry.classes if entry else True)


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


def _check_split(dataset: str, split: str) -> None:
    splits = CATALOGUE[dataset].splits
    if split not in splits:
        raise DataUnavailableError(f"{dataset} has no {split} split; give {' or '.join(splits)}")
