"""Real images that a model has not seen, which the measures of copying and of classifiers need."""

from __future__ import annotations

from dataclasses import replace

import torch

from ...common.errors import DataUnavailableError, ZooError
from ...datasets.catalogue import CATALOGUE
from ...datasets.find import of_path
from ...datasets.folder import Pictures
from ...datasets.layout import parts
from ...datasets.npz import Npz
from .references import ReferenceData


def find(data: ReferenceData, metric: str, given: ReferenceData | None = None) -> ReferenceData:
    """Return real images that a model trained on `data` has not seen: those given, else another split of the same.

    Raises:
        DataUnavailableError: there is none.
        ZooError: those given are the training images.
    """
    if given is not None and given.split:
        if _are_same(given, data):
            raise ZooError(
                f"{metric} needs real images that the model has not seen, and those held out are the images of {data}; "
                f"give others with --held-out, or leave {metric} out"
            )
        return given
    trained_on, data = data, given or data
    entry = CATALOGUE.get(data.dataset)
    known = entry.splits if entry else ("test", "val")
    others = [split for split in ("test", "val", "valid") if split in known and split != trained_on.split]
    if given is not None and given.root is not None:
        others.append("train")  # a folder without splits
    # Where a model was trained on all images, a split of them is not held out.
    for split in others if data.given is None and trained_on.split != "all" else ():
        other = replace(data, split=split)
        try:
            if len(other.loaded.labels) and not _are_same(other, trained_on):
                return other
        except DataUnavailableError:
            continue
    raise DataUnavailableError(
        f"{metric} needs real images that the model has not seen, and beside {trained_on} there are none here; "
        f"give them with --held-out, or leave {metric} out"
    )


def _are_same(data: ReferenceData, other: ReferenceData) -> bool:
    """Return True for the same images; an .npz or a folder without splits has the same for each of them."""
    if data.given is not None and other.given is not None:
        return torch.equal(data.given.images, other.given.images)
    if data.root is None or other.root is None or data.root.resolve() != other.root.resolve():
        return False
    if data.split == other.split:
        return True
    source = of_path(data.root, data.split)
    if isinstance(source, Pictures):
        return bool(source.listing.pictures) and "" in parts(source.origin, source.listing, data.split)
    return isinstance(source, Npz) and torch.equal(data.loaded.images, other.loaded.images)
