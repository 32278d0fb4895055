"""One split of a data set as tensors, its description, and its checks before training."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..common.errors import ZooError
from ..common.numbers import whole
from ..common.text import visible

if TYPE_CHECKING:
    from torch import Tensor

    from ..schema.config import ModelConfig
    from .picture_files import LeftOut

_LOOKED_AT = 10_000  # images of which `describe` reads the pixels


class SizeCount(NamedTuple):
    """Pictures of one size."""

    width: int
    height: int
    count: int


@dataclass(frozen=True)
class Survey:
    """What a user's own pictures were before they were prepared, and what was not taken for a picture."""

    sizes: tuple[SizeCount, ...]  # of the files
    preparation: str
    left_out: tuple[LeftOut, ...] = ()

    def describe_sizes(self, side: int) -> str:
        """Describe the sizes: all if they are few, else the smallest, the largest and the most frequent one."""
        total = sum(size.count for size in self.sizes)
        smaller = sum(size.count for size in self.sizes if min(size[:2]) < side)
        by_count = sorted(self.sizes, key=lambda size: -size.count)
        if len(by_count) <= 4:
            text = ", ".join(f"{s.width}x{s.height} ({s.count:,})" for s in by_count)
        else:
            by_area = sorted(self.sizes, key=lambda size: size.width * size.height)
            low, high, most = by_area[0], by_area[-1], by_count[0]
            text = f"{low.width}x{low.height} to {high.width}x{high.height}, {len(by_count):,} sizes"
            text += f", most often {most.width}x{most.height} ({most.count:,})" if most.count > 1 else ""
        return text + (f"; {smaller:,} of {total:,} have a side below {side} and were enlarged" if smaller else "")


@dataclass(frozen=True, eq=False)
class Dataset:
    """All images of one split."""

    images: Tensor  # (N, 3, S, S) uint8, in memory as (N, S, S, 3); mapped from disk and read on access
    labels: Tensor  # (N,) int64; all 0 if the data has no classes
    num_classes: int
    checksum: str = ""  # sha256 of data set, split, preparation, labels and pixels
    class_names: tuple[str, ...] = ()  # in label order; empty if the classes have no names
    source: str = ""  # where the images came from
    survey: Survey | None = None  # of a user's own pictures
    pixels_sha256: str = ""  # of all pixels in order, as (N, S, S, 3); empty where it is not known

    def __len__(self) -> int:
        return len(self.images)


def describe(dataset: Dataset) -> str:
    """Describe a data set in a few lines: source, number and size, images per class, range and mean of the pixels."""
    import torch

    n, side = len(dataset), dataset.images.shape[-1]
    looked_at = dataset.images[:: -(-n // _LOOKED_AT)]
    values = looked_at.permute(1, 0, 2, 3).flatten(1)
    mean = ", ".join(f"{channel.to(torch.float64).mean():.1f}" for channel in values)
    lines = {
        "source": dataset.source or "memory",
        "images": f"{n:,} of {side}x{side}, 8-bit RGB, {_size(n * side * side * 3)}",
        **_surveyed(dataset.survey, side),
        "classes": _classes(dataset),
        "pixels": f"{int(values.min())} ... {int(values.max())}, mean ({mean})"
        + ("" if len(looked_at) == n else f" of {len(looked_at):,} evenly spaced images"),
        "checksum": dataset.checksum or "none",
    }
    return "\n".join(f"{key:10}{visible(value)}" for key, value in lines.items())


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def _surveyed(survey: Survey | None, side: int) -> dict[str, str]:
    if survey is None:
        return {}
    lines = {"sizes": survey.describe_sizes(side), "prepared": survey.preparation}
    return lines | ({"left out": "; ".join(map(str, survey.left_out))} if survey.left_out else {})


def _classes(dataset: Dataset) -> str:
    """Describe the number of images per class; for many classes, of the smallest and the largest."""
    import torch

    if dataset.num_classes == 1:
        return "none" if not dataset.class_names else f'1, "{dataset.class_names[0]}"'
    labels, counts = torch.unique(dataset.labels, return_counts=True)
    number = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    if dataset.num_classes <= 12:
        listed = ", ".join(f"{_name(dataset, i)} {number.get(i, 0):,}" for i in range(dataset.num_classes))
        return f"{dataset.num_classes}: {listed}"
    empty = dataset.num_classes - len(number)
    few, many = min(number, key=number.__getitem__), max(number, key=number.__getitem__)
    spread = (
        f"{number[few]:,} images each"
        if number[few] == number[many]
        else f"{number[few]:,} ({_name(dataset, few)}) to {number[many]:,} ({_name(dataset, many)}) images"
    )
    return f"{dataset.num_classes:,}, {spread}" + (f"; {empty:,} without images" if empty else "")


def _name(dataset: Dataset, label: int) -> str:
    return dataset.class_names[label] if label < len(dataset.class_names) else str(label)


def first_classes(dataset: Dataset, count: int) -> Dataset:
    """Return the images of the classes 0 ... count - 1, copied into memory.

    Raises:
        ZooError: the data has fewer classes.
    """
    count = whole("classes", count)
    if not 1 <= count <= dataset.num_classes:
        raise ZooError(
            f"{count} classes requested, the data has {dataset.num_classes}; give 1 to {dataset.num_classes}"
        )
    if count == dataset.num_classes:
        return dataset
    chosen = dataset.labels < count
    return Dataset(
        dataset.images[chosen],
        dataset.labels[chosen],
        count,
        f"{dataset.checksum} classes 0-{count - 1}",
        dataset.class_names[:count],
        f"{dataset.source}, the first {count} of {dataset.num_classes} classes",
        dataset.survey,
    )


def check_classes(config: ModelConfig, dataset: Dataset) -> None:
    """Refuse data whose classes do not fit the model, with the reason if it can be found.

    Raises:
        ZooError: the model is conditional and the data has another number of classes.
    """
    if not config.conditional or dataset.num_classes == config.num_classes:
        return
    refuse_one_class(config.name, dataset.num_classes, dataset.source)
    raise ZooError(
        f"{config.name} has {config.num_classes} classes, the data has {dataset.num_classes} classes; give data with "
        f"{config.num_classes} classes, or change generator.num_classes and discriminator.num_classes"
    )


def refuse_one_class(name: str, count: int, source: str | os.PathLike | None) -> None:
    """Refuse data of a single class for a model that draws classes, with the reason if it can be found.

    Args:
        name: of the model.
        source: place of the data.
    """
    if count > 1:
        return
    advice = _how_to_have_classes(Path(source)) if source is not None else None
    raise ZooError(
        f"{name} draws images of several classes, the data has 1 class; {advice or 'give data with classes'}, or train "
        f"a model without classes (zoo list --unconditional)"
    )


def _how_to_have_classes(source: Path) -> str | None:
    """Advise on a source with a single class: one folder level too many, a flat folder, or no labels."""
    from .layout import classes_one_level_down
    from .picture_files import list_folder

    if source.suffix == ".npz":
        return f"add labels to {source}, one integer per image"
    if not source.is_dir():
        return None
    found = classes_one_level_down(list_folder(source))
    if found:
        place = source / found[0]
        return f"there is one folder level too many: {len(found[1])} class folders are in {place}; give {place}"
    return f"put the images of each class into a separate folder below {source}"
