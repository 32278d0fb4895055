"""`zoo align`: which class each label of a conditional model draws."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .arguments import Name


def align(
    name: Name,
    images_per_class: Annotated[
        int, typer.Option("--images-per-class", "-n", help="Generated images of each label, at least 20.")
    ] = 100,
    classifier: Annotated[
        str,
        typer.Option(
            help="What identifies the classes: auto, shipped (CIFAR-10, digits), imagenet (ImageNet's classes, Tiny "
            "ImageNet), data (trained on --data), or discriminator (the model's own)."
        ),
    ] = "auto",
    data: Annotated[
        str | None, typer.Option("--data", help="Real images with labels: an .npz, a folder, or the data set's name.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the images.")] = 0,
    weights: Annotated[str, typer.Option(help='Tag, .safetensors file, or "random".')] = "default",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for alignment.json, alignment.md and confusion.png.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Keep it beside the weights, where `zoo sample` finds it.")
    ] = True,
    into: Annotated[
        Path | None, typer.Option(help="For maintainers: write it into this config, for bundled weights.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    cache_dir: Annotated[Path | None, typer.Option("--cache-dir", help="Where converted weights are kept.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier report in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Measure which class each label draws, and keep it for sampling.

    zoo align contragan-snresgan/cifar10

    Images of every label go to a classifier, and to the model's own discriminator where there is one. The best
    one-to-one assignment of labels to classes is kept if it beats the labels as they are by more than chance; from then
    on `zoo sample NAME --label ship` draws ships.
    """
    import zoo

    from ..evaluation.alignment.align import Alignment
    from .printing import to_stdout

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
        progress=not quiet and sys.stderr.isatty(),
    )
    if into is not None:
        from ..checkpoints.alignments import into_config

        into_config(into, found.to_keep())
    if out is not None:
        found.save(out, force=force)
    if as_json:
        print(found.model_dump_json(indent=1))
        return
    to_stdout(120, highlight=False).print(found)
    bundled = found.weights_sha256 in {entry.sha256 for entry in zoo.info(name).weights if entry.bundled}
    for line in _kept_lines(found, bundled and into is None, out, into):
        print(line)


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
