"""Repeat a table, a figure or a cell of the two papers: train, sample, score by its protocol, compare.

This module is `zoo reproduce`, on the sweeps' machinery: runs that are finished are kept, so the same command goes on.
"""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli import panels, places
from zoo.common.errors import UsageError, ZooError

from .command import Data, Devices
from .papers_command import complete_paper

if TYPE_CHECKING:
    from zoo.schema.config import ModelConfig

    from .paper import Part
    from .part_studies import PlannedStudy
    from .sweep import PlannedRun
    from .sweep_runs import SweepSetup

HELP_PANEL = "Train"
_BATCHES = (2, 8)  # images of the steps that are timed


@dataclass(frozen=True)
class PartOfSweep:
    """The runs of one sweep that a part needs."""

    setup: SweepSetup
    runs: list[PlannedRun]


def reproduce(
    name: Annotated[
        str, typer.Argument(metavar="PAPER", autocompletion=complete_paper, help="infomax-gan or contragan.")
    ],
    part: Annotated[str, typer.Argument(help="A part that has runs, such as table1 (`zoo papers PAPER`).")],
    cell: Annotated[
        list[str] | None,
        typer.Option(help="A cell, or its first words, such as cifar10; repeatable.", rich_help_panel=panels.RECIPE),
    ] = None,
    small: Annotated[
        bool, typer.Option("--small", help="At the CPU's size instead of the paper's.", rich_help_panel=panels.RECIPE)
    ] = False,
    smallest: Annotated[
        bool,
        typer.Option("--smallest", help="In ten steps, to see that everything runs.", rich_help_panel=panels.RECIPE),
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(
            help="Time, such as 15m or 2h: the largest size and as many seeds and cells as fit.",
            rich_help_panel=panels.RECIPE,
        ),
    ] = None,
    data: Data = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            callback=places.folder,
            help="Folder; default: reproduced/PAPER/PART/SIZE.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    device: Devices = "auto",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Concurrent runs per device.", rich_help_panel=panels.COMPUTE)
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the command of each run, for a scheduler, and stop.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = False,
) -> None:
    """Repeat a table, a figure or a cell: train, sample, score by the paper's protocol with its seeds, compare.

    zoo reproduce infomax-gan table1 --cell cifar10/ssgan --smallest
    """
    from zoo.datasets.find import refuse_missing

    from . import paper, paper_results, papers_page, part_studies, side_by_side

    if small and smallest:
        raise typer.BadParameter("give one of --small and --smallest", param_hint="--small")
    found = paper.load(name)
    chosen = found.part(part)
    if not (chosen.sweeps or chosen.studies):
        raise UsageError(
            f"{found.name} {chosen.id} has no runs of its own; run: {'; '.join(papers_page.commands(found, chosen))}"
        )
    size = "smallest" if smallest else "small" if small else "paper"
    folder = out or paper_results.REPRODUCED / found.name / chosen.id
    if data is not None and not dry_run:  # a scheduler's machines may have what is not here
        refuse_missing(data)
    if chosen.studies:
        if cell or budget:
            what = "--cell" if cell else "--budget"
            raise UsageError(f"{what} chooses runs of a sweep, and {chosen.id} is measured as a whole; leave it out")
        _studies(chosen, part_studies.plans_of(chosen, size, folder, data, _first(device)), folder, dry_run)
        return
    limit = seconds_of(budget) if budget else None
    if limit is not None:
        print("timing a step of each kind of run", flush=True)
        plans, told = fitting(chosen, cell or [], size, folder, data, device, limit)
        print(told)
    else:
        plans = plans_of(chosen, cell or [], size, folder, data, device)
    for plan in plans:
        print(f"{plan.setup.name}: {counted(plan.runs)} in {plan.setup.out}, {lengths(plan.runs)}", flush=True)
        if dry_run:
            print("\n".join(f"  {command_of(plan.setup, run)}" for run in plan.runs))
        else:
            _run(plan, side_by_side.devices(device, jobs))
    if not dry_run:
        print(comparison(chosen, cell or [], folder))
        print("\n".join(f"page with plots: {plan.setup.out / 'README.md'}" for plan in plans))


def _studies(part: Part, plans: list[PlannedStudy], folder: Path, dry_run: bool) -> None:
    from . import part_studies

    if dry_run:
        print("\n".join(map(str, plans)))
        return
    for plan in plans:
        part_studies.run(plan)
    print(part_studies.comparison(part, folder))
    print("\n".join(f"page with plots: {plan.out / 'README.md'}" for plan in plans))


def _first(device: str) -> str:
    return device.split(",")[0].strip()


def command_of(setup: SweepSetup, run: PlannedRun) -> str:
    """Return the command of one run, for a scheduler; afterwards `zoo reproduce` compares what is there."""
    size = ["--paper"] if setup.paper else ["--smallest"] if setup.smallest else []
    data = ["--data", str(setup.data)] if setup.data else []
    return shlex.join(["zoo", "sweep", "run", setup.name, *size, *data, "--out", str(setup.out), "--run", run.id])


