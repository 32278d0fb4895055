"""Resolve classes by index, name or WordNet id."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import islice
from shlex import quote
from typing import TYPE_CHECKING

from ..common import numbers
from ..common.errors import LabelError
from ..common.memory import refuse_if_too_large
from ..common.text import cut, short
from . import class_names as public_names
from .config import ModelConfig
from .label_alignment import UNKNOWN, LabelAlignment

if TYPE_CHECKING:
    from torch import Tensor


ALL = "all"  # every class in equal parts
_FEW = 160  # characters of the names of all classes that an error lists
_LISTED = 16  # bytes per label of a list and of the tensor that it becomes


def _unwrapped(label):
    """Return an array, a tensor or a NumPy scalar as Python's own: a list, or one item."""
    try:
        return label.tolist() if hasattr(label, "tolist") else label
    except RuntimeError:  # on the meta device, or sparse
        raise LabelError(f"label {short(label)} is a tensor whose values cannot be read; give a dense one") from None


def class_names(config: ModelConfig) -> tuple[str, ...]:
    """Return class names in label order: empty for an unconditional model, numbers if no names are public."""
    if not config.conditional:
        return ()
    names = config.data.class_names or public_names.class_names(config.data.dataset)
    return names if len(names) == config.num_classes else tuple(str(i) for i in range(config.num_classes))


def class_ids(config: ModelConfig) -> tuple[str, ...]:
    """Return WordNet ids in label order; empty if the classes are not those of a data set that has them."""
    ids, named = public_names.class_ids(config.data.dataset), config.data.class_names
    return ids if named is None or named == public_names.class_names(config.data.dataset) else ()


def index(config: ModelConfig, label: int | str) -> int:
    """Return the index of one class.

    Raises:
        LabelError: the label is out of range, unknown or ambiguous; the message lists the choices.
    """
    if not config.conditional:
        raise LabelError(f"{config.name} is unconditional and takes no label; omit label")
    label = _unwrapped(label)
    if isinstance(label, str):
        return _named(config, label)
    last = config.num_classes - 1
    try:
        position = operator.index(label)
    except TypeError:
        position = None
    if position is None or isinstance(label, bool):
        raise LabelError(f"label {short(label)} is neither an index nor a name; give 0 to {last} or a class name")
    if not 0 <= position <= last:
        raise LabelError(f"label {short(position)} is out of range; {config.name} has classes 0 to {last}")
    return position


def is_single(label) -> bool:
    """Return True if a label stands for the class of every image: an index, alone or in a 0-d array, or a name."""
    label = _unwrapped(label)
    if isinstance(label, str):
        return label.lower() != ALL
    return hasattr(label, "__index__")


def indices(config: ModelConfig, label, n: int) -> Tensor | None:
    """Return labels (n,) int64 for one label, a sequence of n, or "all" (every class in equal parts); None for None."""
    import torch

    if label is None:
        return None
    label, n = _unwrapped(label), numbers.whole("n", n)
    if is_single(label):
        chosen = index(config, label)
        refuse_if_too_large(8 * n, f"the labels of {n:,} images", "make them in parts")
        return torch.full((n,), chosen, dtype=torch.int64, device="cpu")
    items = spread(config, [ALL], n) if isinstance(label, str) else _items(config, label, n)
    if len(items) != n:
        raise LabelError(f"{len(items)} labels for {n} images; give one label, or one per image")
    return torch.tensor([index(config, item) for item in items], dtype=torch.int64, device="cpu")


def _items(config: ModelConfig, label, n: int) -> list[int | str]:
    if isinstance(label, Set | Mapping | bytes | bytearray):
        raise LabelError(f"label is a {type(label).__name__}, which has no label for each image; give a list")
    if isinstance(label, Iterator):  # which may be endless
        items = list(islice(label, n + 1))
        if len(items) > n:
            raise LabelError(f"more than {n} labels for {n} images; give one label, or one per image")
        return items
    try:
        return list(label)
    except TypeError:
        index(config, label)  # raises, with the valid labels
        raise


def evenly_spaced(config: ModelConfig, most: int) -> list[int]:
    """Return up to `most` classes, evenly spaced from the first on; none without classes."""
    return numbers.evenly_spaced(most, config.num_classes)


def spread(config: ModelConfig, wanted: Sequence[int | str], n: int) -> list[int]:
    """Return labels for n images, class after class in equal parts; "all" stands for every class.

    Raises:
        LabelError: a class is unknown, none is given, or there are more classes than images.
    """
    if [item.lower() for item in wanted if isinstance(item, str)] == [ALL] and len(wanted) == 1:
        index(config, 0)  # refuses a model without classes
        chosen = list(range(config.num_classes))
    else:
        chosen = [index(config, item) for item in wanted]
    if not chosen:
        raise LabelError('no class is given; give one, several, or "all"')
    if len(chosen) > n:
        raise LabelError(f"{len(chosen)} classes do not fit into {n} images; ask for at least {len(chosen)}")
    refuse_if_too_large(_LISTED * n, f"the labels of {n:,} images", "make them in parts, or of one class")
    return [chosen[i * len(chosen) // n] for i in range(n)]


def _named(config: ModelConfig, label: str) -> int:
    ids = class_ids(config)
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
    every = ", ".join(names)
    few = config.origin or len(every) <= _FEW
    listed = f"it has {cut(every, 300)}" if few else f"`zoo labels {config.name}` lists them"
    hints = [f"did you mean {' or '.join(close)}?"] if close else []
    hints += [listed] if few or not close else []
    raise LabelError(f'{config.name} has no class "{cut(label, 60)}"; {" ".join(hints)}')


def plain(name: str) -> str:
    """Return a name in lower case without punctuation."""
    return "".join(c for c in name.lower() if c.isalnum())


_PERMUTING = {"contrastive": "2C loss", "triplet": "triplet loss", "xt-xent": "XT-Xent loss"}


def doubt(config: ModelConfig, name: str, alignment: LabelAlignment | None) -> str | None:
    """Return why the labels of a model may be wrong, in one line; None if there is no reason for doubt.

    Without a measurement only losses are a reason that compare images with images: 2C gathers the images of a class,
    but hardly ties them to the embedding of that class (studies/contragan-labels), the others have none.
    """
    if alignment is not None:
        told_apart = alignment.verdict != UNKNOWN
        return None if told_apart else f"{name} draws no classes that zoo align could tell apart"
    if config.conditional and config.training.conditioning.type in _PERMUTING:
        loss = _PERMUTING[config.training.conditioning.type]
        return f"the labels of {name} may be permuted, as its {loss} allows; measure them with: zoo align {quote(name)}"
    return None
