"""`zoo align`: which class each label of a conditional model draws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import completion, panels, places
from .arguments import CacheDir, Device, Name, NoProgress, ReplaceReport, ReportAsJson, Weights
from .printing import PAGE, say, show


def align(
    name: Name,
    images_per_class: Annotated[
        int,
        typer.Option(
            "--images-per-class", "-n", help="Generated images per label, at least 20.", rich_help_panel=panels.IMAGES
        ),
    ] = 100,
    classifier: Annotated[
        str,
        typer.Option(
            **completion.among(("auto", "shipped", "imagenet", "data", "discriminator")),
            help="What identifies the classes: auto, shipped (CIFAR-10, digits), imagenet (ImageNet's classes, Tiny "
            "ImageNet), data (trained on --data), or discriminator (the model's own).",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = "auto",
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            autocompletion=completion.data_set,
            help="Real images with labels: an .npz, a folder, or the name of a data set.",
            rich_help_panel=panels.DATA,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the images.", rich_help_panel=panels.IMAGES)] = 0,
    weights: Weights = "default",
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            callback=places.folder,
            help="Folder for alignment.json, alignment.md and confusion.png.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep/--no-keep",
            help="Keep the alignment beside the weights, where `zoo sample` finds it.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = True,
    into: Annotated[
        Path | None,
        typer.Option(
            help="For maintainers: write the alignment of bundled weights into this config.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    device: Device = "auto",
    cache_dir: CacheDir = None,
    force: ReplaceReport = False,
    as_json: ReportAsJson = False,
    quiet: NoProgress = False,
) -> None:
    """Measure which class each label draws, and keep the result for sampling.

    zoo align contragan-snresgan/cifar10

    A classifier judges images of every label, as does the model's discriminator, if there is one.

    The best one-to-one assignment of labels to classes is kept if it beats the original labels by more than chance.

    After that, `zoo sample NAME --label ship` draws ships.
    """
    import zoo

    from ..evaluation.alignment.align import Alignment

    if into is not None:
        from ..checkpoints import alignments, resolve

        alignments.check_config(into, alignments.sha256_of(resolve.resolve_model(name, weights, cache_dir)))
    if out is not None:
        Alignment.refuse_overwriting(out, force)
    found = zoo.align(
        name,
        images_per_class,
        classifier,
        data,
        seed=seed,
        weights=weights,
        device=device,
        keep=keep,
        cache_dir=cache_dir,
        progress=not quiet,
    )
    if into is not None:
        from ..checkpoints.alignments import into_config

        into_config(into, found.to_keep())
    if out is not None:
        found.save(out, force=force)
    if as_json:
        print(found.model_dump_json(indent=1))
        return
    show(found, piped=PAGE)
    bundled = found.weights_sha256 in {entry.sha256 for entry in zoo.info(name).weights if entry.bundled}
    for line in _kept_lines(found, bundled and into is None, out, into):
        say(line)


def _kept_lines(found, bundled: bool, out: Path | None, into: Path | None) -> list[str]:
    lines = [""]
    if bundled:
        lines.append("The alignment that ships with these weights stays in use.")
    if found.kept:
        lines.append(f"{found.kept}: kept with these weights; `zoo sample` and `zoo.load` use it")
    if into is not None:
        lines.append(f"{into}: kept in this config")
    if out is not None:
        lines.append(f"{out}: alignment.json, alignment.md and confusion.png")
    return lines if len(lines) > 1 else []
