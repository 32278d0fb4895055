"""`zoo panel`: every metric that runs offline, of one set of weights, beside real test images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import panels, places
from .arguments import Device, Name, NoProgress, ReportAsJson, Weights
from .evaluate import BatchSize, DataOption, StatisticsCache
from .printing import PAGE, say, show


def panel(
    name: Name,
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            callback=places.folder,
            help="Folder of the reports; the same command continues after an interruption.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = Path("panels"),
    into: Annotated[
        Path | None,
        typer.Option(
            help="For maintainers: write the panel of bundled weights into this config.", rich_help_panel=panels.OUTPUT
        ),
    ] = None,
    num_real: Annotated[
        int, typer.Option(min=2, help="At most so many training images.", rich_help_panel=panels.DATA)
    ] = 10_000,
    num_fake: Annotated[
        int,
        typer.Option(
            min=2,
            help="At most so many generated images of each seed, and no more than training images.",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = 10_000,
    seeds: Annotated[
        int, typer.Option(min=1, help="Number of seeds, counted from 0.", rich_help_panel=panels.PROTOCOL)
    ] = 3,
    data: DataOption = None,
    weights: Weights = "default",
    device: Device = "auto",
    batch_size: BatchSize = None,
    cache_dir: StatisticsCache = None,
    hardware: Annotated[
        str | None,
        typer.Option(help="The hardware, in words; default: the device.", rich_help_panel=panels.COMPUTE),
    ] = None,
    as_json: ReportAsJson = False,
    quiet: NoProgress = False,
) -> None:
    """Measure every metric that runs offline, under both offline extractors, beside the data's test images.

    zoo panel contragan/digits --num-fake 1000
    """
    from ..checkpoints import alignments, resolve
    from ..evaluation.panel import into_config, measure
    from ..release.card_panel import as_table

    sha256 = None
    if into is not None:
        sha256 = alignments.sha256_of(resolve.resolve_model(name, weights, None))
        alignments.check_config(into, sha256)
    found = measure(
        name,
        out,
        num_real=num_real,
        num_fake=num_fake,
        seeds=seeds,
        data=data,
        weights=weights,
        device=device,
        batch_size=batch_size,
        cache_dir=cache_dir,
        hardware=hardware,
        progress=not quiet,
    )
    if into is not None:
        into_config(into, found, sha256)
    if as_json:
        print(found.model_dump_json(indent=1, exclude_none=True))
        return
    show(as_table(found), piped=PAGE)
    if into is not None:
        print()
        say(f"{into}: kept in this config")
