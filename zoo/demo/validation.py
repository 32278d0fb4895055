"""Checks of requests. Every value from the network passes here, from the page and from API callers.

A value is accepted unchanged or refused with one line; nothing is converted silently, and no caller's text is echoed
at length. A name becomes the name of a registered model, never a path.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..checkpoints import weights
from ..common.errors import LabelError, UnknownModelError, ZooError
from ..sampling import latents
from ..schema import labels, registry
from ..schema.config import ModelConfig
from .settings import Settings

# Letters, digits and what separates them in a name; a tag may follow. No leading or doubled separators: "../x" is out.
_NAME = re.compile(r"[A-Za-z0-9]+(?:[ _.-][A-Za-z0-9]+)*(?:/[A-Za-z0-9]+(?:[ _.-][A-Za-z0-9]+)*)?(?:@[a-z0-9-]+)?")
_LONGEST_NAME, _LONGEST_LABEL = 100, 200


@dataclass(frozen=True)
class Sample:
    """A checked request for images: `zoo.load(model).sample(n, label, seed, truncation)`."""

    config: ModelConfig
    model: str  # "name", or "name@tag" where the tag is not the default one
    n: int
    classes: tuple[int, ...] | Literal["all"] | None  # as requested; None: drawn from the seed
    seed: int
    truncation: float | None

    @property
    def label(self) -> int | list[int] | None:
        """Return the `label` argument of `GAN.sample`."""
        if self.classes is None:
            return None
        if self.classes != "all" and len(self.classes) == 1:
            return self.classes[0]
        wanted = ["all"] if self.classes == "all" else self.classes
        return labels.spread(self.config, wanted, self.n)

    @property
    def words(self) -> list[str]:
        """The classes as in a link or a command line: by index where a name is not unique or not plain text."""
        if self.classes is None:
            return []
        if self.classes == "all":
            return ["all"]
        names = labels.class_names(self.config)
        plain = [labels.plain(name) for name in names]
        return [names[i] if _is_word(names[i]) and plain.count(plain[i]) == 1 else str(i) for i in self.classes]


def _is_word(name: str) -> bool:
    """True if a class's name identifies it on a command line and in a link."""
    return "," not in name and name.isprintable() and name.strip().lower() not in ("", "all")


def shown(value: Any) -> str:
    """Quote a value for an error message: its repr, cut."""
    if isinstance(value, str):
        text = repr(value[:40])
        return text if len(value) <= 40 else f"{text[:-1]}...' ({len(value):,} characters)"
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def model(value: Any) -> tuple[ModelConfig, str]:
    """Return the config and canonical name of a registered model, "name" or "name@tag".

    Raises:
        UnknownModelError: not a string, not a valid name, or not a registered model.
        WeightsUnavailableError: the model has no weights, or none with this tag.
    """
    if not isinstance(value, str) or not value.strip():
        raise UnknownModelError(f"model is {shown(value)}; give a name such as contragan/digits")
    if len(value) > _LONGEST_NAME or not _NAME.fullmatch(value.strip()):
        raise UnknownModelError(
            f"model is {shown(value)}, which is not the name of a model; give one such as contragan/digits, not a path"
        )
    base, tag = registry.split_tag(value.strip())
    config = registry.config(base)
    entry = weights.entry(config, tag)
    return config, config.name if entry.tag == config.default_tag else f"{config.name}@{entry.tag}"


def count(name: str, value: Any, smallest: int, largest: int) -> int:
    """Check a whole number within bounds; browsers send 16.0, which is accepted; True and "16" are refused."""
    number = _integer(value)
    if number is None or not smallest <= number <= largest:
        raise ZooError(f"{name} is {shown(value)}; give a whole number from {smallest} to {largest}")
    return number


def seed(value: Any, name: str = "seed") -> int:
    """Check a seed; None gives a new one."""
    if value is None:
        return latents.random_seed()
    number = _integer(value)
    if number is None or not 0 <= number < 1 << 64:
        raise ZooError(f"{name} is {shown(value)}; give a whole number from 0 to 2**64 - 1, or none for a fresh one")
    return number


def truncation(value: Any) -> float | None:
    """Check a threshold; None for no limit."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value > 1e6:
        raise ZooError(f"truncation is {shown(value)}; give a number of at least 0.05, or none for no limit")
    return latents.check_truncation(value)


def number(name: str, value: Any, smallest: float, largest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not smallest <= value <= largest:
        raise ZooError(f"{name} is {shown(value)}; give a number from {smallest:g} to {largest:g}")
    return float(value)


def choice(name: str, value: Any, choices: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ZooError(f"{name} is {shown(value)}; give one of {', '.join(choices)}")
    return value


def classes(config: ModelConfig, value: Any, most: int) -> tuple[int, ...] | Literal["all"] | None:
    """Check classes by index or name: one, a list of several, "all", or None.

    Raises:
        LabelError: unknown, out of range, too many, or the model has none.
    """
    if value is None or (isinstance(value, (str, list, tuple)) and len(value) == 0):
        return None
    wanted = list(value) if isinstance(value, (list, tuple)) else [value]
    if len(wanted) > most:
        raise LabelError(f"label lists {len(wanted):,} classes; give at most {most}")
    if any(isinstance(item, str) and item.strip().lower() == "all" for item in wanted):
        labels.index(config, 0)
        return "all"
    return tuple(dict.fromkeys(_class(config, item) for item in wanted))


def _class(config: ModelConfig, item: Any) -> int:
    if isinstance(item, str) and len(item) <= _LONGEST_LABEL:
        return labels.index(config, item.strip())
    if not config.conditional:
        labels.index(config, 0)  # raises the error that it takes none
    number = _integer(item)
    if number is None:
        raise LabelError(f"label is {shown(item)}; give a class by index or name, several in a list, or all")
    if abs(number) > 1 << 31:
        raise LabelError(
            f"label {shown(item)} is out of range; {config.name} has classes 0 to {config.num_classes - 1}"
        )
    return labels.index(config, number)


def sample(
    settings: Settings, name: Any, n: Any, label: Any = None, seed_: Any = None, truncation_: Any = None
) -> Sample:
    """Check a request for images as a whole."""
    config, canonical = model(name)
    n = count("n", n, 1, settings.max_images)
    wanted = classes(config, label, settings.max_images)
    request = Sample(config, canonical, n, wanted, seed(seed_), truncation(truncation_))
    request.label  # noqa: B018  refuses more classes than images now, not on the device
    return request


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    return value if isinstance(value, int) else None