def plans_of(
    part: Part, cells: list[str], size: str, folder: Path, data: Path | None, device: str
) -> list[PartOfSweep]:
    """Return the runs of a part's cells, in the order of the paper.

    Raises:
        ZooError: there is no such cell, or none of them is run at this size.
    """
    from . import paper
    from .sweep_runs import SweepSetup

    known = [cell for of_sweep in part.sweeps for cell in paper.cells_of(of_sweep)]
    chosen, plans = set(paper.chosen_cells(known, cells)), []
    for of_sweep in part.sweeps:
        setup = SweepSetup(
            of_sweep.sweep, folder / size / of_sweep.sweep, size == "paper", data, _first(device), size == "smallest"
        )
        of_cells = paper.cells_of(of_sweep, size == "paper", size == "smallest")
        runs = [run for cell, some in of_cells.items() if cell in chosen for run in some]
        plans += [PartOfSweep(setup, runs)] if runs else []
    if not plans:
        raise UsageError(
            f"{', '.join(sorted(chosen))}: not run at the CPU's size; leave --small out, or give --smallest"
        )
    return plans


def _run(plan: PartOfSweep, devices: list[str]) -> None:
    from ..run.stopping import RunStoppedError
    from . import side_by_side, sweep_report, sweep_runs

    unfinished = sweep_runs.unfinished(plan.setup, plan.runs)
    plan.setup.out.mkdir(parents=True, exist_ok=True)
    try:
        if len(unfinished) > 1 and len(devices) > 1:
            side_by_side.run_side_by_side(plan.setup, plan.runs, devices)
        else:
            sweep_runs.run_all(plan.setup, plan.runs)
    except RunStoppedError as stopped:  # whose advice is that of `zoo train` and `zoo sweep`
        what = str(stopped).partition("; ")[0]
        raise RunStoppedError(stopped.exit_status - 128, f"{what}; the same command continues") from None
    sweep_report.make_report(plan.setup).write(plan.setup.out)


def comparison(part: Part, cells: list[str], folder: Path) -> str:
    """Return a table of the cells, as the paper prints them and as they were measured in the folder."""
    from . import paper, paper_results, papers_page

    results = paper_results.Results([folder])
    rows = paper_results.rows_of(part, results)
    chosen = paper.chosen_cells([row.cell for row in rows], cells)
    return papers_page.compared([row for row in rows if row.cell in chosen])


# ----------------------------------------------------------------------------------------------------------- budget


def seconds_of(text: str) -> float:
    """Return 900.0 for "15m"; raises UsageError for anything but a number with s, m, h or d."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if not match:
        raise UsageError(f'"{text}" is not a time; give a number with s, m, h or d, such as 15m')
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]


def fitting(
    part, cells: list[str], size: str, folder: Path, data, device: str, limit: float
) -> tuple[list[PartOfSweep], str]:
    """Choose the largest size that fits into a time; of the smallest one, as many cells as fit.

    Within a size all seeds are tried first, then the first seed alone.

    Returns:
        The plans, and one line that says what was chosen.

    Raises:
        ZooError: not even one cell fits.
    """
    sizes = ["paper", "small", "smallest"]
    cost = Cost(device)
    for tried in sizes[sizes.index(size) :]:
        try:
            plans = plans_of(part, cells, tried, folder, data, device)
        except ZooError:
            if tried == "small":
                continue
            raise
        for seeds in ("all seeds", "the first seed"):
            some = plans if seeds == "all seeds" else [replace(p, runs=first_seeds(p.runs)) for p in plans]
            total = sum(cost.of(run.config) for plan in some for run in plan.runs)
            if total <= limit:
                return some, f"size {tried}, {seeds}: about {spoken(total)} of training"
    runs = [(plan, run) for plan in some for run in plan.runs]
    kept, used = [], 0.0
    for plan, run in runs:
        used += cost.of(run.config)
        if used > limit:
            break
        kept.append((plan, run))
    if not kept:
        raise ZooError(f"one run of the smallest size takes about {spoken(used)}; give a larger --budget")
    plans = [replace(plan, runs=[run for p, run in kept if p is plan]) for plan in some]
    return [plan for plan in plans if plan.runs], f"size smallest, {len(kept)} of {len(runs)} runs fit"


def first_seeds(runs: list[PlannedRun]) -> list[PlannedRun]:
    return [run for run in runs if run.seed == runs[0].seed]


class Cost:
    """How long runs take on a device, from a timed step of each kind."""

    def __init__(self, device: str):
        from zoo.common.devices import pick_device

        self.device, self._known = pick_device(_first(device)), {}

    def of(self, config: ModelConfig) -> float:
        """Return seconds of training, without scores: steps of two small batches are timed, and the line drawn on."""
        training = config.training
        few = {"training.accumulation": 1, "training.discriminator_steps": 1, "training.batch_size": min(_BATCHES)}
        key = config.updated(few).to_json()
        if key not in self._known:
            self._known[key] = [self._step(config.updated(few | {"training.batch_size": n})) for n in _BATCHES]
        (small, large), (low, high) = _BATCHES, self._known[key]
        of_image = max(0.0, (high - low) / (large - small))
        step = max(low, low + of_image * (training.batch_size - small))
        return step * training.steps * (training.discriminator_steps + 1) / 2 * training.accumulation

    def _step(self, config: ModelConfig) -> float:
        from .cost import Timed

        timed = Timed(config, self.device)
        timed.seconds(1)  # warms up
        started = time.perf_counter()
        timed.seconds(2)
        return (time.perf_counter() - started) / 2


def spoken(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def counted(runs: list[PlannedRun]) -> str:
    return "1 run" if len(runs) == 1 else f"{len(runs)} runs"


def lengths(runs: list[PlannedRun]) -> str:
    steps = sorted({run.config.training.steps for run in runs})
    seeds = sorted({run.seed for run in runs})
    words = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    return f"{' or '.join(f'{n:,}' for n in steps)} steps, {words}"
