"""The page's texts about models: the list to choose from, their classes, facts and scores."""

from __future__ import annotations

import html
from urllib.parse import quote

from ..checkpoints import weights
from ..checkpoints.availability import Status, availability, rank
from ..schema import labels, registry
from ..schema.config import ModelConfig

DEFAULT = "contragan/digits"
HERE, ELSEWHERE = "●", "○"


_WHERE = {Status.NOW: "on this machine", Status.DOWNLOAD: "to be downloaded", Status.TRAIN: "no weights yet"}


def choices(only_here: bool = False, by: str = "method") -> list[tuple[str, str]]:
    """(label, name) of every model: first those that load without a network, marked by a filled dot; then by method
    or data set.
    """
    rows = [(config, availability(config).status) for config in map(registry.config, registry.names())]
    kind = (lambda c: c.method) if by == "method" else (lambda c: c.data.dataset)
    rows.sort(key=lambda row: (rank(row[1]), kind(row[0]), row[0].name))
    return [
        (_entry(config, status, by), config.name) for config, status in rows if status is Status.NOW or not only_here
    ]


def _entry(config: ModelConfig, status: Status, by: str) -> str:
    method, _, dataset = config.name.partition("/")
    title = f"{method} / {dataset}" if by == "method" else f"{dataset} / {method}"
    side = config.generator.resolution
    return f"{HERE if status is Status.NOW else ELSEWHERE} {title}  ({side}x{side}, {_WHERE[status]})"


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
        f"{g.resolution}x{g.resolution}",
        f"{config.num_classes} classes" if config.conditional else "no classes",
        f"{g.latent_dim} latents",
        f"trained on {html.escape(config.data.dataset)}",
    ]
    if labels_known := _labels(config, name):
        items.append(labels_known)
    if config.paper:
        address = f"https://arxiv.org/abs/{quote(config.paper)}"
        items.append(f'<a href="{address}" target="_blank" rel="noopener">arXiv {html.escape(config.paper)}</a>')
    here, note = where(config, name)
    state = (
        f'<span class="{"zoo-here" if here else "zoo-away"}">{HERE if here else ELSEWHERE} {html.escape(note)}</span>'
    )
    return f'<p class="zoo-facts"><strong>{html.escape(config.title)}</strong> {" · ".join(items)} · {state}</p>'


def _labels(config: ModelConfig, name: str) -> str | None:
    """Return how many images show the class asked for, if that was measured."""
    if not config.conditional:
        return None
    found = weights.entry(config, registry.split_tag(name)[1]).alignment
    if found is None:
        return None
    return f"{found.accuracy_assigned:.0%} of its images show the class asked for"


def where(config: ModelConfig, name: str) -> tuple[bool, str]:
    """Return whether the weights of a name load offline, and a sentence about it."""
    tag = registry.split_tag(name)[1]
    entry = weights.entry(config, tag)
    if weights.is_local(config, entry):
        return True, "on this machine"
    return False, f"not on this machine. {weights.how_to_get(config, entry)}"


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
