"""Configs of models outside the registry: they say nothing of other weights, and have names of their own."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

from ..common.text import cut, visible
from .config import ModelConfig
from .labels import class_names
from .origin import Origin

CUSTOM = "custom"  # the data set of own pictures: "custom", or "custom:" and their name
UNKNOWN_LICENSE = "unknown"  # as the Hugging Face Hub calls it
_SPELLED_BY_DATA = ("generator.num_classes", "discriminator.num_classes")
_ARCHIVES = re.compile(r"(\.npz|\.zip|\.tar(\.(gz|bz2|xz))?|\.tgz)$", re.IGNORECASE)
_SHOWN = 60  # characters of a value


def is_custom(dataset: str) -> bool:
    return dataset.partition(":")[0] == CUSTOM


def data_name(config: ModelConfig) -> str:
    """Return how the data are called: "flowers" of custom:flowers, "own pictures" if they have no name."""
    name = config.data.dataset
    return name.partition(":")[2] or "own pictures" if is_custom(name) else name


def name_of_path(path: Path) -> str:
    """Return the name of a folder or an archive, fit for a config."""
    path = path.resolve()
    if path.name.lower() in ("train", "training") and path.parent.name:
        path = path.parent
    return cut(visible(_ARCHIVES.sub("", path.name) or "pictures"), 100)


def without_claims(config: ModelConfig) -> ModelConfig:
    """Return the config without anything that belongs to other weights, or to their publisher."""
    training = config.training.model_copy(update={"notes": ()})
    own = {"weights": (), "default_tag": None, "alignment": None, "published": (), "notes": (), "training": training}
    return config.model_copy(update=own | ({} if config.origin else {"license": UNKNOWN_LICENSE}))


def named(config: ModelConfig, place: str) -> ModelConfig:
    """Return the config of an own model with the name and the title of its folder or repository."""
    name = Path(place).name or "own"
    letters = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    word = "-".join(re.findall(r"[a-z0-9]+", letters))[:80].strip("-") or "own"
    side = config.data.resolution
    known = config.origin is not None and config.origin.data is not None
    of = f"of {cut(data_name(config), 100)}" if known else "of data that are not on record"
    title = f"{cut(visible(name), 100)}: {side}x{side} images {of}"
    return config.model_copy(update={"name": f"{config.method}/{word}", "title": title})


def of_changed_weights(config: ModelConfig) -> ModelConfig:
    """Return the config of weights that began as those of a model, and are others now.

    What they were changed with is unknown, and so is what they draw: the classes keep their names, and nothing else.
    """
    own = without_claims(config)
    data = own.data.model_copy(
        update={"dataset": CUSTOM, "preparation": None, "class_names": class_names(config) or None}
    )
    recipe = config.origin.recipe if config.origin else config.name
    origin = Origin(recipe=recipe, changed=True)
    return own.model_copy(update={"data": data, "origin": origin})


def has_public_data(config: ModelConfig) -> bool:
    """Return True if the config says of its own weights that a public data set made them."""
    unknown = config.origin is not None and config.origin.data is None
    return not unknown and not is_custom(config.data.dataset)


def for_others(config: ModelConfig) -> ModelConfig:
    """Return the config without places on this machine."""
    if config.origin is None or config.origin.data is None:
        return config
    data = config.origin.data.model_copy(update={"place": None})
    return config.model_copy(update={"origin": config.origin.model_copy(update={"data": data})})


def deviations(recipe: ModelConfig, config: ModelConfig) -> dict[str, tuple[Any, Any]]:
    """Return the fields of networks and training that differ: the values of the config, and of the recipe.

    The number of classes and the data set follow from the data, and are no deviations.
    """
    parts = {"generator", "discriminator", "training", "data"}
    drop = {"training": {"notes", "as_paper"}, "data": {"dataset", "split", "preparation", "class_names"}}
    ours, theirs = (_flat(one.model_dump(mode="json", include=parts, exclude=drop)) for one in (config, recipe))
    fields = [*ours, *(field for field in theirs if field not in ours)]
    return {
        field: (ours.get(field), theirs.get(field))
        for field in fields
        if field not in _SPELLED_BY_DATA and ours.get(field) != theirs.get(field)
    }


def in_words(changed: dict[str, tuple[Any, Any]]) -> tuple[str, ...]:
    """Return one line for each field of `deviations`."""
    return tuple(f"{field}: {_shown(ours)} instead of {_shown(theirs)}" for field, (ours, theirs) in changed.items())


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return cut(visible(value if isinstance(value, str) else json.dumps(value)), _SHOWN)


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {path: value}
    return {
        field: item
        for key, part in value.items()
        for field, item in _flat(part, f"{path}.{key}" if path else key).items()
    }
