"""`zoo list`: list the models of the registry."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..common.errors import ZooError
from ..common.text import plain

if TYPE_CHECKING:
    from ..schema.config import ModelConfig


def list_command(
    pattern: Annotated[str, typer.Argument(help='Glob over names, such as "*/cifar10" or "contragan*".')] = "*",
    conditional: Annotated[
        bool | None, typer.Option("--conditional/--unconditional", help="List only models with (or without) classes.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="List only models of this data set, such as cifar10.")] = None,
    available: Annotated[
        str | None, typer.Option(help='"offline": the default weights are available offline; "trained": weights exist.')
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """List the models of the registry."""
    from ..checkpoints.availability import list_models
    from ..schema import registry

    found = list_models(pattern, conditional=conditional, dataset=dataset, available=available)
    if not found:
        raise ZooError(f"no model fits {pattern!r} and these options; `zoo list` shows all models")
    rows = [_row(registry.config(name)) for name in found]
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    _print_table(rows)


def _row(config: ModelConfig) -> dict:
    from ..checkpoints import weights

    return {
        "name": config.name,
        "data set": config.data.dataset,
        "size": config.generator.resolution,
        "classes": config.num_classes,
        "default": config.default_tag,
        "weights": {entry.tag: entry.place for entry in config.weights},
        "here": [entry.tag for entry in config.weights if weights.is_local(config, entry)],
        "published FID": _published_fid(config),
        "deviations": {entry.tag: entry.deviations for entry in config.weights if entry.deviations},
    }


def _cells(row: dict) -> dict:
    """Format a row for the table: tags, the default first, and their places."""
    tags = sorted(row["weights"], key=lambda tag: tag != row["default"])
    marked = [f"{tag}*" if tag in row["deviations"] else tag for tag in tags]
    fetched = set(row["here"]) - {tag for tag in tags if row["weights"][tag] == "bundled"}
    places = [row["weights"][tag] + (" (offline)" if tag in fetched else "") for tag in tags]
    return {
        "name": row["name"],
        "data set": row["data set"],
        "size": f"{row['size']}x{row['size']}",
        "classes": row["classes"] or "",
        "tags": ", ".join(marked),
        "where": ", ".join(dict.fromkeys(places)) or "none",
        "published FID": row["published FID"],
    }


def _published_fid(config: ModelConfig) -> float | None:
    """Return the FID published with the default weights, else the first FID of the paper under its own settings."""
    fids = [score for score in config.published if score.metric == "FID" and not score.settings]
    with_tag = [score for score in fids if score.tag == config.default_tag]
    return next((score.value for score in with_tag or fids), None)


def _print_table(rows: list[dict]) -> None:
    from rich.table import Table

    from .printing import to_stdout

    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = [_cells(row) for row in rows]
    for column in shown[0]:
        table.add_column(column, justify="right" if column in ("size", "classes", "published FID") else "left")
    for cells in shown:
        table.add_row(*(plain("" if cell is None else str(cell)) for cell in cells.values()))
    console = to_stdout(200)
    console.print(table)
    if any(row["deviations"] for row in rows):
        console.print("* training differs from the recipe; `zoo info NAME` says how", style="dim")
    if sys.stdout.isatty():
        console.print(f"{len(rows)} models; `zoo info NAME` describes one, `zoo sample NAME` makes images", style="dim")
