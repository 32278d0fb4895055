"""`zoo compare`: one FID by every public tool that is installed."""

from __future__ import annotations

from typing import Annotated

import typer

from . import completion, panels
from .arguments import Device, NoProgress, ReportAsJson, Weights
from .evaluate import BatchSize, DataOption, InceptionWeights, Measurable, Resolution

TOOLS = ("all", "torch-fidelity", "clean-fid", "torchmetrics", "pytorch-fid")  # zoo.evaluation.fid_tools'


def compare(
    source: Measurable,
    tools: Annotated[
        str,
        typer.Option(
            **completion.among(TOOLS, several=True),
            help=f"{TOOLS[0]}, or any of {', '.join(TOOLS[1:-1])} and {TOOLS[-1]}, separated by commas.",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = "all",
    data: DataOption = None,
    split: Annotated[
        str | None,
        typer.Option(help="Split of the real images; default: the model's.", rich_help_panel=panels.DATA),
    ] = None,
    num_real: Annotated[
        int, typer.Option(min=2, help="At most so many real images.", rich_help_panel=panels.DATA)
    ] = 10_000,
    num_fake: Annotated[
        int, typer.Option(min=2, help="At most so many other images.", rich_help_panel=panels.PROTOCOL)
    ] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of a model's images.", rich_help_panel=panels.PROTOCOL)] = 0,
    resolution: Resolution = None,
    weights: Weights = "default",
    inception_weights: InceptionWeights = None,
    device: Device = "auto",
    batch_size: BatchSize = None,
    as_json: ReportAsJson = False,
    quiet: NoProgress = False,
) -> None:
    """Measure one FID by every public tool that is installed, and say what sets their numbers apart.

    zoo compare infomax-gan/digits --num-fake 1000

    The images, their number and the Inception weights are the same for all.
    """
    import zoo

    from .printing import show

    names = [name.strip() for name in tools.split(",") if name.strip()]
    found = zoo.compare(
        source,
        data,
        tools="all" if "all" in names else names,
        split=split,
        num_real=num_real,
        num_fake=num_fake,
        seed=seed,
        weights=weights,
        inception_weights=inception_weights,
        device=device,
        batch_size=batch_size,
        progress=not quiet,
        resolution=resolution,
    )
    if as_json:
        print(found.to_json(), end="")
        return
    show(found)
