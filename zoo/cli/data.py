"""`zoo data`: list data sets, and prepare them ahead of training."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..common.text import plain

app = typer.Typer(no_args_is_help=True, help="List data sets, and prepare them ahead of training.")


@app.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """List data sets, the places of their files, and their prepared versions."""
    from zoo import datasets

    rows = datasets.overview()
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    _print_table(rows)


@app.command("prepare")
def prepare_command(
    name: Annotated[str, typer.Argument(help="Data set, or a model, whose split and resolution become the defaults.")],
    split: Annotated[str | None, typer.Option(help="Split; default: the split that models are trained on.")] = None,
    resolution: Annotated[
        int | None, typer.Option(min=1, help="Side in pixels; default: the usual resolution.")
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            help="An .npz file, a folder of images, or the folder of the publisher's files; default: $ZOO_DATA."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar and no summary.")] = False,
) -> None:
    """Fetch, decode and resize a data set now, and describe it.

    zoo data prepare celeba --resolution 128
    """
    from zoo import datasets

    dataset = datasets.prepare(name, split, resolution, root, progress=not quiet and sys.stderr.isatty())
    if not quiet:
        print(datasets.describe(dataset))


def _print_table(rows: list[dict]) -> None:
    from rich.table import Table

    from zoo import datasets

    from .printing import to_stdout

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "images", "get", "files", "prepared", "size"):
        table.add_column(column, justify="right" if column == "size" else "left", overflow="fold")
    for row in rows:
        images = ", ".join(f"{split} {count:,}" for split, count in row["splits"].items())
        first, *others = row["prepared"] or [None]
        table.add_row(*map(plain, (row["name"], images, row["get"], row["files"] or "", *_prepared(first))))
        for other in others:
            table.add_row("", "", "", "", *map(plain, _prepared(other)))
    console = to_stdout(250)
    console.print(table)
    console.print(plain(f"prepared data sets are in {datasets.default_root() / 'prepared'}", style="dim"))


def _prepared(found: dict | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    size, side = found["bytes"] / 1e6, found["resolution"]
    return f"{found['split']} {side}x{side}, {found['count']:,} of {found['source']}", f"{size:,.0f} MB"
