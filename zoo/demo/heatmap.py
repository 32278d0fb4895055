"""Labels: the class that was asked for against the class that was drawn, as measured by `zoo.align`."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ..checkpoints import weights
from ..schema import labels, registry
from ..schema.config import ModelConfig
from ..schema.label_alignment import PERMUTED, LabelAlignment

TRAINED, ALIGNED = "trained", "aligned"
MOST = 20  # classes of a table


def alignment(config: ModelConfig, name: str) -> LabelAlignment | None:
    """Return the alignment that is listed with the weights of a name; None if there is none."""
    return weights.entry(config, registry.split_tag(name)[1]).alignment


def counts(found: LabelAlignment, way: str) -> list[tuple[int, ...]]:
    """Return a row for each class asked for: images by the class that they show.

    Args:
        way: TRAINED takes the number of a class as the generator's label; ALIGNED the label that draws the class.
    """
    order = range(len(found.assignment)) if way == TRAINED else found.label_of
    return [found.confusion[label] for label in order]


def table(config: ModelConfig, found: LabelAlignment, way: str) -> str:
    """Return the counts as an HTML table, each cell shaded by its share of the row."""
    names = labels.class_names(config)[:MOST]
    rows = counts(found, way)[:MOST]
    right = found.accuracy_asked if way == TRAINED else found.accuracy_assigned
    long = max(map(len, names)) > 3
    head = "".join(f'<th scope="col"><span>{html.escape(name)}</span></th>' for name in names)
    body = "".join(_row(name, i, row) for i, (name, row) in enumerate(zip(names, rows, strict=True)))
    few = f" The first {MOST} of {len(found.assignment)} classes." if len(found.assignment) > MOST else ""
    told = f"{right:.0%} of the images show the class asked for.{few} Rows: asked for. Columns: recognised."
    return (
        f'<table class="zoo-heat{" zoo-upright" * long}"><caption>{html.escape(told)}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row(name: str, asked: int, row: Sequence[int]) -> str:
    cells, total = [], max(1, sum(row))
    for shown, count in enumerate(row[:MOST]):
        share = round(100 * count / total)
        mark = ' class="zoo-asked"' if shown == asked else ""
        cells.append(f'<td{mark} style="--share: {share}%">{share or ""}</td>')
    return f'<tr><th scope="row">{html.escape(name)}</th>{"".join(cells)}</tr>'


def source(found: LabelAlignment) -> str:
    """Return how it was measured, as HTML."""
    right = f", {found.right_on_real}" if found.right_on_real else ""
    told = (
        f"{found.images_per_class} images of each label, seed {found.seed}, recognised by {found.classifier}{right}. "
        f"The best assignment of random labels would reach {found.chance:.0%}."
    )
    return f'<p class="zoo-caption">{html.escape(told)}</p>'


def lesson(found: LabelAlignment) -> str:
    """Return what the table teaches, as HTML."""
    if found.verdict == PERMUTED:
        told = (
            "This generator has learnt the classes but not their names: its loss gathers the images of a class without "
            "tying them to a number. So the zoo measures which label draws which class, and asks for that one."
        )
    else:
        told = "This generator draws what its labels say, as far as the classifier can tell."
    return f'<p class="zoo-verdict">{html.escape(found.verdict.capitalize())}</p><p>{html.escape(told)}</p>'


def nothing(config: ModelConfig, name: str) -> str:
    """Return why there is no table, as HTML."""
    if not config.conditional:
        return '<p class="zoo-caption">This model has no classes, so there is nothing to ask for.</p>'
    told = f"It was not measured which classes these labels draw; run: zoo align {name}"
    return f'<p class="zoo-caption">{html.escape(told)}</p>'
