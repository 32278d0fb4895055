"""`zoo sample`: a grid, or many images on disk."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from .arguments import Name


class Labels(str, Enum):
    ALIGNED = "aligned"
    TRAINED = "trained"


def sample(
    name: Name,
    n: Annotated[int, typer.Option("-n", "--num", min=1, help="How many images.")] = 64,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label", "-l", help='Class by index or name, several with commas, or "all"; default: drawn from the seed.'
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same images; default: a fresh one.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Image file (a grid), .npz, .tar, or a folder; default NAME.png."),
    ] = None,
    columns: Annotated[int | None, typer.Option(min=1, help="Images a row of the grid.")] = None,
    truncation: Annotated[float | None, typer.Option(help="Redraw latent elements beyond this magnitude.")] = None,
    weights: Annotated[str, typer.Option(help='Tag, .safetensors file, or "random".')] = "default",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    labels: Annotated[
        Labels,
        typer.Option(
            help='"aligned": --label names a class, drawn by the label that `zoo align` found for it. "trained": it is '
            "the label as the generator was trained with it."
        ),
    ] = Labels.ALIGNED,
    dtype: Annotated[str | None, typer.Option(help="float32 (default), bfloat16, float16.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images at a time; does not change them.")] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="The same bits of up to 64 images whatever the number of threads; slower.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no summary.")] = False,
) -> None:
    """Make images: a grid, or any number of them one by one.

    zoo sample contragan/digits -n 100 --label all -o digits.png

    zoo sample contragan/digits -n 50000 -o digits/

    A folder of PNGs, an .npz or a .tar (webdataset) takes constant memory, and the same command goes on after an
    interruption. Several GPUs: torchrun --nproc-per-node=8 -m zoo sample ...
    """
    import zoo

    from ..sampling import bulk
    from ..schema import registry

    folder = registry.folder_of(name)
    out = out or Path(f"{folder.resolve().name if folder else zoo.info(name).slug}.png")
    loading = {"weights": weights, "device": device, "dtype": dtype}
    sampling = {"seed": seed, "truncation": truncation, "batch_size": batch_size, "labels": labels.value}
    say = (lambda line: None) if quiet else print
    if bulk.is_bulk(out):
        _bulk(name, out, n, label, loading, sampling, force, not quiet and sys.stderr.isatty(), say)
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
            not quiet and sys.stderr.isatty(),
            say,
        )


def _grid(name, out, n, label, columns, loading, sampling, force, progress, say) -> None:
    from ..common.pictures import encoded
    from ..sampling.images import output_kind, refuse_overwriting
    from ..sampling.loading import load

    kind = output_kind(out)
    if sampling["seed"] is None:  # other images than those there; say so before the work, not after
        refuse_overwriting([out], force)
    model = load(name, **loading)
    classes, per_class = _spread(label, n, model)
    columns = columns or (per_class if per_class and per_class <= 20 else None)
    images = model.sample(n, classes, **sampling, progress=progress)
    is_there = out.is_file() and out.read_bytes() == encoded(images.grid(columns), kind)
    if not is_there:
        images.save(out, columns=columns, force=force)
    say(_about(out, n, model, images.seed) + ("; it was there already" if is_there else ""))


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
        now = f"; {done.images} made now, {done.rate:,.1f} a second" if done.images else "; all were there already"
        say(_about(out, n, model, done.seed) + (now if ranks.world_size() == 1 else ""))
    ranks.stop()


def _about(out: Path, n: int, model, seed: int | None) -> str:
    return f"{out}: {n} images of {model.resolution}x{model.resolution} from {model.config.name}, seed {seed}"


def _spread(label: list[str] | None, n: int, model) -> tuple[list[int] | int | None, int | None]:
    """Labels for n images, class after class in equal parts, and the images a class where that comes out even."""
    from ..schema.labels import spread

    if not label:
        return None, None
    labels = spread(model.config, [word.strip() for item in label for word in item.split(",") if word.strip()], n)
    classes = len(set(labels))
    if classes == 1:
        return labels[0], None
    return labels, n // classes if n % classes == 0 else None
