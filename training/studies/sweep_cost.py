"""`zoo sweep cost`: parameters, seconds and memory of a step of each run, beside what the paper prints of them."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import torch

from zoo.common.devices import pick_device

from .cost import Timed
from .paper_results import parameters
from .study_report import Table
from .sweep import PlannedRun, Sweep
from .sweep_runs import with_options

_SECONDS, _MILLIONS = "seconds per iteration", "million parameters"  # as the configs' published scores call them


def table(
    definition: Sweep, paper: bool, device: str, steps: int, only: Sequence[str] = (), smallest: bool = False
) -> Table:
    """Measure one run of each combination on random images; on a CPU, seconds are of the processor.

    Args:
        steps: generator steps that are timed, after two that are not.
        only: combinations with these options ("axis=option").

    Raises:
        UsageError: an option is unknown, or no run has all of them.
    """
    where, runs = pick_device(device), with_options(definition, definition.runs(paper, smallest), only)
    rows = [_row(run, where, steps) for run in {run.label: run for run in runs}.values()]
    head = ("run", "million parameters", "seconds a step", "peak memory", "paper: parameters", "paper: seconds")
    return Table(f"{definition.title}, on {where}:", head, rows)


def _row(run: PlannedRun, device: torch.device, steps: int) -> tuple[str, ...]:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    timed = Timed(run.config, device)
    timed.seconds(2)
    seconds = timed.seconds(steps)
    memory = f"{torch.cuda.max_memory_allocated(device) / 2**30:.2f} GiB" if device.type == "cuda" else "on a GPU alone"
    del timed
    gc.collect()
    printed = {score.metric: f"{score.value:g}" for score in run.config.published}
    millions = f"{parameters(run.config) / 1e6:.2f}"
    return run.label, millions, f"{seconds:.3f}", memory, printed.get(_MILLIONS, ""), printed.get(_SECONDS, "")
