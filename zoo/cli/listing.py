"""`zoo list`: list the models of the registry, those that load now first."""

from __future__ import annotations

import csv
import json
import math
import sys
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.errors import ZooError
from ..common.text import plain, short
from . import completion, printing
from .arguments import AsJson

if TYPE_CHECKING:
    from ..schema.config import ModelConfig


class Available(str, Enum):
    OFFLINE = "offline"
    DOWNLOAD = "download"
    TRAINED = "trained"


class Key(str, Enum):
    NAME = "name"
    SCORE = "score"
    SIZE = "size"
    RESOLUTION = "resolution"


_FIELDS = {
    Key.SCORE: ("published FID", "method FID"),
    Key.SIZE: ("bytes",),
    Key.RESOLUTION: ("resolution",),
    Key.NAME: (),
}
# What a narrow terminal keeps longest comes first; the order on the screen is that of `_cells`.
_IMPORTANCE = ("name", "loads", "size", "side", "classes", "FID", "from", "data set", "tags")
_RIGHT = ("size", "side", "classes", "FID")


def list_command(
    pattern: Annotated[str, typer.Argument(help='Glob over names, such as "*/cifar10" or "contragan*".')] = "*",
    conditional: Annotated[
        bool | None, typer.Option("--conditional/--unconditional", help="List only models with (or without) classes.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(autocompletion=completion.data_set, help="List only models of this data set, such as cifar10."),
    ] = None,
    available: Annotated[
        Available | None,
        typer.Option(help="offline: the weights are on this machine. download: they are fetched first. trained: both."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="List also models that must be trained first.")] = False,
    sort: Annotated[
        Key, typer.Option(help="Order within what loads now, what downloads and what must be trained.")
    ] = Key.NAME,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> None:
    """List models: those that load now, those that download, and with --all those to be trained.

    zoo list

    zoo list "*/cifar10" --conditional --sort score

    A narrow terminal shows fewer columns; a pipe gets all. Sizes are those of the files.

    FID is the one published with the default weights; (FID) that of the method, where its own weights are not there.
    """
    from ..checkpoints.availability import Status, list_models
    from ..schema import registry

    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv, not both", param_hint="--csv")
    found = list_models(pattern, conditional=conditional, dataset=dataset, available=available and available.value)
    if not found:
        _check_data_set(dataset)
        if not registry.fitting(pattern):
            raise ZooError(registry.nothing_fits(pattern))
        raise ZooError(f"no model fits {short(pattern)} and these options; `zoo list --all` shows all models")
    rows = [_row(registry.config(name)) for name in found]
    shown = [row for row in rows if everything or row["loads"] != Status.TRAIN.value] or rows
    shown.sort(key=lambda row: _place(row, sort))
    hidden = len(rows) - len(shown)
    note = f"{hidden} more must be trained first; `zoo list --all` shows them" if hidden else ""
    if as_json or as_csv:
        _print_rows(shown, as_json)
        if note:
            printing.say(f"zoo: {note}", to_stderr=True)
    else:
        _print_table(shown, note)


def _check_data_set(name: str | None) -> None:
    from ..schema import registry

    known = sorted({registry.config(model).data.dataset for model in registry.names()})
    if name is not None and name not in known:
        listed = ", ".join(map(repr, known))
        raise typer.BadParameter(f"{name!r} is not one of {listed}.", param_hint="--dataset")


def _row(config: ModelConfig) -> dict[str, Any]:
    from ..checkpoints import weights
    from ..checkpoints.availability import availability

    status, source, size = availability(config)
    return {
        "name": config.name,
        "loads": status.value,
        "from": source,
        "bytes": size,
        "resolution": config.generator.resolution,
        "classes": config.num_classes,
        "data set": config.data.dataset,
        "published FID": _published_fid(config, config.default_tag) if config.weights else None,
        "method FID": _published_fid(config, None),
        "default": config.default_tag,
        "weights": {entry.tag: entry.place for entry in config.weights},
        "here": [entry.tag for entry in config.weights if weights.is_local(config, entry)],
        "deviations": {entry.tag: entry.deviations for entry in config.weights if entry.deviations},
    }


def _published_fid(config: ModelConfig, tag: str | None) -> float | None:
    """Return the first FID published with the weights of a tag, or with None for the method, under its own settings."""
    fids = (score for score in config.published if score.metric == "FID" and not score.settings)
    return next((score.value for score in fids if score.tag == tag), None)


def _place(row: dict, key: Key) -> tuple:
    """Return what a row is sorted by: what loads now first, what is unknown last."""
    from ..checkpoints.availability import Status, rank

    values = (row[field] for field in _FIELDS[key])
    return rank(Status(row["loads"])), *(math.inf if value is None else value for value in values), row["name"]


def _print_rows(rows: list[dict], as_json: bool) -> None:
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    flat = [row | {key: " ".join(row[key]) for key in ("weights", "here", "deviations")} for row in rows]
    writer = csv.DictWriter(sys.stdout, flat[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)


# ------------------------------------------------------------------------------------------------------------ the table


def _cells(row: dict) -> dict[str, str]:
    from ..common.files import as_size

    side = row["resolution"]
    tags = sorted(row["weights"], key=lambda tag: tag != row["default"])
    marked = [tag + ("*" if tag in row["deviations"] else "") + _elsewhere(tag, row) for tag in tags]
    return {
        "name": row["name"],
        "loads": row["loads"],
        "size": as_size(row["bytes"]) if row["bytes"] else "",
        "side": f"{side}x{side}",
        "classes": str(row["classes"] or ""),
        "FID": _fid(row),
        "from": row["from"] or "",
        "data set": row["data set"],
        "tags": ", ".join(marked),
    }


def _fid(row: dict) -> str:
    """Return the FID of the default weights, in brackets that of the method: nobody measured it on these weights."""
    own, of_method = row["published FID"], row["method FID"]
    return f"{own:g}" if own is not None else f"({of_method:g})" if of_method is not None else ""


def _elsewhere(tag: str, row: dict) -> str:
    """Mark weights that load now although the default ones do not."""
    return " (now)" if tag in row["here"] and row["default"] not in row["here"] else ""


def _print_table(rows: list[dict], note: str) -> None:
    from ..common.tables import columns

    cells = [_cells(row) for row in rows]
    table = columns(*cells[0], right=_RIGHT, first=_IMPORTANCE, whole=True)
    for row in cells:
        table.add_row(*map(plain, row.values()))
    printing.show(table)
    kept = table.widths(printing.width() or printing.UNFOLDED)
    shown = [column for i, column in enumerate(cells[0]) if i in kept]
    remarks = []
    if "FID" in shown and any(row["FID"].startswith("(") for row in cells):
        remarks.append("(FID): published for the method; weights with this score were not released")
    if "tags" in shown and any(row["deviations"] for row in rows):
        remarks.append("* training differs from the recipe; `zoo info NAME` says how")
    if printing.width():
        remarks.append(f"{len(rows)} models; `zoo info NAME` describes one, `zoo sample NAME` makes images")
    printing.show(*(plain(remark, style="dim") for remark in (*remarks, *filter(None, [note]))))
