"""The panel of a set of weights as one table: a row a metric, a column an extractor, real test images beside each."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from ..common.tables import columns
from ..common.text import markdown, plain, table
from ..evaluation.names import C_T_OF_COPIES
from ..schema.entries import Weights
from ..schema.panel_scores import Panel, PanelScore

if TYPE_CHECKING:
    from rich.console import Group


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


def as_table(panel: Panel) -> Group:
    """Return the panel for a terminal."""
    from rich.console import Group

    head, rows = _cells(panel)
    shown = columns(*head)
    for row in rows:
        shown.add_row(*map(plain, row))
    return Group(shown, plain(about(panel), style="dim"))


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
        sentences += _on_copies(panel)
    else:
        sentences.append("The data have no images that the weights have not seen, so there is nothing real beside.")
    return " ".join(sentences)


def _on_copies(panel: Panel) -> list[str]:
    """Say what a C_T far below 0 means beside AuthPct, for those extractors that give one."""
    found = {(score.short_name, score.extractor): score for score in panel.scores}
    denied, agreed = [], []
    for extractor in panel.extractors:
        c_t, authentic = (found.get((name, extractor)) for name in ("C_T", "AuthPct"))
        if c_t is None or c_t.value >= C_T_OF_COPIES or authentic is None or authentic.test is None:
            continue
        beside = f"{extractor}: C_T {c_t.value:g}, AuthPct {authentic.value:g} against {authentic.test:g}"
        (agreed if authentic.value < authentic.test else denied).append(beside)
    lines = []
    if denied:
        lines.append(
            f"A C_T far below 0 says that generated images lie nearer to training images than the {panel.held_out} "
            f"images do. Copies do that, and so do images that crowd where training images are dense. AuthPct, which "
            f"compares each distance with that between the training images there, is not below that of the "
            f"{panel.held_out} images ({'; '.join(denied)}): the two disagree, and copying is not shown."
        )
    if agreed:
        lines.append(
            f"C_T is far below 0 and AuthPct below that of the {panel.held_out} images ({'; '.join(agreed)}): both are "
            f"as with copies of training images, which the nearest training images would show."
        )
    return lines


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
