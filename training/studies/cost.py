"""`python -m training.studies.cost`: what the InfoMax objective costs (InfoMax-GAN, Figure 5).

Time for 100 generator steps of SNGAN and of InfoMax-GAN, which is SNGAN with the objective, for 1, 2 and 5
discriminator updates per step. The images are random: time does not depend on them.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from zoo import datasets
from zoo.common.devices import pick_device
from zoo.schema import registry
from zoo.schema.config import ModelConfig

from ..data import Batches
from ..engine import Engine
from ..graph import GraphedEngine
from ..networks import Networks
from ..precision import set_precision
from . import options, study_plots
from .study_report import Figure, StudyReport, Table

SOURCE = "InfoMax-GAN (arXiv 2007.04589), Section 4.2 and Figure 5"
WITHOUT, WITH = "SNGAN", "InfoMax-GAN"
_PAPER_SAYS = "less than 0.1 %"
_STEPS = 100  # generator steps of a reported time
_IMAGES = 1024


class Timed:
    """A model whose steps are timed, on random images."""

    def __init__(self, config: ModelConfig, device: torch.device):
        side = config.data.resolution
        images = torch.randint(0, 256, (_IMAGES, 3, side, side), dtype=torch.uint8)
        data = datasets.Dataset(images, torch.zeros(_IMAGES, dtype=torch.int64), 1)
        self.batches, self.device, self.done = Batches(config, data, 0, device), device, 0
        engine = Engine(config, Networks.build(config, device, 0))
        self.engine = GraphedEngine(engine) if device.type == "cuda" else engine

    def seconds(self, steps: int) -> float:
        """Measure seconds per generator step over `steps` further steps, batches included.

        On a CPU this is processor time: other processes on the machine do not count.
        """
        clock = time.perf_counter if self.device.type == "cuda" else time.process_time
        self._wait()
        started = clock()
        for _ in range(steps):
            self.engine.step(*self.batches.of_step(self.done), self.done)
            self.done += 1
        self._wait()
        return (clock() - started) / steps

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def in_turns(models: dict[str, Timed], turns: int, steps: int) -> dict[str, list[float]]:
    """Measure seconds per step of each model, one number per turn; turns spread a machine's load over all models."""
    times: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(turns):
        names = list(models) if turn % 2 == 0 else list(reversed(models))
        for name in names:
            times[name].append(models[name].seconds(steps))
    return times


def overhead(without: list[float], with_: list[float]) -> tuple[float, float]:
    """Return the median and half the interquartile range, over turns, of the added share of time."""
    shares = [b / a - 1 for a, b in zip(without, with_, strict=True)]
    low, middle, high = statistics.quantiles(shares, n=4) if len(shares) > 1 else shares * 3
    return middle, (high - low) / 2


def study(
    out: options.Out = Path("studies/cost"),
    paper: options.Paper = False,
    device: options.Device = "auto",
    precision: Annotated[str, typer.Option(help="float32, tf32 or bfloat16 (autocast).")] = "bfloat16",
    turns: Annotated[int | None, typer.Option(min=1, help="Turns of each model.")] = None,
    n_dis: Annotated[str, typer.Option(help="Discriminator updates a step, with commas.")] = "1,2,5",
) -> None:
    """What does the InfoMax objective cost? InfoMax-GAN, Figure 5.

    python -m training.studies.cost --out studies/cost        # CIFAR-10; --paper: STL-10 too, and more steps
    """
    where = pick_device(device)
    names = ["cifar10", "stl10"] if paper else ["cifar10"]
    usual = 10 if paper else 5
    turns = turns or usual
    steps = 10 if paper or where.type == "cuda" else 1
    counts = options.numbers(n_dis)
    options.refuse_finished(out)
    set_precision(precision)
    started, measured = time.monotonic(), {}
    for dataset in names:
        for count in counts:
            changes = {"training.discriminator_steps": count, "training.precision": precision}
            models = {
                title: Timed(registry.config(f"{method}/{dataset}").updated(changes), where)
                for title, method in ((WITHOUT, "sngan"), (WITH, "infomax-gan"))
            }
            in_turns(models, 1, 5 if where.type == "cuda" else 1)  # warm up; on GPUs, capture
            measured[dataset, count] = times = in_turns(models, turns, steps)
            share, _ = overhead(times[WITHOUT], times[WITH])
            print(f"{dataset}, n_dis {count}: {share:+.2%}", flush=True)
    report = make_report(measured, precision, turns, steps, where, time.monotonic() - started)
    print(replace(report, shortened=options.shortened(turns, usual, "turns")).write(out))


