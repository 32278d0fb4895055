"""`zoo sample`: make a grid, or many images on disk."""

from __future__ import annotations

from typing import Annotated

import typer

from . import completion, panels, printing, saving
from .arguments import Device, Dtype, Force, LabelKind, Labels, Name, Weights


def sample(
    name: Name,
    n: Annotated[int, typer.Option("-n", "--num", min=1, help="Number of images.", rich_help_panel=panels.IMAGES)] = 64,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "-l",
            autocompletion=completion.label,
            help='Class by index or name, several separated by commas, or "all"; default: drawn from the seed.',
            rich_help_panel=panels.IMAGES,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="The same seed gives the same images; default: a new seed.", rich_help_panel=panels.IMAGES
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--out",
            metavar="PATH",  # text, as a Path would lose the slash that makes "a.b/" a folder
            help="Image file (a grid), .mp4, .npz, .tar, or a folder; default: NAME.png.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    columns: Annotated[
        int | None, typer.Option(min=1, help="Images per row of the grid.", rich_help_panel=panels.OUTPUT)
    ] = None,
    truncation: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Redraw latent elements beyond this magnitude, at least 0.05; default: none.",
            rich_help_panel=panels.IMAGES,
        ),
    ] = None,
    weights: Weights = "default",
    device: Device = "auto",
    labels: Labels = LabelKind.ALIGNED,
    dtype: Dtype = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Images per batch; does not change the images.", rich_help_panel=panels.COMPUTE),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Give the same bits for up to 64 images with any number of threads; slower.",
            rich_help_panel=panels.COMPUTE,
        ),
    ] = False,
    force: Force = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Show no progress bar and no summary.", rich_help_panel=panels.OUTPUT),
    ] = False,
) -> None:
    """Make images: a grid, a film, or any number of single images.

    zoo sample contragan/digits -n 100 --label all -o digits.png

    zoo sample contragan/digits -n 50000 -o digits/

    A folder of PNGs, an .npz or a .tar (webdataset) takes constant memory.

    The same command continues after an interruption.

    On several GPUs: torchrun --nproc-per-node=8 -m zoo sample ...
    """
    from ..sampling import bulk, latents

    out = out or f"{saving.stem(name)}.png"
    threshold = latents.check_truncation(truncation)
    loading = {"weights": weights, "device": device, "dtype": dtype}
    sampling = {"seed": seed, "truncation": threshold, "batch_size": batch_size, "labels": labels.value}
    say = (lambda line: None) if quiet else printing.say
    if bulk.is_bulk(out):
        _bulk(name, out, n, label, loading, sampling, force, not quiet, say)
    else:
        _grid(
            name,
            out,
            n,
            label,
            columns,
            loading,
            sampling | {"exact": exact},
            force,
            not quiet,
            say,
        )


def _grid(name, out, n, label, columns, loading, sampling, force, progress, say) -> None:
    from ..sampling.grid import layout
    from ..sampling.loading import load
    from ..sampling.outputs import check_options

    kind = saving.refuse_early(out, sampling["seed"] is not None, force)
    check_options(False, kind, columns)
    is_film = kind == ".mp4"
    if not is_film:
        layout(n, 1, 1, columns, suffix=kind)  # refuses too many before the model is loaded
    model = load(name, **loading)
    classes, per_class = _spread(label, n, model)
    if not is_film:
        columns = columns or (per_class if per_class and per_class <= 20 else None)
        layout(n, model.resolution, model.resolution, columns, suffix=kind)
    images = model.sample(n, classes, **sampling, progress=progress)
    existed = saving.save(images, out, force, columns=columns)
    say(_about(out, n, model, images.seed) + ("; it existed already" if existed else ""))


def _bulk(name, out, n, label, loading, sampling, force, progress, say) -> None:
    from ..common import ranks
    from ..common.devices import rank_device
    from ..sampling import bulk
    from ..sampling.loading import load

    ranks.start()
    model = load(name, **loading | {"device": rank_device(loading["device"])})
    classes, _ = _spread(label, n, model)
    done = bulk.write(model, out, n, classes, **sampling, force=force, progress=progress)
    if ranks.rank() == 0:
        now = f"; {done.images} made now, {done.rate:,.1f} images/s" if done.images else "; all existed already"
        say(_about(out, n, model, done.seed) + (now if ranks.world_size() == 1 else ""))
    ranks.stop()


def _about(out: str, n: int, model, seed: int | None) -> str:
    return f"{out}: {n} images of {model.resolution}x{model.resolution} from {model.config.name}, seed {seed}"


def _spread(label: list[str] | None, n: int, model) -> tuple[list[int] | int | None, int | None]:
    """Return labels for n images, class after class in equal parts, and the images per class where n divides evenly."""
    from ..schema.labels import index, is_single, spread

    if not label:
        return None, None
    words = [word.strip() for item in label for word in item.split(",") if word.strip()]
    if len(words) == 1 and is_single(words[0]):
        return index(model.config, words[0]), None
    labels = spread(model.config, words, n)
    classes = len(set(labels))
    if classes == 1:
        return labels[0], None
    return labels, n // classes if n % classes == 0 else None
