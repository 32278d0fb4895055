"""Features and statistics of real images, computed once for each (data, split, selection, preprocessing, extractor).

They are searched in this order: the package (statistics of CIFAR-10 under the offline extractors, where only a Frechet
distance is wanted, so that neither data nor time are needed; images that are given are recognised by a checksum of all
pixels); the cache, under a checksum of pixels and labels in their order, whatever the images are called and wherever
they lie; then they are computed, by one process while others wait, and written atomically. Each file carries a manifest
of its content, and is refused if that does not match the request.

A Frechet distance needs statistics only. Kernel distance, precision and recall, and everything by class need features:
if only statistics are available and the images are not, these metrics raise and the distance does not.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ... import datasets
from ...common import ranks
from ...common.errors import DataUnavailableError, ZooError
from ...common.locks import locked
from ...common.progress import ProgressCallback
from ...common.text import visible
from ...datasets.catalogue import CATALOGUE
from ...schema.config import ModelConfig
from ..metrics.formulas import Statistics, check_finite, statistics
from . import extraction as features
from . import reference_cache, reference_files, shipped
from .extractor import Extractor
from .reference import Reference
from .sources import Fixed, pixels_sha256
from .unfinished import UnfinishedFeatures


@dataclass(frozen=True)
class ReferenceData:
    """Real images: a data set by name, from a file or folder, or given as tensors."""

    dataset: str
    split: str
    resolution: int
    root: Path | None = None
    given: datasets.Dataset | None = None
    preparation: datasets.OwnPreparation | None = None  # of own pictures
    classes: bool = True  # False = own pictures have no classes, whatever their folders
    of_run: ModelConfig | None = field(default=None, compare=False)  # the data that it was trained on, and no others
    progress: bool | ProgressCallback = field(default=False, compare=False)  # shown while images are prepared
    file: Path | None = None  # of statistics that stand for the images

    @cached_property
    def loaded(self) -> datasets.Dataset:
        """Read all images of the split once; raises DataUnavailableError that says how to get them."""
        if self.given is not None:
            return self.given
        if self.file is not None:
            raise DataUnavailableError(f"{self.file} holds no images, which this needs; give them as data (--data)")
        if self.of_run is not None:
            return datasets.load_for(self.of_run, self.split, self.root, self.progress)
        return datasets.load(
            self.dataset, self.split, self.resolution, self.root, self.progress, self.preparation, self.classes
        )

    def shipped(self, count: int | None, extractor: Extractor) -> Reference | None:
        """Return the statistics that ship: of the data set of this name, or of one that has the given images."""
        if self.root is None and self.given is None and self.of_run is None:
            return shipped.find(self.dataset, self.split, self.resolution, count, extractor)
        found = shipped.find_same(self.loaded.images.shape, lambda: self._in_any_order, count, extractor)
        if found is not None:
            found.about["from"] = f"shipped, {self.place} has these images"
        return found

    @cached_property
    def _in_any_order(self) -> str:
        return shipped.pixels_in_any_order(self.loaded.images)

    @property
    def place(self) -> str:
        """Where the images came from, in a word or two."""
        return visible(self.root.name or str(self.root)) if self.root else str(self)

    def __str__(self) -> str:
        """The data set and its split; files that stand for a data set by their name, too."""
        of = f" of {self.place}" if self.root and self.dataset in CATALOGUE else ""
        return f"{self.dataset} {self.split}{of}"


@dataclass(frozen=True)
class Selection:
    """Which images of the split: all, or `count` of them drawn from a seed."""

    count: int | None = None
    balanced: bool = False  # equally many per class
    seed: int = 0


def checksum(data: datasets.Dataset) -> str:
    """Return the data set's own checksum, else that of its content."""
    return data.checksum or reference_cache.key_of(content(data))


def content(data: datasets.Dataset) -> dict:
    """Return what tells these images and labels, in their order, from all others, wherever they are."""
    labels = hashlib.sha256(data.labels.numpy().astype("<i8").tobytes()).hexdigest()
    pixels = data.pixels_sha256 or pixels_sha256(data.images)
    return {"shape": list(data.images.shape), "pixels": pixels, "labels": labels}


def select(labels: Tensor, num_classes: int, selection: Selection, where: ReferenceData) -> Tensor | None:
    """Return indices in ascending order; None for all. Raises ZooError if a class is too small."""
    total = len(labels)
    if selection.count is None or selection.count == total:
        return None
    draw = np.random.RandomState(selection.seed)
    if not selection.balanced or num_classes < 2:
        return torch.from_numpy(np.sort(draw.choice(total, selection.count, replace=False)))
    each, rest = divmod(selection.count, num_classes)
    if rest:
        raise ZooError(
            f"{selection.count:,} real images cannot be the same number of each of {num_classes} classes; give a "
            f"multiple of {num_classes} as --num-real"
        )
    chosen = []
    for label in range(num_classes):
        members = np.flatnonzero(labels.numpy() == label)
        if len(members) < each:
            raise ZooError(
                f"{where} has {len(members)} images of class {label}, {each} are asked for; lower --num-real"
            )
        chosen.append(draw.choice(members, each, replace=False))
    return torch.from_numpy(np.sort(np.concatenate(chosen)))


