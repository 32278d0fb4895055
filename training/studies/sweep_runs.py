"""The runs of a sweep, one by one in this process; side_by_side.py runs several at a time.

`run_one` is a plain function of plain arguments, so any scheduler can call it (README.md, "On a cluster").
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from zoo.common.devices import local_device, pick_device
from zoo.common.errors import UsageError, ZooError
from zoo.common.files import write_atomically
from zoo.common.json_files import read_json, reason
from zoo.schema.config import ModelConfig

from ..run.periodic_evaluation import PeriodicEvaluation
from ..run.run_folder import RunFolder
from ..run.trainer import Hook, Options
from . import digit_classifier, runs, sweep, sweep_scores
from .label_probe import LabelProbe
from .sweep import PlannedRun, Size, Sweep

_LOOKS = 25  # measurements of the labels per run


@dataclass(frozen=True)
class SweepSetup:
    """Where and how to run a sweep; `name` is the name of the sweep or its file."""

    name: str
    out: Path
    paper: bool = False
    data: Path | None = None
    device: str = "auto"
    smallest: bool = False

    def definition(self) -> Sweep:
        return sweep.load(self.name)

    def size(self) -> Size:
        return self.definition().size(self.paper, self.smallest)

    def runs(self) -> list[PlannedRun]:
        return self.definition().runs(self.paper, self.smallest)

    def folder(self, run: PlannedRun) -> Path:
        return self.out / "work" / run.id

    def planned(self, only: Sequence[str] = ()) -> list[PlannedRun]:
        """Return all runs, or those whose options `only` ("axis=option") names.

        Raises:
            UsageError: an axis or option is unknown, or no run matches.
        """
        return with_options(self.definition(), self.runs(), only)


def with_options(definition: Sweep, runs: list[PlannedRun], only: Sequence[str]) -> list[PlannedRun]:
    """Return the runs whose options `only` ("axis=option") names; all for none.

    Raises:
        UsageError: an axis or option is unknown, or no run matches.
    """
    for item in only:
        axis, equals, option = item.partition("=")
        if not equals or option not in definition.axes.get(axis, {}):
            options = "; ".join(f"{axis}={'|'.join(values)}" for axis, values in definition.axes.items())
            raise UsageError(f'--only "{item}" names no option; there are {options}')
        runs = [run for run in runs if run.where[axis] == option]
    if not runs:
        raise UsageError("no run of this size has all these options; see `zoo sweep show`")
    return runs


def run_one(setup: SweepSetup, run_id: str) -> dict[str, float]:
    """Train and score one run, or the rest of it; returns its scores.

    Raises:
        UsageError: the sweep has no such run; and as `trainer.train` and `zoo.evaluate` do.
    """
    definition = sweep.load(setup.name)
    run = next((run for run in setup.runs() if run.id == run_id), None)
    if run is None:
        raise UsageError(f"sweep {definition.name} has no run {run_id}; `zoo sweep show {setup.name}` lists them")
    options, total = _options(setup, run), run.config.training.steps
    hooks: list[Hook] = []
    if definition.label_curves:
        hooks.append(_label_probe(run.config, max(1, total // _LOOKS), setup.device))
    if definition.scores_while_training:
        size, every = setup.size(), max(1, total // definition.scores_while_training)
        hooks.append(PeriodicEvaluation(every, size.extractor, size.num_fake or sweep_scores.USUAL))
    runs.train_to_end(run.config, options, hooks)
    scores = scores_of(setup, run)
    if scores is None:
        scores = sweep_scores.measure(definition, setup.size(), run, options.out, setup.data, setup.device)
        write_atomically(options.out / "scores.json", json.dumps(scores, indent=1).encode())
    return scores


def _options(setup: SweepSetup, run: PlannedRun) -> Options:
    total = run.config.training.steps
    return Options(
        setup.folder(run),
        setup.data,
        run.seed,
        setup.device,
        log_every=max(1, total // 100),
        save_every=max(1, total // 4),
        keep=1,
        classes=run.classes,
        data_name=run.config.data.dataset if setup.data else None,  # studies are of public data
    )


def _label_probe(config: ModelConfig, every: int, device: str) -> LabelProbe:
    """Make the label probe, with the digit classifier if the images are digits."""
    if config.data.dataset != "mnist":
        return LabelProbe(every)
    classifier = digit_classifier.load(pick_device(device))
    return LabelProbe(every, lambda images: digit_classifier.digits_of(images, classifier))


def scores_of(setup: SweepSetup, run: PlannedRun) -> dict[str, float] | None:
    """Return the scores of a finished run; None for an unfinished one.

    Raises:
        ZooError: the file is damaged, or the run is of another recipe.
    """
    path = setup.folder(run) / "scores.json"
    if not path.exists():
        return None
    runs.check_recipe(run.config, RunFolder(setup.folder(run)))
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise ZooError(f"{path} cannot be read ({reason(error)}); remove it, and the run is scored again") from None


def unfinished(setup: SweepSetup, planned: Sequence[PlannedRun]) -> list[PlannedRun]:
    """Return the runs that have no scores yet; raises ZooError if one that has is of other data than are given."""
    left = []
    for run in planned:
        if scores_of(setup, run) is None:
            left.append(run)
        else:
            runs.check_data(_options(setup, run))
    return left


def run_all(setup: SweepSetup, planned: Sequence[PlannedRun]) -> None:
    """Run all one after the other in this process; finished ones cost nothing."""
    for number, run in enumerate(planned, start=1):
        done = scores_of(setup, run) is not None
        print(f"run {number} of {len(planned)}: {run.id}{' (finished)' if done else ''}", flush=True)
        if not done:
            run_one(setup, run.id)


def device_of_rank(device: str) -> str:
    """Return the device of this process under torchrun: its own GPU if GPUs are meant."""
    return str(local_device(torch.device(pick_device(device))))
