"""List models, and tell which of them load without a network, which are fetched first, and which must be trained."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from ..common.errors import ZooError
from ..schema.config import ModelConfig
from ..schema.entries import Weights
from ..schema.registry import config, fitting


class Status(str, Enum):
    """What `zoo.load(name)` does with the default weights; the order is that of lists of models."""

    NOW = "now"  # they load without a network
    DOWNLOAD = "download"  # they are fetched first
    TRAIN = "train"  # there are none


_ORDER = list(Status)


class Availability(NamedTuple):
    """Where the default weights of a model are."""

    status: Status
    source: str | None = None  # "bundled", "cache", or the host: "Google Drive", "Hugging Face", or that of an address
    size: int | None = None  # bytes of the file to load, or to fetch; None where no one states it


_CHOICES = {
    "offline": {Status.NOW},
    "download": {Status.DOWNLOAD},
    "trained": {Status.NOW, Status.DOWNLOAD},
}


def list_models(
    pattern: str = "*",
    *,
    conditional: bool | None = None,
    dataset: str | None = None,
    available: str | None = None,
) -> list[str]:
    """Return the names of the models that fit: sorted, and with `available` those first that load without a network.

    Args:
        pattern: glob over names, ignoring case, such as "*/cifar10" or "contragan*".
        conditional: True or False to keep only models with or without classes.
        dataset: keep models of this data set, such as "cifar10" or "celeba".
        available: "offline" keeps models whose default weights are on this machine, "download" those whose weights are
            fetched first, "trained" both.
    """
    if available is not None and available not in _CHOICES:
        raise ZooError(f'available="{available}" is unknown; give "offline", "download", "trained" or nothing')
    if not isinstance(pattern, str):
        raise ZooError(f'pattern is of type {type(pattern).__name__}; give text, such as "*/cifar10"')
    found = fitting(pattern)
    if conditional is not None:
        found = [name for name in found if config(name).conditional == conditional]
    if dataset is not None:
        found = [name for name in found if config(name).data.dataset == dataset]
    if available is None:
        return found
    statuses = {name: availability(config(name)).status for name in found}
    return sorted((name for name in found if statuses[name] in _CHOICES[available]), key=lambda n: rank(statuses[n]))


def rank(status: Status) -> int:
    """Return the place of a status in lists of models."""
    return _ORDER.index(status)


def availability(model: ModelConfig) -> Availability:
    """Return where the default weights of a model are; nothing is fetched."""
    from . import weights  # the registry must be imported before weights

    if model.default_tag is None:
        return Availability(Status.TRAIN)
    entry = weights.entry(model, "default")
    path = weights.local_path(model, entry)
    if path is not None:
        return Availability(Status.NOW, "bundled" if entry.bundled else "cache", path.stat().st_size)
    return Availability(Status.DOWNLOAD, source(entry), entry.upstream.size if entry.upstream else None)


def source(entry: Weights) -> str:
    """Return where the file of an entry is published, in a word or two."""
    holder = entry.upstream or entry.hub
    return holder.host if holder else "bundled"


def is_offline(model: ModelConfig) -> bool:
    """Return True if the default weights of a model load without a network."""
    return availability(model).status is Status.NOW
