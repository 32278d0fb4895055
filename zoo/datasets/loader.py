"""Load a split from its source or from the cache of prepared data."""

from __future__ import annotations

import hashlib
import os

from ..common import choices
from ..common.cache_roots import data_root
from ..common.errors import UnknownModelError, UsageError
from ..common.numbers import whole
from ..common.progress import ProgressCallback
from ..schema.class_names import class_names
from ..schema.own_preparation import OwnPreparation
from . import preparation
from . import prepared as cache
from .catalogue import CATALOGUE, own_split
from .dataset import Dataset, SizeCount, Survey
from .find import find, public
from .source import DatasetSource


def load_split(
    dataset: str,
    split: str,
    resolution: int,
    root: str | os.PathLike | None,
    progress: bool | ProgressCallback,
    wanted: preparation.ReferenceCode | OwnPreparation | None,
    verify: bool = False,
    classes: bool = True,
) -> Dataset:
    """Load a split as `zoo.datasets.load` does; `verify` reads prepared data and raises if it is damaged."""
    resolution, split = whole("resolution", resolution, 1), own_split(dataset, split)
    source = find(dataset, split, root, classes)
    how = preparation.chosen(dataset, source, wanted)
    request = cache.Request(dataset, split, resolution, how, source.is_own, classes)
    images = source.ready(resolution)
    if images is not None:
        return _in_memory(request, source, images)
    found = (cache.complete(request) if source.anywhere else None) or cache.current(request, source)
    if found and verify:
        found.verify(progress)
    try:
        return _mapped(found or cache.build(request, source, progress), source)
    except FileNotFoundError:  # another process has prepared a changed source and removed the older pixels
        return _mapped(cache.build(request, source, progress), source)


def _in_memory(request: cache.Request, source: DatasetSource, images) -> Dataset:
    import numpy as np

    images = np.ascontiguousarray(images)
    digest = hashlib.sha256(images.data).hexdigest()
    return _dataset(
        images,
        source.labels,
        source.num_classes,
        cache.checksum(request, request.preparation, source.labels, digest),
        source.class_names or _public_names(request.dataset, source.num_classes),
        source.origin,
        _survey(source, request.preparation, [[*images.shape[2:0:-1], len(images)]]),
        digest,
    )


def _mapped(prepared: cache.Prepared, source: DatasetSource) -> Dataset:
    about = prepared.manifest
    return _dataset(
        prepared.pixels(),
        prepared.labels(),
        about["num_classes"],
        about["checksum"],
        tuple(about["class_names"]) or _public_names(about["dataset"], about["num_classes"]),
        about["source"],
        _survey(source, preparation.Preparation(**about["preparation"]), about.get("sizes", [])),
        about["sha256"],
    )


def _survey(source: DatasetSource, how: preparation.Preparation, sizes: list[list[int]]) -> Survey | None:
    """Describe own pictures; those of publishers are known."""
    if not source.is_own:
        return None
    return Survey(tuple(SizeCount(*size) for size in sizes), str(how), source.left_out())


def _public_names(dataset: str, num_classes: int) -> tuple[str, ...]:
    names = class_names(dataset)
    return names if len(names) == num_classes else ()


def _dataset(pixels, labels, *about) -> Dataset:
    import torch

    return Dataset(torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.from_numpy(labels), *about)


def defaults_of(name: str) -> tuple[str, str, int | None, preparation.ReferenceCode | OwnPreparation | None]:
    """Return data set, split, resolution and preparation of the data set, model or config file of this name.

    Raises:
        UsageError: nothing has this name.
    """
    if entry := CATALOGUE.get(name):
        return name, entry.default_split, entry.resolution, None
    if name.startswith("custom"):
        return name, "train", None, None
    from ..schema import registry
    from ..schema.config import ModelConfig

    try:
        data = (ModelConfig.from_file(name) if name.endswith(".json") else registry.config(name)).data
    except UnknownModelError as error:
        hint = choices.hint(name, [*CATALOGUE, "custom"])
        raise UsageError(f"{name} is neither a data set ({hint}) nor a model: {error}") from None
    return data.dataset, data.split, data.resolution, data.preparation


def overview() -> list[dict]:
    """Return one row per data set of the catalogue, and one per data set that was prepared from a user's path."""
    prepared: dict[str, list[cache.Prepared]] = {name: [] for name in CATALOGUE}
    for found in cache.everything():
        prepared.setdefault(found.manifest["dataset"], []).append(found)
    return [_row(name, found) for name, found in prepared.items()]


def _row(name: str, prepared: list[cache.Prepared]) -> dict:
    entry = CATALOGUE.get(name)
    files = None
    if entry:
        located = (public(name, split, data_root(), anywhere=True).locate() for split in entry.splits)
        files = next((str(place) for place in located if place), None)
    return {
        "name": name,
        "splits": entry.splits if entry else {},
        "get": entry.how if entry else "own",
        "files": files,
        "prepared": [
            {
                "split": found.manifest["split"],
                "resolution": found.manifest["resolution"],
                "count": found.manifest["count"],
                "bytes": found.path.stat().st_size,
                "source": found.manifest["source"],
                "folder": str(found.folder),
            }
            for found in prepared
        ],
    }
