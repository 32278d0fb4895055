"""From a fresh process to the first image."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

from .children import Child
from .page import Clock, Figure, Found, NotRun, Setting

MODEL = "contragan/digits"  # its weights ship with the package
PROCESSES = 3
_OF_A_PROCESS = 10  # seconds


@dataclass
class FirstImage(Figure):
    """Seconds from the start of a process, medians."""

    COLUMNS = (f"`{MODEL}`, from the start of a process", "seconds", "processes")
    until: str
    seconds: float
    processes: int

    def row(self):
        return self.until, f"{self.seconds:.2f}", str(self.processes)


def section(setting: Setting, clock: Clock) -> Iterator[Found]:
    wanted = 1 if setting.rehearse else PROCESSES
    runs: list[dict[str, float]] = []
    while len(runs) < wanted and clock.left > _OF_A_PROCESS:
        child = Child("first_image", "make", str(setting.device), time.time())
        runs.append(json.loads(child.result(clock.left)))
    if len(runs) < wanted:
        yield NotRun(f"{wanted - len(runs)} of {wanted} processes to a first image", "no time was left")
    for until in runs[0] if runs else ():
        yield FirstImage(until, statistics.median(run[until] for run in runs), len(runs))


def make(device: str, start: float) -> None:
    """For a process of its own; prints the seconds since `start` (time.time() of its parent) of each stage."""
    stages = {}

    def done(stage: str) -> None:
        stages[stage] = time.time() - start

    import torch

    done("import torch")
    torch.zeros(1, device=device).item()
    done("a first number on the device")
    import zoo

    model = zoo.load(MODEL, device=device)
    done("zoo.load")
    model.sample(1, seed=0)
    done("the first image")
    model.sample(1, seed=1)
    done("a second image")
    print(json.dumps(stages))
