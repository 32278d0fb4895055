"""Show every table, figure, equation and claim of the two papers, with its command and its verdict.

This module is `zoo papers`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli import panels, places
from zoo.cli.arguments import Force
from zoo.common.text import plain

HELP_PANEL = "Train"


def complete_paper(incomplete: str) -> list[str]:
    from . import paper

    return [name for name in paper.names() if name.startswith(incomplete)]


def papers(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="PAPER",
            autocompletion=complete_paper,
            help="infomax-gan or contragan; or page.",
            show_default="both",
        ),
    ] = None,
    part: Annotated[
        str | None, typer.Argument(help="A part, such as table1.", show_default="all parts, in one line each")
    ] = None,
    cell: Annotated[
        list[str] | None,
        typer.Option(help="A cell, or its first words, such as cifar10; repeatable.", rich_help_panel=panels.RECIPE),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            callback=places.file(".md", ".png"),
            help="With page: the file; default: docs/papers.md. With a figure of samples: draw it into this picture.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="With -o: a model to draw instead of the figure's own, by name or folder; repeatable.",
            rich_help_panel=panels.MODEL,
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Show the papers' tables, figures and claims, with the command of each and what came of it here.

    zoo papers infomax-gan table1 --cell cifar10/ssgan

    zoo papers contragan figure-a6 -o figure-a6.png --model contragan/cifar10-small
    """
    from zoo.common.errors import UsageError
    from zoo.common.files import write_atomically

    from . import paper, papers_page

    if model and not out:
        raise UsageError("--model draws a figure into a picture; give -o")
    if name == "page" and not model:
        path = out or papers_page.PAGE
        if path.suffix.lower() != ".md":
            raise UsageError(f"{path} is not an .md file; the page is one")
        write_atomically(path, papers_page.render().encode())
        print(f"wrote {path}")
    elif out:
        _draw(name or "", part, out, model or [], force)
    elif part is None:
        for known in [paper.load(name).name] if name else paper.names():
            _list(known)
    else:
        _show(name or "", part, cell or [])


def _draw(name: str, part_name: str | None, out: Path, models: list[str], force: bool) -> None:
    from zoo.common.errors import UsageError
    from zoo.common.files import write_atomically
    from zoo.common.pictures import encoded

    from . import options, paper, sample_sheets

    if part_name is None:
        raise UsageError("-o is for page, or for a figure of samples; name the figure, such as contragan figure-a6")
    options.check_picture(out, force)
    found = paper.load(name)
    picture = sample_sheets.draw(found, found.part(part_name), models)
    write_atomically(out, encoded(picture))
    print(f"wrote {out}")


def _list(name: str) -> None:
    from zoo.cli.printing import show

    from . import paper, paper_results, papers_page

    found, results, lines = paper.load(name), paper_results.usual(), []
    for part in found.parts:
        verdicts = papers_page.tally(part, paper_results.rows_of(part, results), paper_results.claims_of(part, results))
        lines.append((part.id, part.title, verdicts))
    show(_table(f"{found.name}: {found.title}", ("part", "what", "verdicts"), lines))


def _show(name: str, part_name: str, cells: list[str]) -> None:
    from zoo.cli.printing import show

    from . import paper, paper_results, papers_page

    found, results = paper.load(name), paper_results.usual()
    part = found.part(part_name)
    rows = paper_results.rows_of(part, results)
    chosen = paper.chosen_cells([row.cell for row in rows], cells)
    show(*map(plain, filter(None, (f"{found.name} {part.id}: {part.title}", part.says))), plain(""))
    print("\n".join(papers_page.commands(found, part, cells)))
    if part.needs:
        show(plain(f"at the paper's size: {part.needs}"))
    head = ("cell", "model", "metric", "published", "elsewhere", "here", "verdict")
    lines = [tuple(vars(row).values()) for row in rows if row.cell in chosen]
    if lines:
        show(_table("", head, lines, first=("cell", "verdict", "published", "here", "metric", "elsewhere")))
    claims = [] if cells else paper_results.claims_of(part, results)
    if claims:
        show(_table("", ("claim", "verdict", "measured"), [tuple(vars(claim).values()) for claim in claims]))
    if part.checked_by:
        show(plain(f"checked by {', '.join(part.checked_by)}"))


def _table(title: str, head, lines, first=()):
    from zoo.common.tables import columns

    table = columns(*head, title=title or None, first=first)
    for line in lines:
        table.add_row(*map(plain, line))
    return table
