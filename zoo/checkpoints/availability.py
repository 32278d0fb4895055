"""List models, and tell which of them load without a network."""

from __future__ import annotations

import fnmatch

from ..common.errors import ZooError
from ..schema.config import ModelConfig
from ..schema.registry import config, names


def list_models(
    pattern: str = "*",
    *,
    conditional: bool | None = None,
    dataset: str | None = None,
    available: str | None = None,
) -> list[str]:
    """Return the names of the models that fit, sorted.

    Args:
        pattern: glob over names, ignoring case, such as "*/cifar10" or "contragan*".
        conditional: True or False to keep only models with or without classes.
        dataset: keep models of this data set, such as "cifar10" or "celeba".
        available: "offline" keeps models whose default weights are on this machine, "trained" those with any weights.
    """
    if available not in (None, "offline", "trained"):
        raise ZooError(f'available="{available}" is unknown; give "offline", "trained" or nothing')
    found = [name for name in names() if fnmatch.fnmatch(name, pattern.lower())]
    if conditional is not None:
        found = [name for name in found if config(name).conditional == conditional]
    if dataset is not None:
        found = [name for name in found if config(name).data.dataset == dataset]
    if available == "trained":
        found = [name for name in found if config(name).weights]
    if available == "offline":
        found = [name for name in found if is_offline(config(name))]
    return found


def is_offline(model: ModelConfig) -> bool:
    """Return True if the default weights of a model load without a network."""
    from . import weights  # the registry must be imported before weights

    return model.default_tag is not None and weights.is_local(model, weights.entry(model, "default"))
