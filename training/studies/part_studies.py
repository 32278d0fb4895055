"""Repeat a part of a paper that studies measure: each in a process of its own, then a table of what came of it."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import typer

from zoo.common.errors import UsageError, ZooError
from zoo.common.json_files import read_json, reason
from zoo.common.text import table

from ..run.stopping import RunStoppedError, stop_signals
from . import paper_results, papers_page
from .paper import Part

_POLL = 0.1  # seconds between two looks at a process


@dataclass(frozen=True)
class PlannedStudy:
    """A command of training.studies, without the interpreter, and the folder of its results."""

    arguments: list[str]
    out: Path

    def __str__(self) -> str:
        return shlex.join(["python", *self.arguments])


def plans_of(part: Part, size: str, folder: Path, data: Path | None, device: str) -> list[PlannedStudy]:
    """Return the studies of a part that are run at a size: paper, small or smallest.

    Raises:
        UsageError: there is none.
    """
    plans = []
    for study in part.studies:
        told: dict[str, str] | None = getattr(study, size)
        if told is None:
            continue
        out = folder / size / study.folder
        arguments = ["-m", f"training.studies.{study.study}", *(["--paper"] if size == "paper" else [])]
        arguments += [word for name, value in told.items() for word in (f"--{name}", value)]
        arguments += ["--data", str(data)] if data and study.data else []
        arguments += ["--device", device] if device != "auto" else []
        plans.append(PlannedStudy([*arguments, "--out", str(out)], out))
    if not plans:
        raise UsageError(f"{part.id} is not run at this size; give --small")
    return plans


def run(plan: PlannedStudy) -> None:
    """Run a study, or go on with it. What it prints is shown; stopped, it saves.

    Raises:
        RunStoppedError: a signal stopped it.
        typer.Exit: it failed, and has said why.
    """
    results = plan.out / "results.json"
    if results.exists():
        try:
            made = read_json(results).get("machine", {})
        except (OSError, ValueError, AttributeError) as error:
            why = reason(error) if isinstance(error, (OSError, ValueError)) else "no object"
            raise ZooError(f"{results} cannot be read ({why}); remove {plan.out} to run it again") from None
        print(f"{plan.out}: finished on {made.get('date')} by `{made.get('command')}`; remove it to run it again")
        return
    print(f"{plan.out}: {plan}", flush=True)
    going_on = ["--resume"] if (plan.out / "work").exists() else []
    # In its own session: Ctrl-C reaches this process alone, which then asks the study to save.
    process = subprocess.Popen([sys.executable, *plan.arguments, *going_on], start_new_session=True)
    with stop_signals() as stopped:
        while process.poll() is None and not stopped():
            time.sleep(_POLL)
        if stopped():
            process.terminate()
            process.wait()
            raise RunStoppedError(stopped(), "stopped, saved; the same command continues")
    if process.returncode:
        raise typer.Exit(process.returncode if process.returncode > 0 else 1)


def comparison(part: Part, folder: Path) -> str:
    """Return tables of the numbers and claims of the part, as they were measured in the folder."""
    results = paper_results.Results([folder])
    rows = paper_results.rows_of(part, results)
    claims = [(claim.text, claim.verdict, claim.numbers) for claim in paper_results.claims_of(part, results)]
    told = [papers_page.compared(rows)] if rows else []
    told += [table(("claim", "verdict", "measured"), claims)] if claims else []
    return "\n\n".join(told)
