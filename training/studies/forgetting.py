"""`python -m training.studies.forgetting`: does InfoMax keep a discriminator from forgetting? (InfoMax-GAN, 3.2)

A discriminator classifies one class of CIFAR-10 against all others. The class changes every 1,000 updates and the ten
classes come round again after 10,000, as in SSGAN's experiment (arXiv 1811.11212), which the paper follows. It is
trained with and without the InfoMax objective (Figure 2).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from torch import Tensor, nn

from zoo import datasets
from zoo.common import philox
from zoo.common.devices import pick_device
from zoo.common.errors import UsageError
from zoo.datasets import Dataset
from zoo.schema import registry
from zoo.schema.config import ModelConfig

from ..data import Real, in_range
from ..objectives import Batch, InfoMax
from ..objectives.term import required
from . import options
from .discriminator_run import DiscriminatorRun, in_eval
from .forgetting_page import TASKS, TEST_IMAGES, WITH, WITHOUT, make_report
from .infomax_form import infomax_of

_TRAIN, _TEST = (1 << 24) + 12, (1 << 24) + 13  # purposes of random words
_PERCENT = (1, 2, 3, 5, 7, *range(10, 101, 10))  # of a task's updates, where it is measured
_CYCLES = 2

SMALL_TASK, PAPER_TASK = 200, 1000  # updates until the class changes
SMALL = {  # a quarter of the width and of R, half of the side
    "generator.resolution": 16,
    "generator.channels": [32] * 3,
    "discriminator.resolution": 16,
    "discriminator.channels": [32] * 4,
    "discriminator.infomax.projection_dim": 256,
    "data.resolution": 16,
    "training.precision": "bfloat16",
    "training.lr_decay": "none",
}
PAPER = {"training.lr_decay": "none"}


def one_versus_all(real: Batch) -> Tensor:
    """Cross entropy of the logit: label 1 is the class of the task, 0 any other."""
    return F.binary_cross_entropy_with_logits(real.out.logits, required(real.labels).float())


class Tasks:
    """Ten one-versus-all tasks in turn.

    Half of every batch is of the task's class and half of the others, drawn with replacement, so that chance is 50 %.

    Args:
        task_steps: updates until the class changes.
    """

    def __init__(self, config: ModelConfig, train: Dataset, test: Dataset, task_steps: int, seed: int, device):
        self.config, self.task_steps, self.seed, self.device = config, task_steps, seed, device
        self.train = train
        self.members, self.others = _split_by_class(train)
        self.test_batches = []
        for label, (members, others) in enumerate(zip(*_split_by_class(test), strict=True)):
            chosen = self._draw(members, others, label, TEST_IMAGES, _TEST)
            self.test_batches.append(self._images(test, chosen))

    def task_of(self, step: int) -> int:
        """Return the class at a step (counted from 0)."""
        return step // self.task_steps % len(self.members)

    def batch(self, step: int) -> Real:
        """Draw images (N, 3, S, S), the first half of the class, and labels (N,) 1 and 0."""
        label, size = self.task_of(step), self.config.training.batch_size
        chosen = self._draw(self.members[label], self.others[label], step, size, _TRAIN)
        return Real(self._images(self.train, chosen), _ones_then_zeros(size, self.device))

    def measure(self, discriminator: nn.Module, step: int) -> dict[str, float]:
        """Measure accuracy on test images of the task that update `step` (counted from 1) belonged to, chance 0.5.

        After the last update of a task, also that on the next task ("at change"), of which nothing has been seen since
        the class changed.
        """
        label = self.task_of(step - 1)
        found = {"accuracy": self._accuracy(discriminator, label), "class": label}
        if step % self.task_steps == 0:
            found["at change"] = self._accuracy(discriminator, self.task_of(step))
        return found

    def _accuracy(self, discriminator: nn.Module, label: int) -> float:
        says = discriminator(self.test_batches[label]).logits > 0
        return (says == _ones_then_zeros(TEST_IMAGES, self.device).bool()).float().mean().item()

    def _draw(self, members: Tensor, others: Tensor, number: int, n: int, purpose: int) -> Tensor:
        words = philox.words(self.seed, number * n, n, purpose)
        half = n // 2
        return torch.cat([members[words[:half] % len(members)], others[words[half:] % len(others)]])

    def _images(self, dataset: Dataset, indices: Tensor) -> Tensor:
        images = in_range(dataset.images[indices].to(self.device), self.config)
        return images.contiguous(memory_format=torch.channels_last)


def _split_by_class(dataset: Dataset) -> tuple[list[Tensor], list[Tensor]]:
    """Return, for every class, the indices of its images and those of all others."""
    of_class = [dataset.labels == label for label in range(dataset.num_classes)]
    return [m.nonzero()[:, 0] for m in of_class], [(~m).nonzero()[:, 0] for m in of_class]


def _ones_then_zeros(n: int, device) -> Tensor:
    return (torch.arange(n, device=device) < n // 2).long()


def study(
    out: options.Out = Path("studies/forgetting"),
    data: options.Data = None,
    paper: options.Paper = False,
    seeds: options.Seeds = "0,1,2",
    device: options.Device = "auto",
    precision: options.Precision = None,
    steps: options.Steps = None,
    beta: Annotated[float, typer.Option(min=0, help="Weight of the InfoMax loss.")] = 0.2,
    resume: options.Resume = False,
) -> None:
    """Does a discriminator forget a class when the next one comes, with and without InfoMax? InfoMax-GAN, Figure 2.

    python -m training.studies.forgetting --data cifar10.npz --out studies/forgetting
    """
    numbers = options.numbers(seeds)
    usual = _CYCLES * TASKS * (PAPER_TASK if paper else SMALL_TASK)
    total = steps or usual
    task_steps, rest = divmod(total, _CYCLES * TASKS)
    if rest:
        raise UsageError(f"--steps {total} are not whole tasks, of which there are 20; give a multiple of 20")
    changes = options.changes(SMALL, PAPER, paper, precision=precision, steps=total)
    config = registry.config("infomax-gan/cifar10").as_paper().updated(changes)
    train, test = (datasets.load_for(config, split, root=data) for split in ("train", "test"))
    work = options.begin(out, resume)
    checksum = f"{train.checksum}{test.checksum} {task_steps} {beta}"
    within = {max(1, task_steps * percent // 100) for percent in _PERCENT}
    measured = {start + k for start in range(0, total, task_steps) for k in within}
    part = infomax_of(config).model_copy(update={"beta": beta})
    plain = {"one_versus_all": one_versus_all}
    terms = {WITHOUT: plain, WITH: plain | {"infomax": InfoMax(part).real_loss}}
    records, where = {}, pick_device(device)
    for seed in numbers:
        tasks = Tasks(config, train, test, task_steps, seed, where)
        for name in terms:
            print(f"{name}, seed {seed}", flush=True)
            folder, probe = work / f"{name.replace(' ', '-')}-{seed}", in_eval(tasks.measure, measured)
            run = DiscriminatorRun(config, folder, terms[name], tasks.batch, probe, checksum, seed, device)
            records[name, seed] = run.train_remaining()
    report = make_report(config, records, task_steps, beta, numbers, where)
    print(replace(report, shortened=options.shortened(total, usual)).write(out))


if __name__ == "__main__":
    options.main(study)
