"""`zoo reference`: statistics of real images in files, for other machines and other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import completion, panels, places
from .arguments import Device, Force, NoProgress
from .evaluate import PROTOCOLS, InceptionWeights, StatisticsCache
from .pages import Group
from .printing import say

LAYOUTS = ("zoo", "edm2", "edm", "dgm-eval")

app = typer.Typer(cls=Group, no_args_is_help=True, help="Write the statistics of real images to files.")


@app.callback()
def _several() -> None:
    pass  # so that `make` is named


@app.command("make")
def make(
    data: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.data_set,
            help='A data set, a folder, an archive or an .npz; with a split, such as "cifar10:test".',
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            callback=places.writable,
            help="The file: .safetensors (zoo), .pkl (edm2) or .npz (edm, dgm-eval).",
            rich_help_panel=panels.OUTPUT,
        ),
    ],
    extractor: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.offering("inception", "efficientnet-lite0", "dinov2-vit-l-14"),
            help="As for `zoo evaluate`; edm2's file also holds inception,dinov2-vit-l-14.",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            **completion.among([name for name in PROTOCOLS if name != "published"]),
            help="Which images, and how they are resized.",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = "clean",
    split: Annotated[
        str | None, typer.Option(help="Split; default: the protocol's.", rich_help_panel=panels.DATA)
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Side in pixels; default: the usual one, or that of the pictures.",
            rich_help_panel=panels.DATA,
        ),
    ] = None,
    num_real: Annotated[
        int | None, typer.Option(min=2, help="Number of images; default: all.", rich_help_panel=panels.DATA)
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            **completion.among(LAYOUTS),
            help=f"{', '.join(LAYOUTS)}; default: by the suffix.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    features: Annotated[
        bool,
        typer.Option("--features", help="Keep the features, which other metrics need.", rich_help_panel=panels.OUTPUT),
    ] = False,
    inception_weights: InceptionWeights = None,
    device: Device = "auto",
    cache_dir: StatisticsCache = None,
    force: Force = False,
    quiet: NoProgress = False,
) -> None:
    """Write the statistics of real images to a file, for `zoo evaluate --reference`.

    zoo reference make cifar10 -o cifar10.safetensors --extractor efficientnet-lite0
    """
    from ..common import ranks
    from ..evaluation import make_reference

    try:
        found = make_reference(
            data,
            out,
            extractor=extractor,
            protocol=protocol,
            split=split,
            resolution=resolution,
            num_real=num_real,
            layout=layout,
            features=features,
            force=force,
            inception_weights=inception_weights,
            device=device,
            cache_dir=cache_dir,
            progress=not quiet,
        )
    finally:
        ranks.stop()
    for reference in found[:1]:
        about = reference.about
        say(f"{out}: {about['dataset']} {about['split']}, {about['count']:,} images of {about['resolution']} pixels")
