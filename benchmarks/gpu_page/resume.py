"""Is a run that was stopped and resumed the run that never stopped, to the bit? Every start is a process of its own."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training.run import checkpoint, trainer
from training.run.stopping import RunStoppedError
from zoo.checkpoints import weights

from .children import Child
from .loops import RECIPES
from .page import Clock, Failure, Figure, Found, Setting

RECIPE = RECIPES[0]
WHOLE, AGAIN, STOPPED = "whole", "again", "stopped"
_SECONDS = 20


@dataclass
class Compared(Figure):
    """Two states after the last step: weights, averages and optimisers of both networks."""

    COLUMNS = ("bfloat16, against an undisturbed run", "steps", "cuDNN", "tensors", "equal to the bit", "apart by")
    what: str
    steps: int
    cudnn: str
    tensors: int
    equal: int
    apart: float  # at most

    def row(self):
        return self.what, str(self.steps), self.cudnn, str(self.tensors), str(self.equal), f"{self.apart:.1e}"


def section(setting: Setting, clock: Clock) -> Iterator[Found]:
    steps = 4 if setting.rehearse else 20
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data.npz")
        random_data(data, setting)
        for cudnn in ("as trained", *(["deterministic"] if setting.on_gpu else [])):
            if left_out := clock.lacks(f"resuming, cuDNN {cudnn}", _SECONDS):
                yield left_out
                continue
            states = runs(Path(folder, cudnn), data, steps, cudnn, setting, clock)
            about = steps, cudnn, states[WHOLE]
            again = compared("another undisturbed run", *about, states[AGAIN])
            resumed = compared(f"stopped after {steps // 2} and resumed", *about, states[STOPPED])
            yield from (again, resumed)
            if again.equal == again.tensors and resumed.equal < resumed.tensors:
                yield Failure("resuming", f"cuDNN {cudnn}: runs repeat to the bit, the resumed one does not")
            if resumed.equal == resumed.tensors:
                break


def runs(folder: Path, data: Path, steps: int, cudnn: str, setting: Setting, clock: Clock) -> dict[str, dict]:
    """The last states of two undisturbed runs and of one that was stopped in the middle."""

    def start(name: str, stop: int | None = None, resume: bool = False) -> Child:
        arguments = str(folder / name), str(data), steps, cudnn, stop, resume
        return Child("resume", "train", str(setting.device), setting.rehearse, *arguments)

    begun = [start(WHOLE), start(AGAIN), start(STOPPED, stop=steps // 2)]
    try:
        for child in begun:
            child.result(clock.left)
        start(STOPPED, resume=True).result(clock.left)
    finally:
        for child in begun:
            child.end()
    last = {name: checkpoint.path_of(folder / name / "checkpoints", steps) for name in (WHOLE, AGAIN, STOPPED)}
    return {name: weights.read(path) for name, path in last.items()}


def train(
    device: str, rehearse: bool, out: str, data: str, steps: int, cudnn: str, stop: int | None, resume: bool
) -> None:
    """For a process of its own: one start of the run, as `zoo train` makes it."""
    config = RECIPE.config(Setting(torch.device(device), rehearse))
    config = config.updated({"training.steps": steps, "training.precision": "bfloat16"})
    if cudnn == "deterministic":
        as_trained = trainer.set_precision

        def set_precision(precision: str) -> None:
            as_trained(precision)
            torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True

        trainer.set_precision = set_precision

    def stopping(run: trainer.Run) -> None:
        if run.step == stop:
            os.kill(os.getpid(), signal.SIGTERM)

    options = trainer.Options(Path(out), Path(data), device=device, resume=resume)
    try:
        trainer.train(config, options, [stopping])
    except RunStoppedError:
        if stop is None:
            raise


def random_data(path: Path, setting: Setting) -> None:
    config, chance = RECIPE.config(setting), np.random.default_rng(0)
    side, split = config.data.resolution, config.data.split
    images = chance.integers(0, 256, (512, side, side, 3), dtype=np.uint8)
    labels = np.arange(len(images)) % max(config.num_classes, 1)
    np.savez(path, **{f"{split}_images": images, f"{split}_labels": labels})


def compared(what: str, steps: int, cudnn: str, a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> Compared:
    """Raises ValueError where the states have other tensors."""
    if a.keys() != b.keys():
        raise ValueError(f"{what}: other tensors, such as {sorted(a.keys() ^ b.keys())[0]}")
    equal = sum(torch.equal(a[name], b[name]) for name in a)
    apart = max((a[name].double() - b[name].double()).abs().max().item() for name in a)
    return Compared(what, steps, cudnn, len(a), equal, apart)
