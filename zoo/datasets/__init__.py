"""Data sets by name or path, each as one uint8 tensor (N, 3, S, S) and labels (N,).

    datasets.load("cifar10")                                      # downloaded by torchvision
    datasets.load("celeba", "all", 64)                            # downloaded, or found (see `zoo data list`)
    datasets.load("custom", resolution=64, root="photographs")    # own pictures: a folder, .zip, .tar or .npz

Images are decoded, cropped and resized once, as `preparation` says, and kept below `default_root()`. After that they
are mapped into memory, so that loading is instant. Two kinds are prepared at each load instead, which is as fast: the
digits, and .npz files of up to 256 MB whose images already have the size.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..common.cache_roots import data_root as default_root
from ..common.errors import ZooError
from ..schema.class_names import class_ids, class_names
from ..schema.identity import is_custom
from ..schema.own_preparation import OwnPreparation
from .catalogue import CATALOGUE
from .dataset import Dataset, Survey, check_classes, describe, first_classes, refuse_one_class
from .own import check_selection, place_of, select_classes

if TYPE_CHECKING:
    from ..common.progress import ProgressCallback
    from ..schema.config import ModelConfig
    from .preparation import ReferenceCode

__all__ = [
    "CATALOGUE",
    "Dataset",
    "OwnPreparation",
    "Survey",
    "check_classes",
    "check_selection",
    "class_ids",
    "class_names",
    "default_root",
    "describe",
    "first_classes",
    "load",
    "load_for",
    "overview",
    "place_of",
    "prepare",
    "refuse_one_class",
    "select_classes",
    "write_contact_sheet",
]


def load(
    dataset: str,
    split: str = "train",
    resolution: int = 32,
    root: str | os.PathLike | None = None,
    progress: bool | ProgressCallback = False,
    preparation: ReferenceCode | OwnPreparation | None = None,
    classes: bool = True,
) -> Dataset:
    """Load one split, cropped and resized to (resolution, resolution), as RGB.

    Args:
        dataset: a name of `CATALOGUE`; any other name needs `root`.
        root: an .npz file, a folder of images or an archive of one, or the folder of the publisher's archives;
            default: `default_root()`, or any full copy of the split that was prepared before.
        progress: show a bar on standard error while images are prepared, or a line every ten seconds where that is no
            terminal; or a function of (title, done, total).
        preparation: whose crop and filter, "mimicry" or "studiogan"; None = the usual ones of the data set. These are
            for the publisher's files: all others are the user's own pictures, prepared as an `OwnPreparation` says.
        classes: False = own pictures have no classes, whatever their folders.

    Raises:
        DataUnavailableError: the data set is not on this machine and cannot be downloaded; the message says where to
            get it and where to put it.
        DataCorruptedError: a file is damaged or of the wrong kind.
        ZooError: the disk is full.
    """
    from .loader import load_split

    return load_split(dataset, split, resolution, root, progress, preparation, classes=classes)


def load_for(
    config: ModelConfig,
    split: str | None = None,
    root: str | os.PathLike | None = None,
    progress: bool | ProgressCallback = False,
) -> Dataset:
    """Load the training data of a model, or another split of it, at its resolution and with its preparation.

    Of own pictures, the classes are those of the config, in its order.

    Args:
        root: default: for a run on own pictures, where they were then; else as in `load`.

    Raises:
        DataUnavailableError: as in `load`, or the pictures of a run are not where they were.
        ZooError: the pictures lack a class of the config.
    """
    data, own = config.data, is_custom(config.data.dataset)
    if root is None and own:
        root = place_of(config)
    chosen = data.class_names
    with_classes = config.conditional or chosen is not None or not own
    found = load(
        data.dataset, split or data.split, data.resolution, root, progress, data.preparation, classes=with_classes
    )
    if chosen is None or not (own or set(chosen) <= set(found.class_names)):
        return found  # a config may have names of its own for public classes
    return select_classes(found, chosen)


def prepare(
    name: str,
    split: str | None = None,
    resolution: int | None = None,
    root: str | os.PathLike | None = None,
    progress: bool | ProgressCallback = False,
    preparation: OwnPreparation | None = None,
) -> Dataset:
    """Load a data set, or the data of a model; data that was prepared before is read whole and verified.

    Args:
        name: a data set, a model or a config file; the split, resolution and preparation of a model are the defaults.
        preparation: of own pictures.

    Raises:
        DataCorruptedError: the prepared data has been damaged.
        ZooError: nothing has this name, or it has no usual resolution and `resolution` is None.
    """
    from .loader import defaults_of, load_split

    name, own_split, own_resolution, usual = defaults_of(name)
    resolution = resolution or own_resolution
    if not resolution:
        raise ZooError(f"{name} has no usual resolution; give a resolution (--resolution 64)")
    return load_split(name, split or own_split, resolution, root, progress, preparation or usual, verify=True)


def write_contact_sheet(dataset: Dataset, path: str | os.PathLike) -> None:
    """Write one picture of many prepared ones, with the names of their classes; an earlier one is replaced.

    Raises:
        ZooError: the suffix is none of a picture, or the file cannot be written.
    """
    from pathlib import Path

    from . import contact_sheet

    contact_sheet.write(dataset, Path(path))


def overview() -> list[dict]:
    """Describe every data set of the catalogue: its splits, the place of its files, and its prepared versions."""
    from .loader import overview

    return overview()
