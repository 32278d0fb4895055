"""The options, folders and errors that the commands of all studies share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.cli import places, usage
from zoo.common import failures
from zoo.common.errors import UsageError, ZooError
from zoo.common.json_files import read_json, reason
from zoo.sampling.outputs import refuse_overwriting

Data = Annotated[
    Path | None, typer.Option(help="A folder of images, an .npz file, or the folder of the publisher's files.")
]
Out = Annotated[
    Path,
    typer.Option(
        "-o", "--out", callback=places.folder, help="Folder of the report; its folder work/ holds the material."
    ),
]
Paper = Annotated[bool, typer.Option("--paper", help="Use the paper's settings, for an accelerator.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of weights, batches and latents.")]
Seeds = Annotated[str, typer.Option(help="Seeds of weights, batches and latents, separated by commas.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda.")]
Precision = Annotated[str | None, typer.Option(help="float32, tf32 or bfloat16 (autocast).")]
Steps = Annotated[int | None, typer.Option(min=1, help="Number of updates; default: the study's.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue a study that was stopped.")]


def check_picture(out: Path, force: bool) -> None:
    """Raise ZooError for a picture that is no .png file, or that would replace another without `force`."""
    if out.suffix.lower() != ".png":
        raise UsageError(f"{out} is not a .png file; the picture is drawn into one")
    refuse_overwriting([out], force)


def numbers(text: str) -> list[int]:
    """Return [0, 1, 2] for "0,1,2"; raises UsageError for anything but distinct whole numbers from 0."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words) or len(set(words)) < len(words):
        raise UsageError(f'"{text}" is not a list of seeds; give distinct whole numbers, such as 0,1,2')
    return [int(word) for word in words]


def changes(small: Mapping[str, Any], large: Mapping[str, Any], paper: bool, **given: Any) -> dict[str, Any]:
    """Return the changes to a model's config: the chosen size, and the `training` fields of the command line."""
    return dict(large if paper else small) | {f"training.{k}": v for k, v in given.items() if v is not None}


def refuse_finished(out: Path) -> None:
    """Raise ZooError if `out` holds a finished study."""
    results = out / "results.json"
    if results.exists() and not _unfinished(results):
        raise ZooError(f"{out} holds a finished study; give another folder (--out)")


def shortened(steps: int, usual: int, what: str = "steps") -> str | None:
    """Say that a study has fewer steps than its size has; None where it has all of them."""
    return f"in {steps:,} of {usual:,} {what}" if steps < usual else None


def begin(out: Path, resume: bool) -> Path:
    """Return the folder `work` of a study that begins or continues.

    Raises:
        ZooError: the study in `out` is finished; or it was begun and `resume` is not given; or the other way round.
    """
    refuse_finished(out)
    work = out / "work"
    if work.exists() and not resume:
        raise ZooError(f"{out} holds an unfinished study; continue with --resume, or give another folder (--out)")
    if resume and not work.exists():
        raise ZooError(f"{out} holds no study to continue; start without --resume")
    work.mkdir(parents=True, exist_ok=True)
    return work


def _unfinished(results: Path) -> bool:
    try:
        found = read_json(results)
    except (OSError, ValueError) as error:
        raise ZooError(f"{results} cannot be read ({reason(error)}); give another folder (--out)") from None
    return isinstance(found, dict) and bool(found.get("unfinished"))


def main(study: Callable) -> None:
    """Run a study as a command, with one-line errors."""
    app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
    app.command()(study)
    failures.run(lambda: usage.run(app), "studies")