def make_report(measured, precision: str, turns: int, steps: int, device, seconds: float) -> StudyReport:
    """Make the page from seconds per step by (data set, n_dis), model and turn."""
    rows, shares, results = [], {}, {}
    for (dataset, count), times in measured.items():
        per_100 = {name: _STEPS * statistics.median(values) for name, values in times.items()}
        share, spread = shares[dataset, count] = overhead(times[WITHOUT], times[WITH])
        rows.append(
            (
                dataset,
                str(count),
                f"{per_100[WITHOUT]:.2f} s",
                f"{per_100[WITH]:.2f} s",
                f"{100 * share:+.1f} ± {100 * spread:.1f} %",
            )
        )
        results[f"{dataset}, n_dis {count}"] = {"seconds_per_step": times, "overhead": share, "spread": spread}
    low, high = min(s for s, _ in shares.values()), max(s for s, _ in shares.values())
    clear = [share > 0.001 and share > spread for share, spread in shares.values()]
    findings = [
        f"InfoMax adds between {100 * low:+.1f} % and {100 * high:+.1f} % to the time of a step; the paper says "
        f'{_PAPER_SAYS} "of training time per update", for all n_dis. '
        + (
            "Measured here it is **more**."
            if all(clear)
            else "The turns scatter too widely here to tell."
            if any(share < spread for share, spread in shares.values())
            else "That is not contradicted here."
        ),
    ]
    if device.type == "cpu" and precision == "bfloat16":
        findings.append(
            "The networks run in bfloat16 here, which this processor may multiply several times as fast, while the "
            "InfoMax loss and its critics stay in float32: their share of the time is larger than their share of the "
            "arithmetic, which is 2.1 % for n_dis = 5 (`python benchmarks/costs.py`)."
        )
    groups = [f"{dataset}, n_dis {count}" for dataset, count in measured]
    series = {
        name: [_STEPS * statistics.median(times[name]) for times in measured.values()] for name in (WITHOUT, WITH)
    }
    return StudyReport(
        title="What InfoMax costs",
        source=SOURCE,
        question="How much longer does a generator step take with the objective?",
        method=[
            "Full-size networks, batch 64, the engine that trains (folded convolutions, and on GPUs one CUDA graph a "
            f"step). The two models take turns, {turns} of {steps} generator steps each, after a warm-up. The overhead "
            "is the median over turns of the ratio of the two times within a turn; ± is half its interquartile range. "
            + ("Times are of the processor, not of the clock on the wall." if device.type == "cpu" else "")
        ],
        settings={"precision": precision, "turns": turns, "steps a turn": steps, "images": "random"},
        findings=findings,
        results={"measured": results},
        tables=[
            Table(
                f"Time for {_STEPS} generator steps, from the median over turns:",
                ("data set", "n_dis", WITHOUT, WITH, "overhead"),
                rows,
            )
        ],
        figures=[
            Figure(
                "time",
                f"Seconds for {_STEPS} generator steps (Figure 5)",
                study_plots.bars(groups, series, f"seconds for {_STEPS} generator steps"),
            )
        ],
        device=device,
        seconds=seconds,
    )


if __name__ == "__main__":
    options.main(study)
