"""A report as a table in the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...common.tables import columns, pairs
from ...common.text import fenced, markdown, plain, table, visible
from .report import number

if TYPE_CHECKING:
    from rich.console import Group

    from ...common.tables import Columns
    from ..metrics.classwise import ClassReport, ClassRow
    from .report import Report

_VERDICT_STYLES = {"reproduced": "green", "better": "green", "not reproduced": "red", "not comparable": "yellow"}


def _results(report: Report) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    head = ("metric", "value", "real / generated", "split", "protocol")
    return head, [(r.metric, r.text, r.counts, r.split or "", r.protocol) for r in report.results]


def _comparisons(report: Report) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    head = ("metric", "published", "measured", "tolerance", "verdict", "real / generated", "source")
    rows = []
    for c in report.comparisons:
        published = number(c.published) + (f" ± {number(c.published_std, c.published)}" if c.published_std else "")
        measured = number(c.measured) + (
            f" ± {number(c.measured_std, c.measured)}" if c.measured_std is not None else ""
        )
        tolerance = number(c.tolerance, c.published)
        verdict = c.verdict + (f": {c.why}" if c.why else "")
        rows.append(
            (c.metric, published, measured, tolerance, verdict, c.counts, c.source + (f" ({c.note})" if c.note else ""))
        )
    return head, rows


def _classes(found: ClassReport) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """As asked; where labels are permuted also as assigned, with the label that draws the class."""
    distance = "Frechet distance" if found.intra_shrunk_frechet_distance is None else "shrunk Frechet distance"
    head = ["class", "real / generated", "kernel distance", distance, "accuracy"]
    rows = [[_class(r), f"{r.num_real:,} / {r.num_fake:,}", *_of_class(r)] for r in found.rows]
    if found.rows_assigned:
        head += ["drawn by label", *(f"{title} as assigned" for title in head[2:])]
        for row, r in zip(rows, found.rows_assigned, strict=True):
            row += [str(r.label), *_of_class(r)]
    return tuple(head), [tuple(row) for row in rows]


def _class(row: ClassRow) -> str:
    return f"{row.index} {row.name}" if row.name != str(row.index) else row.name


def _of_class(row: ClassRow) -> tuple[str, str, str]:
    frechet = row.frechet_distance if row.shrunk_frechet_distance is None else row.shrunk_frechet_distance
    return number(row.kernel_distance), number(frechet), f"{row.accuracy:.1%}"


def _accuracy(c: ClassReport) -> str:
    assigned = "" if c.accuracy_assigned is None else f" as asked, {c.accuracy_assigned:.1%} as assigned"
    source = f"; assigned by {c.assigned_by}" if c.assigned_by else ""
    return (
        f"Class accuracy {c.accuracy:.1%}{assigned}; on held-out real images {c.accuracy_on_real:.1%} "
        f"({c.classifier}){source}"
    )


def _facts(report: Report) -> list[tuple[str, str]]:
    """What one needs to know beside the numbers, in the order in which one asks."""
    subject, extractor = report.subject, report.extractor
    facts = []
    if subject.weights_sha256:
        facts.append(("weights", f"@{subject.tag or 'file'}, sha256 {subject.weights_sha256}"))
    if subject.dtype not in (None, "float32"):
        facts.append(("computed in", f"{subject.dtype}, not exact: images differ from those of float32"))
    for data in report.references:
        facts.append(
            (
                "real images",
                f"{data['dataset']} {data['split']}, {_share(data)} ({data['selection']}), "
                f"{data['resolution']}x{data['resolution']}, checksum {data['checksum'][:16]}, {data['from']}",
            )
        )
    for protocol in report.protocols:
        facts.append(("protocol", f"{protocol.name}: {protocol.title}; seeds {', '.join(map(str, protocol.seeds))}"))
    prepared = "; ".join(extractor.preprocessing)
    facts.append(("extractor", f"{extractor.name}, {extractor.weights}, sha256 {extractor.sha256}; {prepared}"))
    if not extractor.official:
        facts.append(("", "these are not the weights that the name stands for: no score is called FID, KID or IS"))
    if report.convergence:
        c = report.convergence
        facts.append(
            (
                "at infinity",
                f"{number(c.infinity)} (line over 1/N through {len(c.counts)} counts, R2 {c.straightness:.3f})",
            )
        )
    facts.append(("machine", ", ".join(f"{k} {v}" for k, v in report.environment.items() if k not in ("command",))))
    if report.seconds:
        facts.append(("seconds", ", ".join(f"{part} {taken:.1f}" for part, taken in report.seconds.items())))
    return facts


def _share(data: dict) -> str:
    return f"{data['count']:,} of {data['total']:,}" if data["count"] else "their number not stated"


def _remarks(report: Report) -> list[tuple[str, Sequence[str]]]:
    quirks = [f"{p.name}: {quirk}" for p in report.protocols for quirk in p.quirks]
    notes = [f"{r.metric}: {r.note}" for r in report.results if r.note]
    classes = [report.classes.note] if report.classes and report.classes.note else []
    return [
        ("Mind", [*report.warnings, *notes, *classes]),
        ("Differs from the clean protocol", report.differences),
        ("Quirks of the protocol", quirks),
    ]


# ---------------------------------------------------------------------------------------------------- terminal


def as_table(report: Report) -> Group:
    """The tables and facts, for rich's console."""
    from rich.console import Group
    from rich.text import Text

    parts: list = [plain(report.subject.name, style="bold"), _table(*_results(report))]
    if report.comparisons:
        parts += [Text("\nPublished and measured", style="bold"), _table(*_comparisons(report))]
    if report.classes:
        parts += [Text("\nBy class", style="bold"), _table(*_classes(report.classes)), plain(_accuracy(report.classes))]
    parts += [Text(""), pairs(_facts(report))]
    for title, lines in _remarks(report):
        if lines:
            parts.append(Text(f"\n{title}", style="bold"))
            parts += [plain(f"- {line}") for line in lines]
    return Group(*parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Columns:
    table = columns(*head, right=("value", "published", "measured", "tolerance"), head="dim")
    for row in rows:
        table.add_row(*(plain(cell, style=_VERDICT_STYLES.get(cell.partition(":")[0], "")) for cell in row))
    return table


# ---------------------------------------------------------------------------------------------------- Markdown


def as_markdown(report: Report, pictures: Sequence[str] = ()) -> str:
    """The same as Markdown; `pictures` are file names beside it."""
    name = report.subject.name + (f"@{report.subject.tag}" if report.subject.tag else "")
    parts = [f"# {markdown(name)}", markdown_table(*_results(report))]
    if report.comparisons:
        parts += ["## Published and measured", markdown_table(*_comparisons(report))]
    if report.classes:
        parts += ["## By class", markdown_table(*_classes(report.classes)), f"{markdown(_accuracy(report.classes))}."]
    titles = {"samples.png": "Samples", "convergence.png": "Distance against sample count", "classes.png": "By class"}
    parts += [f"![{titles[picture]}]({picture})" for picture in pictures]
    for title, lines in _remarks(report):
        if lines:
            parts += [f"## {title}", "\n".join(f"- {markdown(line)}" for line in lines)]
    parts += ["## To run it again", "\n".join(f"- {key or 'note'}: {markdown(value)}" for key, value in _facts(report))]
    if command := report.environment.get("command"):
        parts.append(fenced(visible(command), "sh"))
    return "\n\n".join(parts) + "\n"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells, which are shown as they are."""
    return table(head, ([markdown(str(cell)) for cell in row] for row in rows))
