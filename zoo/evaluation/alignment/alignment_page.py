"""An alignment as a table for the terminal, as Markdown, and as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...common.tables import columns, pairs
from ...common.text import markdown, plain, table
from ...schema.label_alignment import PERMUTED, UNKNOWN, LabelAlignment, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Group

    from .align import Alignment

_NAMED = 40  # classes that are named on the axes of the picture
_LISTED = 12  # labels or classes that a sentence lists


def facts(found: LabelAlignment) -> dict[str, str]:
    """Return the measurements by name."""
    total = found.images_per_class * len(found.confusion)
    lines = {
        "class as asked": _share(found.accuracy_asked, found.accuracy_asked_interval),
        "class as assigned": _share(found.accuracy_assigned, found.accuracy_assigned_interval),
        "by chance": f"up to {found.chance:.1%} under the best assignment of shuffled images",
        "images": f"{total:,}, {found.images_per_class:,} of each label, seed {found.seed}",
        "seen by": "; ".join(filter(None, (found.classifier, found.right_on_real))),
    }
    if found.agreement is not None:
        lines["discriminator"] = (
            f"its class embeddings or classifier assign {found.agreement} of {len(found.assignment)} labels alike"
        )
    return lines


def remarks(found: LabelAlignment, names: Sequence[str]) -> list[str]:
    """Write sentences on what the one-to-one assignment does not show."""
    if found.verdict == UNKNOWN:
        return ["Neither the labels nor their best assignment can be told from chance; labels stay as they are."]
    lines = []
    if found.classifier_accuracy is None:
        lines.append("How often the judge is right on real images is not known; look at the images.")
    if found.undrawn_classes:
        rarer = _list([names[i] for i in found.undrawn_classes])
        lines.append(f"Classes that are not the most frequent one of any label: {rarer}.")
    if found.mixed_labels:
        mixed = [f"{label} ({names[label]})" for label in found.mixed_labels]
        lines.append(f"Labels that draw a mixture: {_list(mixed)}.")
    if found.discriminator_assignment and found.agreement != len(found.assignment):
        pairs = zip(found.assignment, found.discriminator_assignment, strict=True)
        apart = [f"{label}: {names[a]} or {names[b]}" for label, (a, b) in enumerate(pairs) if a != b]
        lines.append(f"The classifier and the discriminator assign differently: {_list(apart)}. Look at these labels.")
    return lines


def rows(found: LabelAlignment, names: Sequence[str]) -> list[tuple[str, str, str, str, str]]:
    """One row per label: number and name, class assigned, in how many images it is seen, and the other classes."""
    table = []
    for label, (cls, counts) in enumerate(zip(found.assignment, found.confusion, strict=True)):
        others = [f"{names[c]} {percent(counts[c], sum(counts))}" for c in found.also_seen(label)]
        assigned = "–" if found.verdict == UNKNOWN else names[cls]
        table.append((str(label), names[label], assigned, percent(counts[cls], sum(counts)), ", ".join(others)))
    return table


_HEAD = ("label", "asked for", "assigned to", "seen in", "also seen")


def as_table(found: Alignment) -> Group:
    """Format for the terminal."""
    from rich.console import Group

    about = pairs(facts(found).items())
    by_label = columns(*_HEAD, right=("label", "seen in"))
    for row in rows(found, found.class_names):
        moved = row[1] != row[2]
        by_label.add_row(*(plain(cell, style="bold" if moved and i == 2 else "") for i, cell in enumerate(row)))
    lines = [plain(line) for line in remarks(found, found.class_names)]
    return Group(plain(f"{found.model}: {found.verdict}", style="bold"), about, plain(""), by_label, *lines)


def as_markdown(found: Alignment) -> str:
    """Format as a page that shows the picture beside it."""
    lines = [f"# {markdown(found.model)}: {found.verdict}", ""]
    lines += [f"- {key}: {markdown(value)}" for key, value in facts(found).items()]
    cells = ([markdown(cell) for cell in row] for row in rows(found, found.class_names))
    lines += ["", table(_HEAD, cells), ""]
    lines += [*map(markdown, remarks(found, found.class_names)), "", "![Labels by classes seen](confusion.png)"]
    return "\n".join(lines) + "\n"


def heat_map(found: Alignment) -> bytes:
    """Shares of each label's images by class seen; where labels are permuted, once more in order of the assignment."""
    import numpy as np

    from ..report import report_plots

    shares = np.asarray(found.confusion, float) / found.images_per_class
    panels = [("as asked", list(range(len(shares))))]
    if found.verdict == PERMUTED:
        panels.append(("as assigned", list(found.label_of)))
    names = found.class_names
    numbered = [f"{label} {name}" if name != str(label) else name for label, name in enumerate(names)]
    return report_plots.heat_maps(
        [(title, shares[order], [numbered[label] for label in order]) for title, order in panels],
        names,
        f"{found.model}: {found.verdict}",
        named=len(names) <= _NAMED,
    )


def _share(value: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{value:.1%} ({low:.1%} to {high:.1%})"


def _list(items: Sequence[str]) -> str:
    more = len(items) - _LISTED
    return ", ".join(items[:_LISTED]) + (f" and {more} more" if more > 0 else "")