def get(
    data: ReferenceData,
    selection: Selection,
    extractor: Extractor,
    *,
    with_features: bool,
    batch_size: int,
    cache_dir: str | os.PathLike | None = None,
    timings: features.Timings | None = None,
    advance: Callable[..., object] = lambda count, total, made=True: None,
    unfinished: Callable[[dict], UnfinishedFeatures] | None = None,
) -> Reference | None:
    """Return the reference on rank 0, None on other ranks; every rank calls it.

    Args:
        with_features: whether features are needed beside the statistics.
        advance: called with (images done since the last call, total images, made=whether they were made now).
        unfinished: returns the place of features that an interruption would lose, from what identifies them.

    Raises:
        DataUnavailableError: the images are needed and not available offline.
        ZooError: the split has fewer images than requested.
    """
    if data.file is not None:
        found = reference_files.read(data.file, extractor, data.resolution, selection.count, with_features)
        return found if ranks.rank() == 0 else None
    if not with_features and (found := data.shipped(selection.count, extractor)):
        return found if ranks.rank() == 0 else None
    size_of(data, selection.count, extractor, with_features)
    loaded = data.loaded
    if loaded.images.shape[2:] != (data.resolution, data.resolution):
        size = "x".join(map(str, reversed(loaded.images.shape[2:])))
        raise ZooError(f"{data} is {size}, the images to be measured are {data.resolution}x{data.resolution}")
    chosen = select(loaded.labels, loaded.num_classes, selection, data)
    images, labels = (x if chosen is None else x[chosen] for x in (loaded.images, loaded.labels))
    about = {
        "dataset": data.dataset,
        "split": data.split,
        "resolution": data.resolution,
        "count": len(labels),
        "total": len(loaded.labels),
        "classes": loaded.num_classes,
        "selection": "all" if chosen is None else f"{'balanced' if selection.balanced else 'random'} {selection.seed}",
        "checksum": checksum(loaded),
    }
    layer = extractor.layer("fid")
    chosen_by = {"count": about["count"], "selection": about["selection"]}
    identity = {"format": reference_cache.FORMAT, **content(loaded), **chosen_by, **extractor.identity, "layer": layer}
    stem = f"{extractor.name}-{data.resolution}-{reference_cache.key_of(identity)}"
    folder = reference_cache.cache_folder(cache_dir)
    with _alone(folder / f"{stem}.lock"):
        found = _cached(folder / stem, identity, with_features)
        if ranks.from_first(found is not None):
            return None if found is None else _reference(about | {"from": "cache"}, found, with_features)
        source = Fixed(images, labels)
        kept = unfinished(identity | {"batch_size": batch_size}) if unfinished else None
        made = features.extract(
            source,
            extractor,
            (layer,),
            batch_size,
            timings=timings,
            parts=("reference", "reference"),
            advance=lambda count, made=True: advance(count, len(source), made),
            unfinished=kept,
        )
        if made is None:
            return None
        check_finite(made.layers[layer], f"the real images of {data}")
        tensors = _tensors(made.layers[layer], labels)
        names = ("statistics", "features") if with_features else ("statistics",)
        warnings = [
            reference_cache.write(folder / f"{stem}.{name}.safetensors", tensors[name], identity, about)
            for name in names
        ]
        if kept:
            kept.remove()
    found = tensors["statistics"] | tensors["features"]
    reference = _reference(about | {"from": "computed"}, found, with_features)
    reference.warnings = tuple(warning for warning in warnings[:1] if warning)
    return reference


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time makes a reference; only rank 0 takes the lock."""
    with ExitStack() as stack:
        if ranks.rank() == 0:
            with suppress(OSError):  # a cache that cannot be written to: `_write` says so
                path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(path))
        yield


def _cached(stem: Path, identity: dict, with_features: bool) -> dict[str, Tensor] | None:
    if ranks.rank() != 0:
        return None
    names = ("statistics", "features") if with_features else ("statistics",)
    found: dict[str, Tensor] = {}
    for name in names:
        part = reference_cache.read(stem.with_name(f"{stem.name}.{name}.safetensors"), identity)
        if part is None:
            return None
        found |= part
    return found


def _tensors(values: Tensor, labels: Tensor) -> dict[str, dict[str, Tensor]]:
    found = statistics(values)
    return {
        "statistics": {"mu": torch.from_numpy(found.mu), "sigma": torch.from_numpy(found.sigma)},
        "features": {"features": values, "labels": labels.contiguous()},
    }


def _reference(about: dict, tensors: dict[str, Tensor], with_features: bool) -> Reference:
    found = Statistics(tensors["mu"].numpy(), tensors["sigma"].numpy(), about["count"])
    if not with_features:
        return Reference(about, found)
    return Reference(about, found, tensors["features"], tensors["labels"])


def size_of(data: ReferenceData, count: int | None, extractor: Extractor, with_features: bool) -> int:
    """Return the number of real images without extracting anything; 0 where a file of statistics does not say it.

    Raises:
        ZooError: there are too few; or a file of statistics is not what this needs.
    """
    if data.file is not None:
        return reference_files.read(data.file, extractor, data.resolution, count, with_features).count
    if not with_features and (found := data.shipped(count, extractor)):
        return found.count
    total = len(data.loaded.labels)
    if count is not None and count > total:
        raise ZooError(
            f"{data} has {total:,} images, {count:,} real ones are asked for; give --num-real {total}, or another split"
        )
    return total if count is None else count
