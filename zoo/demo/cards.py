"""Models as cards: those that load now, with a thumbnail, and the others with their size, source and what to do."""

from __future__ import annotations

import html
import shlex
from dataclasses import dataclass

from ..checkpoints.availability import Status, availability
from ..common.files import as_size
from ..nets import build_generator
from ..schema import registry
from ..schema.config import ModelConfig
from . import encoding, model_list, thumbnails

EVERY = "every data set"


@dataclass(frozen=True)
class Card:
    """What a card says of a model.

    Attributes:
        index: place among the names of the registry, which a click on the card sends.
        source, size: of the default weights; None where they are unknown, or there are none.
    """

    index: int
    config: ModelConfig
    status: Status
    source: str | None
    size: int | None

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def facts(self) -> str:
        """One line: data set, side, classes."""
        side = self.config.generator.resolution
        classes = f"{self.config.num_classes} classes" if self.config.conditional else "no classes"
        return f"{self.config.data.dataset} · {side}×{side} · {classes}"

    @property
    def place(self) -> str:
        """One line: the size and the source of the weights."""
        if self.status is Status.TRAIN:
            return "no weights were published; it is trained first"
        if self.size is None:  # what is published may hold more than the weights
            return f"{as_size(weight_bytes(self.name))} of weights from {self.source}"
        return f"{as_size(self.size)} from {self.source}"


_counted: dict[str, int] = {}  # bytes by architecture; many models share one


def weight_bytes(name: str) -> int:
    """Return the bytes of a model's weights in float32, counted from its architecture."""
    architecture = registry.config(name).generator
    key = architecture.model_dump_json()
    if key not in _counted:
        tensors = build_generator(architecture, device="meta").state_dict().values()
        _counted[key] = 4 * sum(tensor.numel() for tensor in tensors)
    return _counted[key]


def all_cards() -> list[Card]:
    """Return the cards of every model: first those that load now, of which the default model is the first."""
    made = []
    for index, config in enumerate(map(registry.config, registry.names())):
        found = availability(config)
        made.append(Card(index, config, found.status, found.source, found.size))
    return sorted(made, key=lambda card: model_list.order(card.config, card.status))


def card_of(name: str) -> Card:
    return next(card for card in all_cards() if card.name == name)


def name_at(index: int) -> str | None:
    """Return the name of the model of a card; None if there is no such card."""
    names = registry.names()
    return names[index] if 0 <= index < len(names) else None


def datasets() -> list[str]:
    """Return the data sets of the models that do not load now."""
    return [EVERY, *sorted({card.config.data.dataset for card in all_cards() if card.status is not Status.NOW})]


def matching(text: str, dataset: str) -> list[Card]:
    """Return the cards of the models that do not load now and whose name or title has every word of the text."""
    words = text.lower().split()
    return [
        card
        for card in all_cards()
        if card.status is not Status.NOW
        and dataset in (EVERY, card.config.data.dataset)
        and all(word in f"{card.name} {card.config.title}".lower() for word in words)
    ]


def here() -> str:
    """Return the cards of the models that load now, as HTML buttons."""
    made = "".join(_open(card) for card in all_cards() if card.status is Status.NOW)
    return f'<div class="zoo-cards zoo-cards-here" role="group" aria-label="Models that load now">{made}</div>'


def others(cards: list[Card], downloads: bool) -> str:
    """Return cards of models that do not load now, as HTML; each has a button for what to do.

    Args:
        downloads: the demo may download.
    """
    if not cards:
        return '<p class="zoo-caption">No other model has these words and this data set.</p>'
    made = "".join(_away(card, downloads) for card in cards)
    count = f"{len(cards)} model{'s' if len(cards) > 1 else ''}"
    return f'<p class="zoo-caption" role="status">{count}</p><div class="zoo-cards">{made}</div>'


def command(card: Card) -> str:
    """Return the one command that makes a model load: one that fetches and draws, or one that trains."""
    name, slug = shlex.quote(card.name), card.config.slug
    if card.status is Status.TRAIN:
        return f"zoo train {name} --out runs/{slug}"
    return f"zoo sample {name} -n 64 -o {slug}.png"


def _open(card: Card) -> str:
    name, title = html.escape(card.name), html.escape(card.config.title)
    broken = name.replace("/", "/<wbr>")  # where a narrow card may break it
    data = thumbnails.of(card.config)
    blank = f'<span class="zoo-blank" aria-hidden="true">{card.config.generator.resolution} px</span>'
    shown = encoding.picture(data, "") if data else blank
    return (
        f'<button type="button" class="zoo-card" data-index="{card.index}" title="Open {name}">{shown}'
        f"<strong>{broken}</strong><span>{title}</span><span>{html.escape(card.facts)}</span></button>"
    )


def _away(card: Card, downloads: bool) -> str:
    name = html.escape(card.name)
    if card.status is Status.TRAIN:
        action = "How to train it"
    else:
        action = "Download" if downloads else "How to get it"
    broken = name.replace("/", "/<wbr>")
    return (
        f'<div class="zoo-card"><strong>{broken}</strong><span>{html.escape(card.facts)}</span>'
        f"<span>{html.escape(card.place)}</span>"
        f'<button type="button" data-index="{card.index}" aria-label="{action}: {name}">{action}</button></div>'
    )
