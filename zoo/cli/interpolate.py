"""`zoo interpolate`: walk from the image of one seed to that of another."""

from __future__ import annotations

from typing import Annotated

import typer

from . import completion, panels, saving
from .arguments import Device, Dtype, Force, LabelKind, Labels, Name, Weights
from .printing import say


def interpolate(
    name: Name,
    first: Annotated[
        int | None,
        typer.Option(
            "--from", min=0, help="Seed of the first image; default: a new seed.", rich_help_panel=panels.IMAGES
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option("--to", min=0, help="Seed of the last image; default: new.", rich_help_panel=panels.IMAGES),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", "-n", min=2, help="Number of images.", rich_help_panel=panels.IMAGES)
    ] = 60,
    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            "-l",
            autocompletion=completion.label,
            help="Class by index or name; default: that of the first image.",
            rich_help_panel=panels.IMAGES,
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--out",
            metavar="PATH",
            help="A .gif or .mp4 that moves, another image file (a grid), .npz, or a folder; default: NAME-walk.gif.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(help="Images per second of a .gif or .mp4, up to 50; default: 12.", rich_help_panel=panels.OUTPUT),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Enlarge a .gif or .mp4 by this factor; default: the least that makes 128 pixels.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    columns: Annotated[
        int | None,
        typer.Option(min=1, help="Images per row of a grid; default: all in one row.", rich_help_panel=panels.OUTPUT),
    ] = None,
    weights: Weights = "default",
    device: Device = "auto",
    labels: Labels = LabelKind.ALIGNED,
    dtype: Dtype = None,
    force: Force = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show no summary.", rich_help_panel=panels.OUTPUT)
    ] = False,
) -> None:
    """Animate the way from one image to another, along the great circle between their latents.

    zoo interpolate contragan/digits --from 3 --to 4 --label 8 -o walk.mp4
    """
    from ..sampling import latents
    from ..sampling.grid import layout
    from ..sampling.loading import load
    from ..sampling.outputs import check_options, is_animation

    out = out or f"{saving.stem(name)}-walk.gif"
    kind = saving.refuse_early(out, first is not None and last is not None, force)
    options = {"columns": columns, "fps": fps, "scale": scale}
    check_options(True, kind, **options)
    is_grid = kind not in ("", ".npz") and not is_animation(True, kind)
    if is_grid:
        layout(steps, 1, 1, columns or steps, suffix=kind)  # refuses too many before the model is loaded
    a, b = latents.check_seed(first), latents.check_seed(last)
    model = load(name, weights=weights, device=device, dtype=dtype)
    if is_grid:
        layout(steps, model.resolution, model.resolution, columns or steps, suffix=kind)
    images = model.interpolate(a, b, steps, label, labels=labels.value)
    existed = saving.save(images, out, force, **options)
    if not quiet:
        side = f"{model.resolution}x{model.resolution}"
        about = f"{out}: {steps} images of {side} from {model.config.name}, from seed {a} to seed {b}"
        say(about + ("; it existed already" if existed else ""))
