"""The page's texts about models: the list to choose from, their classes, facts and scores."""

from __future__ import annotations

import html
from urllib.parse import quote

from ..checkpoints import weights
from ..checkpoints.availability import Status, availability, rank
from ..schema import labels, registry
from ..schema.config import ModelConfig

DEFAULT = "contragan-snresgan/cifar10"  # its latents and its labels matter, and it has its discriminator


def choices(only_here: bool = False) -> list[tuple[str, str]]:
    """(label, name) of every model: first those that load without a network, of which the default one is the first."""
    rows = [(config, availability(config).status) for config in map(registry.config, registry.names())]
    rows.sort(key=lambda row: order(row[0], row[1]))
    return [(_entry(config), config.name) for config, status in rows if status is Status.NOW or not only_here]


def order(config: ModelConfig, status: Status) -> tuple:
    """Return the place of a model in every list of the demo, as a key to sort by."""
    return rank(status), config.name != DEFAULT, config.data.dataset == "digits", config.name


def _entry(config: ModelConfig) -> str:
    classes = f"{config.num_classes} classes" if config.conditional else "no classes"
    return f"{config.name} ({classes})"


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
    """Return an HTML table of a model's published and measured scores; a sentence if there are none."""
    tag = registry.split_tag(name)[1]
    tag = config.default_tag if tag == "default" else tag
    rows = [
        (s.metric, str(s), "published" + ("" if s.tag else ", for the method"), s.origin)
        for s in config.published
        if s.tag in (tag, None)
    ]
    for entry in config.weights:
        if entry.tag == tag:
            rows += [(s.metric, str(s), "measured", s.protocol) for s in entry.scores]
    if not rows:
        return "<p>No score of this model was published or measured.</p>"
    head = "".join(f'<th scope="col">{title}</th>' for title in ("metric", "value", "", "source or protocol"))
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="zoo-scores"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
