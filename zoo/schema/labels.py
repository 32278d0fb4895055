"""Resolve classes by index, name or WordNet id."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING

from ..common.errors import LabelError
from ..common.text import cut, short
from . import class_names as public_names
from .config import ModelConfig
from .label_alignment import UNKNOWN, LabelAlignment

if TYPE_CHECKING:
    from torch import Tensor


def class_names(config: ModelConfig) -> tuple[str, ...]:
    """Return class names in label order: empty for an unconditional model, numbers if no names are public."""
    if not config.conditional:
        return ()
    names = config.data.class_names or public_names.class_names(config.data.dataset)
    return names if len(names) == config.num_classes else tuple(str(i) for i in range(config.num_classes))


def index(config: ModelConfig, label: int | str) -> int:
    """Return the index of one class.

    Raises:
        LabelError: the label is out of range, unknown or ambiguous; the message lists the choices.
    """
    if not config.conditional:
        raise LabelError(f"{config.name} is unconditional and takes no label; omit label")
    if isinstance(label, str):
        return _named(config, label)
    last = config.num_classes - 1
    if isinstance(label, bool) or not hasattr(label, "__index__"):
        raise LabelError(f"label {short(label)} is neither an index nor a name; give 0 to {last} or a class name")
    try:
        position = label.__index__()
    except TypeError:  # a tensor of floats, or of several numbers
        raise LabelError(f"label {short(label)} is not an index; give 0 to {last} or a class name") from None
    if not 0 <= position <= last:
        raise LabelError(f"label {short(position)} is out of range; {config.name} has classes 0 to {last}")
    return position


def indices(config: ModelConfig, label, n: int) -> Tensor | None:
    """Return labels (n,) int64 for one label, a sequence of n, or "all" (every class in equal parts); None for None."""
    import torch

    if label is None:
        return None
    if isinstance(label, str) and label.lower() == "all":
        return torch.tensor(spread(config, ["all"], n), dtype=torch.int64)
    if isinstance(label, str) or (hasattr(label, "__index__") and getattr(label, "ndim", 0) == 0):
        return torch.full((n,), index(config, label))
    try:
        items = label.tolist() if hasattr(label, "tolist") else list(label)
    except TypeError:
        index(config, label)  # raises, with the valid labels
        raise
    if len(items) != n:
        raise LabelError(f"{len(items)} labels for {n} images; give one label, or one per image")
    return torch.tensor([index(config, item) for item in items], dtype=torch.int64)


def spread(config: ModelConfig, wanted: Sequence[int | str], n: int) -> list[int]:
    """Return labels for n images, class after class in equal parts; "all" stands for every class.

    Raises:
        LabelError: a class is unknown, none is given, or there are more classes than images.
    """
    if [item.lower() for item in wanted if isinstance(item, str)] == ["all"] and len(wanted) == 1:
        index(config, 0)  # refuses a model without classes
        chosen = list(range(config.num_classes))
    else:
        chosen = [index(config, item) for item in wanted]
    if not chosen:
        raise LabelError('no class is given; give one, several, or "all"')
    if len(chosen) > n:
        raise LabelError(f"{len(chosen)} classes do not fit into {n} images; ask for at least {len(chosen)}")
    return [chosen[i * len(chosen) // n] for i in range(n)]


def _named(config: ModelConfig, label: str) -> int:
    ids = public_names.class_ids(config.data.dataset)
    if label in ids:
        return ids.index(label)
    names, wanted = class_names(config), plain(label)
    found = [i for i, name in enumerate(names) if plain(name) == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(f"{i} ({ids[i]})" if ids else str(i) for i in found)
        raise LabelError(f'"{label}" names {len(found)} classes: give an index or a WordNet id, one of {choices}')
    if label.isdecimal() and len(label) < 20:
        return index(config, int(label))
    by_plain = {plain(name): name for name in names}
    close = [by_plain[key] for key in difflib.get_close_matches(wanted[:200], by_plain, n=3)]
    hint = f"did you mean {' or '.join(close)}?" if close else f"`zoo info {config.name}` lists them"
    raise LabelError(f'{config.name} has no class "{cut(label, 60)}"; {hint}')


def plain(name: str) -> str:
    """Return a name in lower case without punctuation."""
    return "".join(c for c in name.lower() if c.isalnum())


def doubt(config: ModelConfig, name: str, alignment: LabelAlignment | None) -> str | None:
    """Return why the labels of a model may be wrong, in one line; None if there is no reason for doubt.

    Without a measurement only the 2C loss is a reason: it gathers the images of a class, but hardly ties them to the
    embedding of that class (studies/contragan-labels).
    """
    if alignment is not None:
        told_apart = alignment.verdict != UNKNOWN
        return None if told_apart else f"{name} draws no classes that zoo align could tell apart"
    if config.conditional and config.training.conditioning.type == "contrastive":
        return (
            f"the labels of {name} may be permuted, as its 2C loss allows; measure them with: zoo align {quote(name)}"
        )
    return None
