"""The page's texts about models: the list to choose from, their classes, facts and scores."""

from __future__ import annotations

import html
from collections.abc import Sequence
from urllib.parse import quote

from ..checkpoints import weights
from ..checkpoints.availability import Status, availability, rank
from ..schema import labels, registry
from ..schema.config import ModelConfig
from ..schema.entries import Measured, Score
from . import encoding

DEFAULT = "contragan-snresgan/cifar10"  # its latents and its labels matter, and it has its discriminator


def choices(only_here: bool = False) -> list[tuple[str, str]]:
    """(name, name) of every model: first those that load without a network, of which the default one is the first."""
    rows = [(config, availability(config).status) for config in map(registry.config, registry.names())]
    rows.sort(key=lambda row: order(row[0], row[1]))
    return [(config.name, config.name) for config, status in rows if status is Status.NOW or not only_here]


def order(config: ModelConfig, status: Status) -> tuple:
    """Return the place of a model in every list of the demo, as a key to sort by."""
    return rank(status), config.name != DEFAULT, config.data.dataset == "digits", config.name


def class_choices(config: ModelConfig, everything: bool = True) -> list[tuple[str, str]]:
    """Return (label, value) of the classes; values are indices, since names need not be unique."""
    names = labels.class_names(config)
    plain = [labels.plain(name) for name in names]
    shown = [
        f"{name} ({i})" if plain.count(key) > 1 else name
        for i, (name, key) in enumerate(zip(names, plain, strict=True))
    ]
    listed = [(name, str(i)) for i, name in enumerate(shown)]
    return [(f"all {len(names)} classes", "all"), *listed] if everything and names else listed


def facts(config: ModelConfig, name: str) -> str:
    """Return one line of HTML: what the model is, and where its weights are."""
    g = config.generator
    items = [
        f"{g.latent_dim} latents",
        f"{config.num_classes} classes" if config.conditional else "no classes",
    ]
    if labels_known := _labels(config, name):
        items.append(labels_known)
    if config.paper:
        address = f"https://arxiv.org/abs/{quote(config.paper)}"
        items.append(f'<a href="{address}" target="_blank" rel="noopener">arXiv {html.escape(config.paper)}</a>')
    here, note = where(config, name)
    if not here:
        items.append(f'<span class="zoo-away">{html.escape(note)}</span>')
    return (
        f'<p class="zoo-facts" data-model="{html.escape(name)}"><strong>{html.escape(config.title)}</strong> '
        f"{' · '.join(items)}</p>"
    )


def _labels(config: ModelConfig, name: str) -> str | None:
    """Return how many images show the class asked for, if that was measured."""
    if not config.conditional:
        return None
    found = weights.entry(config, registry.split_tag(name)[1]).alignment
    if found is None:
        return None
    return f"{found.accuracy_assigned:.0%} of images show the class asked for"


def where(config: ModelConfig, name: str) -> tuple[bool, str]:
    """Return whether the weights of a name load offline, and the same in words."""
    here = weights.is_local(config, weights.entry(config, registry.split_tag(name)[1]))
    return here, "on this machine" if here else "not on this machine"


def scores(config: ModelConfig, name: str) -> str:
    """Return an HTML table of a model's published and measured scores; a sentence if there are none.

    Raises:
        UnknownTagError: the model has no such weights.
    """
    entry = weights.entry(config, registry.split_tag(name)[1]) if config.weights else None
    stated = [
        (s, "published" + ("" if s.tag else " for the method") + f": {s.origin}")
        for s in config.published
        if s.tag in (entry and entry.tag, None)
    ]
    stated += [(s, f"measured here: {_how(s)}") for s in (entry.scores if entry else ())]
    if not stated:
        return '<p class="zoo-caption">No score of this model was published or measured.</p>'
    head = ("metric", "value", "real / generated", "source")
    return encoding.table("", head, [(_metric(s), str(s), s.counts, source) for s, source in stated])


def _metric(score: Score) -> str:
    """Return the metric without its extractor, which `_how` names."""
    return score.metric.removesuffix(f"({score.extractor})").rstrip()


def _how(score: Measured) -> str:
    return f"{score.protocol}, {score.extractor}" if score.extractor else score.protocol


def scores_side_by_side(models: Sequence[tuple[ModelConfig, str]]) -> str:
    """Return an HTML table of the scores that several models have of one metric, count and protocol; less is in it.

    A score that was published for the method is of other weights, and is left out.
    """
    found: dict[tuple[str, str, str], dict[int, str]] = {}
    for i, (config, name) in enumerate(models):
        entry = weights.entry(config, registry.split_tag(name)[1])
        stated = [(s, s.origin) for s in config.published if s.tag == entry.tag]
        for score, how in [*stated, *((s, _how(s)) for s in entry.scores)]:
            found.setdefault((_metric(score), score.counts, how), {}).setdefault(i, str(score))
    rows = [
        (metric, *(values.get(i, "–") for i in range(len(models))), counts, how)
        for (metric, counts, how), values in found.items()
        if len(values) > 1
    ]
    if not rows:
        return '<p class="zoo-caption">No score of these models was measured in the same way.</p>'
    head = ("metric", *(name for _, name in models), "real / generated", "protocol or source")
    return encoding.table("Measured in the same way; the About tab has all scores of a model.", head, rows)
