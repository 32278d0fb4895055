"""Several runs of a sweep at a time, each in its own process on this machine."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from zoo.common import torchrun
from zoo.common.devices import pick_device
from zoo.common.errors import ZooError
from zoo.common.progress import bars

from ..run.run_folder import RunFolder
from ..run.stopping import RunStoppedError, stop_signals
from .sweep import PlannedRun
from .sweep_runs import SweepSetup, scores_of

_MOST_ON_A_CPU = 8  # runs at a time unless told otherwise; one has about a gigabyte
_POLL, _LOOK = 0.1, 2.0  # seconds between checks: whether a process has ended, how far it is


def devices(names: str, jobs: int | None = None) -> list[str]:
    """Parse comma-separated device names, one per concurrent run.

    Args:
        jobs: runs at a time on each device; None for one on an accelerator and one a thread of PyTorch's on a CPU, but
            no more than 8. Small networks make little of a second thread: two runs of the CPU's size side by side, a
            thread each, took 0.7 of the time of one after the other with two threads.
    """
    listed = [name.strip() for name in names.split(",")]
    return [name for name in listed for _ in range(jobs or _fitting(name))]


def _fitting(device: str) -> int:
    return min(torch.get_num_threads(), _MOST_ON_A_CPU) if _is_cpu(device) else 1


def _is_cpu(device: str) -> bool:
    return pick_device(device).type == "cpu"


@dataclass(frozen=True)
class _Running:
    run: PlannedRun
    device: str
    process: subprocess.Popen


def run_side_by_side(setup: SweepSetup, planned: Sequence[PlannedRun], devices: Sequence[str]) -> None:
    """Run each in its own process, one on each device at a time; a device may be listed more than once.

    Those on the CPU share its threads. What a process prints is in work/<run>.log. Stopped by SIGINT or SIGTERM, all
    processes save and end.

    Raises:
        ZooError: some runs failed; all others are finished.
    """
    unfinished = [run for run in planned if scores_of(setup, run) is None]
    waiting, free, running, failed = list(unfinished), list(devices), [], []
    on_cpu = sum(map(_is_cpu, devices[: len(waiting)]))
    threads = max(1, torch.get_num_threads() // max(1, on_cpu))
    with stop_signals() as stopped, _SweepProgress(setup, unfinished) as progress:
        while (waiting or running) and not stopped():
            while waiting and free:
                run, device = waiting.pop(0), free.pop(0)
                running.append(_Running(run, device, _start(setup, run, device, threads)))
            progress.show(one.run for one in running)
            time.sleep(_POLL)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                free.append(one.device)
                if one.process.returncode:
                    failed.append(one.run)
                progress.ended(one.run, "failed" if one.process.returncode else "finished")
        for one in running:
            one.process.terminate()
        for one in running:
            one.process.wait()
        if stopped():
            raise RunStoppedError(stopped(), f"stopped, {len(running)} runs saved; continue with --resume")
    if failed:
        reasons = "; ".join(f"{run.id}: {_last_line(_log(setup, run))}" for run in failed)
        raise ZooError(f"{len(failed)} of {len(unfinished)} runs failed: {reasons}")


def _start(setup: SweepSetup, run: PlannedRun, device: str, threads: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "zoo", "sweep", "run", setup.name, "--out", str(setup.out), "--run", run.id]
    command += ["--device", device, *(["--paper"] if setup.paper else []), *(["--smallest"] if setup.smallest else [])]
    command += ["--data", str(setup.data)] if setup.data else []
    its_own = {name: value for name, value in os.environ.items() if name not in torchrun.VARIABLES}
    if _is_cpu(device):
        its_own["OMP_NUM_THREADS"] = str(threads)
    log = _log(setup, run)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        # In its own session: Ctrl-C reaches the parent alone, which then asks every child to save.
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True, env=its_own)


def _log(setup: SweepSetup, run: PlannedRun) -> Path:
    return setup.out / "work" / f"{run.id}.log"


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


class _SweepProgress:
    """Shows the steps of all runs together as a live bar on a terminal, and a line for every run that ends."""

    def __init__(self, setup: SweepSetup, planned: Sequence[PlannedRun]):
        self.setup, self.ends = setup, 0
        self._of = {run.id: run.config.training.steps for run in planned}
        self._at = {run.id: self._step(run) for run in planned}
        self._began, self._started, self._looked = sum(self._at.values()), time.monotonic(), -math.inf
        self._bar = bars(
            BarColumn(),
            TextColumn("{task.percentage:.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[now]}"),
            shown=sys.stderr.isatty(),
            stays=True,
        )

    def __enter__(self) -> _SweepProgress:
        self._bar.start()
        self._task = self._bar.add_task("", completed=self._began, total=sum(self._of.values()), now="")
        return self

    def __exit__(self, *exception) -> None:
        self._bar.stop()

    def show(self, running: Iterable[PlannedRun]) -> None:
        """Update the bar, at most every two seconds."""
        if time.monotonic() < self._looked + _LOOK:
            return
        self._looked, now = time.monotonic(), []
        for run in running:
            self._at[run.id] = step = self._step(run)
            now.append(f"{run.id} {f'{step / self._of[run.id]:.0%}' if step < self._of[run.id] else 'finishing'}")
        self._bar.update(self._task, completed=sum(self._at.values()), now="  ".join(now))

    def ended(self, run: PlannedRun, how: str) -> None:
        self.ends += 1
        self._at[run.id] = self._of[run.id]
        at, total = sum(self._at.values()), sum(self._of.values())
        left = (time.monotonic() - self._started) * (total - at) / max(1, at - self._began)
        print(f"{self.ends} of {len(self._of)}: {run.id} {how}; {left / 60:.0f} min left", flush=True)

    def _step(self, run: PlannedRun) -> int:
        records = RunFolder(self.setup.folder(run)).records()
        return int(records[-1]["step"]) if records else 0
