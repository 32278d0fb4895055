"""A user's own data: where a run found them, and which of their classes it uses."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import DataUnavailableError, ZooError
from ..common.text import cut, short, visible
from .dataset import Dataset

if TYPE_CHECKING:
    from ..schema.config import ModelConfig


def place_of(config: ModelConfig) -> Path:
    """Return the place of a run's own data.

    Raises:
        DataUnavailableError: the config does not say, or the data are not there any more.
    """
    name = config.data.dataset
    seen = config.origin.data if config.origin else None
    if seen is None or seen.place is None:
        raise DataUnavailableError(
            f"the place of {name}, the data of {config.name}, is not on record; give it (--data)"
        )
    place = Path(seen.place)
    if not place.exists():
        raise DataUnavailableError(
            f"{place} is not there any more, and {config.name} was trained on it ({name}); give its new place (--data)"
        )
    return place


def select_classes(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """Return the images of these classes, in this order; they are copied into memory unless nothing changes.

    Data without names of classes (an .npz) get these names, which must be one for each class.

    Raises:
        ZooError: the data lack a class, or a name is given twice.
    """
    import torch

    names = tuple(names)
    check_selection(dataset.class_names, dataset.num_classes, names, dataset.source)
    if not dataset.class_names:
        return replace(dataset, class_names=names)
    if names == dataset.class_names:
        return dataset
    new_label = torch.full((dataset.num_classes,), -1, dtype=torch.int64)
    new_label[[dataset.class_names.index(name) for name in names]] = torch.arange(len(names))
    labels = new_label[dataset.labels]
    chosen = labels >= 0
    digest = hashlib.sha256("\0".join((dataset.checksum, *names)).encode()).hexdigest()
    return replace(
        dataset,
        images=dataset.images[chosen],
        labels=labels[chosen],
        num_classes=len(names),
        checksum=digest,
        class_names=names,
        pixels_sha256="",
    )


def check_selection(known: Sequence[str], count: int, names: Sequence[str], source: str) -> None:
    """Refuse names of classes that do not select from data with these classes.

    Args:
        known: the names of the classes; empty if they have none.
        count: the number of classes.
        source: of the data, for errors.
    """
    if twice := {name for name in names if list(names).count(name) > 1}:
        raise ZooError(f"class {short(min(twice))} is given twice; give each class once")
    if not known:
        if len(names) != count:
            raise ZooError(
                f"{len(names)} classes are named, and {visible(source)} has {count} without names; name each of them"
            )
        return
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        there = cut(", ".join(map(visible, known)), 300)
        raise ZooError(f"{visible(source)} has no class {short(missing)}; it has {there}")
