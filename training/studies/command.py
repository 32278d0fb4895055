"""Run the papers' ablations and comparisons.

This module is `zoo sweep`: each sweep is one file, and its runs train on this machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli import panels, places
from zoo.cli.pages import Group
from zoo.common import torchrun
from zoo.common.text import plain

HELP_PANEL = "Train"

app = typer.Typer(cls=Group, no_args_is_help=True, help="Run the papers' ablations and comparisons.")


def _complete_sweep(incomplete: str) -> list[str]:
    from . import sweep

    return [name for name in sweep.names() if name.startswith(incomplete)]


Sweep = Annotated[
    str,
    typer.Argument(
        metavar="SWEEP", autocompletion=_complete_sweep, help="Name of a sweep (`zoo sweep list`), or a JSON file."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        callback=places.folder,
        help="Folder of the report; default: studies/SWEEP.",
        rich_help_panel=panels.OUTPUT,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="A folder of images, an .npz file, or the folder of the publisher's files.", rich_help_panel=panels.DATA
    ),
]
Devices = Annotated[
    str,
    typer.Option(
        help="auto, cpu, cuda; or several separated by commas: one run on each.", rich_help_panel=panels.COMPUTE
    ),
]
Paper = Annotated[
    bool, typer.Option("--paper", help="Use the paper's size, for accelerators.", rich_help_panel=panels.RECIPE)
]

Smallest = Annotated[
    bool,
    typer.Option("--smallest", help="Every run in ten steps, to see that it runs.", rich_help_panel=panels.RECIPE),
]


@app.command("list")
def list_command() -> None:
    """List the bundled sweeps, with their runs and data at both sizes.

    zoo sweep list
    """
    from zoo.cli.printing import show
    from zoo.common.tables import columns

    from . import sweep

    table = columns("sweep", "runs", "--paper", "in the paper")
    for name in sweep.names():
        definition = sweep.load(name)
        sizes = (definition.runs(), definition.runs(paper=True))
        runs_on = (f"{len(runs)} on {runs[0].config.data.dataset}" for runs in sizes)
        table.add_row(
            *map(plain, (name, *runs_on, definition.source.partition("), ")[2]))
        )  # the name of the sweep names the paper
    show(table)


@app.command("show")
def show_command(name: Sweep) -> None:
    """Show a sweep: its question, its sizes and its runs.

    zoo sweep show infomax-weights
    """
    from . import sweep, sweep_report

    print(sweep_report.show(sweep.load(name)))


@app.command("run")
def run_command(
    name: Sweep,
    out: Out = None,
    data: Data = None,
    paper: Paper = False,
    smallest: Smallest = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="axis=option: train only the runs with this option; repeatable.", rich_help_panel=panels.RECIPE
        ),
    ] = None,
    device: Devices = "auto",
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Concurrent runs per device; default: 1, on a CPU one per core, at most 8.",
            rich_help_panel=panels.COMPUTE,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue; finished runs are kept.", rich_help_panel=panels.OUTPUT)
    ] = False,
    run: Annotated[
        str | None,
        typer.Option(
            help="Train only the run with this id, without a report; for schedulers.", rich_help_panel=panels.RECIPE
        ),
    ] = None,
) -> None:
    """Train and score all runs of a sweep, then write a table and a plot.

    zoo sweep run infomax-weights --data cifar10.npz --out studies/infomax-weights
    """
    from zoo.datasets.find import refuse_missing

    from . import options, side_by_side, sweep_report, sweep_runs

    setup = _setup(name, out, paper, data, device, smallest)
    if data is not None:
        refuse_missing(data)
    if run is not None:
        print(sweep_runs.run_one(setup, run))
        return
    planned = setup.planned(only or ())
    devices = side_by_side.devices(device, jobs)
    rank, ranks = torchrun.rank(), torchrun.world_size()
    if rank == 0:
        options.begin(setup.out, resume)
    unfinished = sweep_runs.unfinished(setup, planned)
    if ranks > 1:  # started by torchrun: each rank has its own runs
        side_by_side.run_side_by_side(setup, planned[rank::ranks], [sweep_runs.device_of_rank(device)])
    elif len(unfinished) > 1 and len(devices) > 1:
        side_by_side.run_side_by_side(setup, planned, devices)
    else:
        sweep_runs.run_all(setup, planned)
    if any(sweep_runs.scores_of(setup, run) is None for run in planned):
        return  # another rank finishes last and writes the report
    if only:
        runs = "1 run" if len(planned) == 1 else f"{len(planned)} runs"
        print(f"finished: {runs}; `zoo sweep report {name} --out {setup.out}` writes the page of the finished runs")
    else:
        print(sweep_report.make_report(setup).write(setup.out))


@app.command("cost")
def cost_command(
    name: Sweep,
    paper: Paper = False,
    smallest: Smallest = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="axis=option: measure only the runs with this option; repeatable.", rich_help_panel=panels.RECIPE
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Generator steps to time.", rich_help_panel=panels.RECIPE)] = 10,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.", rich_help_panel=panels.COMPUTE)] = "auto",
) -> None:
    """Measure parameters, seconds and memory of a step of each run.

    zoo sweep cost contragan-regularizers --paper
    """
    from . import sweep, sweep_cost

    print(sweep_cost.table(sweep.load(name), paper, device, steps, only or (), smallest).markdown())


@app.command("report")
def report_command(
    name: Sweep,
    out: Out = None,
    paper: Paper = False,
    smallest: Smallest = False,
    device: Annotated[str, typer.Option(help="The device that the page names.")] = "auto",
) -> None:
    """Write the page of the runs that are finished.

    zoo sweep report infomax-weights --out studies/infomax-weights
    """
    from . import sweep_report

    print(sweep_report.make_report(_setup(name, out, paper, None, device, smallest)).write(out or _default(name)))


def _setup(name: str, out: Path | None, paper: bool, data: Path | None, device: str, smallest: bool):
    from . import sweep
    from .sweep_runs import SweepSetup

    sweep.load(name)  # refuse an unknown name before a folder is made
    return SweepSetup(name, out or _default(name), paper, data, device.split(",")[0].strip(), smallest)


def _default(name: str) -> Path:
    return Path("studies") / Path(name).stem
