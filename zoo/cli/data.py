"""`zoo data`: list data sets, look at pictures of one's own, and prepare both ahead of training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common.text import plain
from . import completion, places
from .pages import Group
from .preparing import Background, Crop, Resize, own_preparation

if TYPE_CHECKING:
    from ..datasets import Dataset

app = typer.Typer(cls=Group, no_args_is_help=True, help="List data sets, and prepare them ahead of training.")

_PICTURE = places.file(".png", ".jpg", ".jpeg", ".webp")  # zoo.datasets.contact_sheet's

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar and no summary.")]
Split = Annotated[str | None, typer.Option(help="Split; default: the split that models are trained on.")]
Resolution = Annotated[int | None, typer.Option(min=1, help="Side in pixels; default: the usual resolution.")]


@app.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """List data sets, the places of their files, and their prepared versions.

    zoo data list
    """
    from zoo import datasets

    rows = datasets.overview()
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    _print_table(rows)


@app.command("prepare")
def prepare_command(
    name: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.data_set_or_model,
            help="Data set, or a model, whose split and resolution become the defaults.",
        ),
    ],
    split: Split = None,
    resolution: Resolution = None,
    root: Annotated[
        Path | None,
        typer.Option(
            help="A folder of images, an archive of one, an .npz file, or the folder of the publisher's files; "
            "default: $ZOO_DATA."
        ),
    ] = None,
    crop: Crop = None,
    resize: Resize = None,
    background: Background = None,
    preview: Annotated[
        Path | None, typer.Option(callback=_PICTURE, help="Write a contact sheet, such as sheet.png.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Fetch, decode and resize a data set now, and describe it.

    zoo data prepare celeba --resolution 128
    """
    from zoo import datasets

    how = own_preparation(crop, resize, background)
    found = datasets.prepare(name, split, resolution, root, not quiet, how)
    _show(found, preview, quiet)


@app.command("preview")
def preview_command(
    source: Annotated[Path, typer.Argument(help="A folder of images, an archive of one, or an .npz file.")],
    out: Annotated[Path, typer.Option("-o", "--out", callback=_PICTURE, help="The contact sheet, such as sheet.png.")],
    split: Split = None,
    resolution: Annotated[int, typer.Option(min=1, help="Side in pixels.")] = 64,
    crop: Crop = None,
    resize: Resize = None,
    background: Background = None,
    quiet: Quiet = False,
) -> None:
    """Describe pictures of one's own, and show them as a model would see them.

    zoo data preview photographs/ -o sheet.png --resolution 64
    """
    from zoo import datasets

    how = own_preparation(crop, resize, background)
    _show(datasets.load("custom", split or "train", resolution, source, not quiet, how), out, quiet)


def _show(dataset: Dataset, preview: Path | None, quiet: bool) -> None:
    from zoo import datasets

    if not quiet:
        print(datasets.describe(dataset))
    if preview is not None:
        datasets.write_contact_sheet(dataset, preview)


def _print_table(rows: list[dict]) -> None:
    from zoo import datasets

    from ..common.files import as_size
    from ..common.tables import columns
    from .printing import show

    public = columns("name", "images", "get", "files")
    for row in rows:
        if row["splits"]:
            images = ", ".join(f"{split} {count:,}" if count else split for split, count in row["splits"].items())
            public.add_row(*map(plain, (row["name"], images, row["get"], row["files"] or "")))
    prepared = columns("name", "split", "side", "images", "size", "prepared from", right=("images", "size"))
    for row in rows:
        for found in row["prepared"]:
            side, count = f"{found['resolution']}x{found['resolution']}", f"{found['count']:,}"
            cells = (row["name"], found["split"], side, count, as_size(found["bytes"]), found["source"])
            prepared.add_row(*map(plain, cells))
    place = datasets.default_root() / "prepared"
    if any(row["prepared"] for row in rows):
        show(public, plain(""), prepared, plain(f"prepared data sets are in {place}", style="dim"))
    else:
        show(public, plain(f"no data set is prepared in {place} yet", style="dim"))
