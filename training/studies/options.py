"""What all studies' commands have in common: their options, their folder, and how they end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.common.errors import ZooError
from zoo.common.json_files import read_json, reason

Data = Annotated[
    Path | None, typer.Option(help="A folder of images, an .npz file, or where the publisher's files are.")
]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder of the report; work/ in it is what it was made from.")]
Paper = Annotated[bool, typer.Option("--paper", help="The paper's settings, for an accelerator.")]
Seed = Annotated[int, typer.Option(min=0, help="Of weights, batches and latents.")]
Seeds = Annotated[str, typer.Option(help="Seeds of weights, batches and latents, with commas.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda.")]
Precision = Annotated[str | None, typer.Option(help="float32, tf32 or bfloat16 (autocast).")]
Steps = Annotated[int | None, typer.Option(min=1, help="Updates, instead of the study's own number.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where this study was stopped.")]


def numbers(text: str) -> list[int]:
    """[0, 1, 2] of "0,1,2"; raises ZooError for anything but different whole numbers from 0 up."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words) or len(set(words)) < len(words):
        raise ZooError(f'"{text}" is no list of seeds; give different whole numbers with commas, such as 0,1,2')
    return [int(word) for word in words]


def changes(small: Mapping[str, Any], large: Mapping[str, Any], paper: bool, **given: Any) -> dict[str, Any]:
    """What changes in a model's config: the chosen size, and fields of `training` that the command line gives."""
    return dict(large if paper else small) | {f"training.{k}": v for k, v in given.items() if v is not None}


def begin(out: Path, resume: bool) -> Path:
    """The folder `work` for a study that begins or goes on.

    Raises:
        ZooError: the study here is finished; or it was begun, and `resume` is not given; or the other way round.
    """
    work = out / "work"
    results = out / "results.json"
    if results.exists() and not _unfinished(results):
        raise ZooError(f"{out} holds a finished study; give another folder (--out)")
    if work.exists() and not resume:
        raise ZooError(f"{out} holds a study that was begun; go on with --resume, or give another folder (--out)")
    if resume and not work.exists():
        raise ZooError(f"{out} holds no study to go on with; start without --resume")
    work.mkdir(parents=True, exist_ok=True)
    return work


def _unfinished(results: Path) -> bool:
    try:
        found = read_json(results)
    except (OSError, ValueError) as error:
        raise ZooError(f"{results} cannot be read ({reason(error)}); give another folder (--out)") from None
    return isinstance(found, dict) and bool(found.get("unfinished"))


def main(study: Callable) -> None:
    """Run a study as a command; an error is one line."""
    try:
        typer.run(study)
    except ZooError as error:
        print(f"studies: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_status)
