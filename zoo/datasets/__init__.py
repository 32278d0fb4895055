"""Data sets by name or path, each as one uint8 tensor (N, 3, S, S) and labels (N,).

    datasets.load("cifar10")                                      # downloaded by torchvision
    datasets.load("celeba", "all", 64)                            # downloaded, or found where `zoo data list` says
    datasets.load("custom", resolution=64, root="photographs")    # any folder of images, or an .npz file

Images are decoded, cropped and resized once, as `preparation` says, and kept below `default_root()`; from then on they
are mapped into memory and cost nothing until they are looked at. Two kinds are made anew each time instead, which is as
fast: the digits, and .npz files whose images have the size already (up to 256 MB).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..common.cache_roots import data_root as default_root
from ..common.errors import ZooError
from ..schema.class_names import class_ids, class_names
from .catalogue import CATALOGUE
from .dataset import Dataset, check_classes, describe, first_classes

if TYPE_CHECKING:
    from ..schema.config import ModelConfig
    from .preparation import ReferenceCode

__all__ = [
    "CATALOGUE",
    "Dataset",
    "check_classes",
    "class_ids",
    "class_names",
    "default_root",
    "describe",
    "first_classes",
    "load",
    "load_for",
    "overview",
    "prepare",
]


def load(
    dataset: str,
    split: str = "train",
    resolution: int = 32,
    root: str | os.PathLike | None = None,
    progress: bool = False,
    preparation: ReferenceCode | None = None,
) -> Dataset:
    """One split, cropped and resized to (resolution, resolution), as RGB.

    Args:
        dataset: a name of `CATALOGUE`; any other name needs `root`.
        root: an .npz file, a folder of images, or the folder that the publisher's archives are in or belong in; default
            `default_root()`, or any full copy of the split that has been prepared before.
        progress: a bar on standard error while images are prepared.
        preparation: whose crop and filter, "mimicry" or "studiogan"; None = the usual ones of the data set.

    Raises:
        DataUnavailableError: it is not here and cannot be downloaded; the message says where to get and to put it.
        DataCorruptedError: a file is damaged or not what it should be.
        ZooError: there is no room for it.
    """
    from .loader import load_split

    return load_split(dataset, split, resolution, root, progress, preparation)


def load_for(
    config: ModelConfig, split: str | None = None, root: str | os.PathLike | None = None, progress: bool = False
) -> Dataset:
    """The data that a model is trained on, or another split of it, at its resolution and with its preparation."""
    data = config.data
    return load(data.dataset, split or data.split, data.resolution, root, progress, data.preparation)


def prepare(
    name: str,
    split: str | None = None,
    resolution: int | None = None,
    root: str | os.PathLike | None = None,
    progress: bool = False,
) -> Dataset:
    """Load a data set, or the data of a model; what was prepared before is read whole and verified.

    Args:
        name: of a data set, or of a model or its config file, whose split, resolution and preparation are the defaults.

    Raises:
        DataCorruptedError: what was prepared earlier has been damaged since.
        ZooError: nothing has this name, or it has no usual resolution and none is given.
    """
    from .loader import defaults_of, load_split

    name, own_split, own_resolution, preparation = defaults_of(name)
    resolution = resolution or own_resolution
    if not resolution:
        raise ZooError(f"{name} has no usual resolution; give one (--resolution 64)")
    return load_split(name, split or own_split, resolution, root, progress, preparation, verify=True)


def overview() -> list[dict]:
    """Every data set of the catalogue: what it is, where its files are here, and what has been prepared of it."""
    from .loader import overview

    return overview()
