"""The panel of a set of weights as one table: a row a metric, a column an extractor, real test images beside each."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from ..common.tables import columns
from ..common.text import markdown, plain, table
from ..schema.entries import Weights
from ..schema.panel_scores import Panel, PanelScore

if TYPE_CHECKING:
    from rich.table import Table


def panel_section(entry: Weights, place: str) -> str:
    """Return the section of a card about the panel of its weights; empty if they have none.

    Args:
        place: what `zoo.load` takes for this model.
    """
    panel = entry.panel
    if panel is None:
        return ""
    head, rows = _cells(panel)
    shown = table([markdown(cell) for cell in head], [[markdown(cell) for cell in row] for row in rows])
    first = panel.scores[0]
    counts = f"--num-real {first.num_real} --num-fake {first.num_fake}"
    again = f"Measure it again: `zoo panel {quote(place)} {counts}`."
    return f"## Panel\n\n{shown}\n\n{markdown(about(panel))}\n\n{again}"


def as_table(panel: Panel) -> Table:
    """Return the panel for a terminal."""
    head, rows = _cells(panel)
    shown = columns(*head)
    shown.caption, shown.caption_justify = about(panel), "left"
    for row in rows:
        shown.add_row(*map(plain, row))
    return shown


def about(panel: Panel) -> str:
    """Return how the values came about, in a few sentences."""
    spread = f"Means and standard deviations over {panel.seeds} sampling seeds of one training run"
    if panel.seeds == 1:
        spread = "One sampling seed of one training run"
    sentences = [
        f"{spread}, protocol {panel.protocol}, against the {panel.split} images; every metric sees the same images. "
        f"Small counts bias most distances upwards, so compare with the same counts only, and no order of models "
        f"follows from differences within the spread."
    ]
    if panel.held_out:
        sentences.append(
            f"Beside each: the same measured on as many {panel.held_out} images in place of generated ones; for class "
            f"accuracy, the classifier's on real images that it was not trained on. C_T compares with "
            f"{panel.num_held_out:,} {panel.held_out} images."
        )
    else:
        sentences.append("The data have no images that the weights have not seen, so there is nothing real beside.")
    return " ".join(sentences)


def _cells(panel: Panel) -> tuple[list[str], list[list[str]]]:
    head = ["metric", "real / generated"]
    for extractor in panel.extractors:
        head += [extractor, *([f"{panel.held_out} images"] if panel.held_out else [])]
    by_name: dict[str, dict[str, PanelScore]] = {}
    for score in panel.scores:
        by_name.setdefault(score.short_name, {})[score.extractor] = score
    rows = []
    for name, scores in by_name.items():
        first = next(iter(scores.values()))
        row = [name, f"{first.num_real or '–'} / {first.num_fake}"]
        for extractor in panel.extractors:
            score = scores.get(extractor)
            row.append(_value(score) if score else "–")
            if panel.held_out:
                row.append("–" if score is None or score.test is None else f"{score.test:g}")
        rows.append(row)
    return head, rows


def _value(score: PanelScore) -> str:
    return f"{score.value:g}" + (f" ± {score.std:g}" if score.std is not None else "")
