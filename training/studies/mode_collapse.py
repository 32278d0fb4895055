"""`python -m training.studies.mode_collapse`: the contrastive task for generators that collapse (InfoMax-GAN, 3.3).

A discriminator learns the contrastive task (Eq. 4) on CIFAR-10's training images. Batches of test images then play
three generators: a perfect one (all classes), one that makes a single class, and one that makes a single image. The
less diverse a batch is, the harder it is to tell whose local features belong to a global one (Figure 3).
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from zoo import datasets
from zoo.common import philox
from zoo.common.devices import pick_device
from zoo.common.errors import ZooError
from zoo.datasets import Dataset
from zoo.nets import Discriminator
from zoo.schema import recipe, registry
from zoo.schema.config import ModelConfig

from .. import losses
from ..data import Batches, in_range
from ..objectives import InfoMax
from . import options, study_plots
from .discriminator_run import DiscriminatorRun, described, in_eval
from .infomax_form import infomax_form, infomax_of
from .study_report import Figure, StudyReport, Table

SOURCE = "InfoMax-GAN (arXiv 2007.04589), Section 3.3 and Figure 3"
ALL, ONE_CLASS, ONE_IMAGE = "all classes", "one class", "one image"
_BATCHES, _IMAGES = 8, 4  # batches of each kind per measurement; images that fill a batch each
_TEST = (1 << 24) + 11  # purpose of random words, beside those of zoo.sampling.latents and training.data

SMALL = {  # a quarter of the width and of R
    "generator.channels": [32] * 4,
    "discriminator.channels": [32] * 4,
    "discriminator.infomax.projection_dim": 256,
    "training.precision": "bfloat16",
    "training.lr_decay": "none",
    "training.steps": 4000,
}
PAPER = {"training.lr_decay": "none", "training.steps": 100_000}  # steps: this repository's choice


def contrastive_accuracy(local: Tensor, global_: Tensor) -> tuple[float, float]:
    """Measure how well a batch solves the contrastive task against the vectors of other images.

    Every local vector of an image is a question: does the image's global vector score it above every local vector of
    the other images? The image's other locations are no wrong answers here, as in the released code: among all N * L
    vectors of Eq. 4 an image's one global vector could be right at a single location only.

    Args:
        local: projected local features (N, R, ...).
        global_: projected global features (N, R).

    Returns:
        The share of questions answered rightly, in [0, 1], where a tie is wrong; and the mean probability of the right
        answer among itself and the other images' vectors, in [0, 1].
    """
    scores, own, is_own = losses.critic_scores(local.float(), global_.float())
    others = scores.masked_fill(is_own, -torch.inf).flatten(2)  # (N, 1, N * L)
    right = own > others.amax(dim=2, keepdim=True)
    probability = (own - torch.logaddexp(own, others.logsumexp(dim=2, keepdim=True))).exp()
    return right.float().mean().item(), probability.mean().item()


def collapsed_batches(labels: Tensor, num_classes: int, batch_size: int, seed: int = 0) -> dict[str, list[Tensor]]:
    """Indices (batch_size,) of test images for each simulated generator; "one class" occurs once per class.

    Raises:
        ZooError: a class has fewer images than a batch, so that it would repeat some.
    """
    order = philox.words(seed, 0, len(labels), _TEST).argsort(stable=True)
    kinds = {ALL: list(order[: _BATCHES * batch_size].split(batch_size))}
    for label in range(num_classes):
        of_class = order[labels[order] == label]
        if len(of_class) < batch_size:
            raise ZooError(f"class {label} has {len(of_class)} test images, fewer than a batch of {batch_size}")
        whole = min(_BATCHES, len(of_class) // batch_size) * batch_size
        kinds[f"{ONE_CLASS} {label}"] = list(of_class[:whole].split(batch_size))
    kinds[ONE_IMAGE] = [index.expand(batch_size) for index in order[:_IMAGES]]
    return kinds


class Measurement:
    """Contrastive accuracy of a discriminator on every simulated generator."""

    def __init__(self, config: ModelConfig, test: Dataset, device: torch.device, seed: int):
        self.config, self.images, self.device = config, test.images, device
        size = config.training.batch_size
        self.batches = collapsed_batches(test.labels, test.num_classes, size, seed)

    def __call__(self, discriminator: Discriminator, step: int) -> dict[str, float]:
        found = {}
        for kind, batches in self.batches.items():
            pairs = [self._accuracy_and_probability(discriminator, self.images[indices]) for indices in batches]
            found[kind] = statistics.fmean(accuracy for accuracy, _ in pairs)
            found[f"p {kind}"] = statistics.fmean(probability for _, probability in pairs)
        return found

    def _accuracy_and_probability(self, discriminator: Discriminator, images: Tensor) -> tuple[float, float]:
        images = in_range(images.to(self.device), self.config).contiguous(memory_format=torch.channels_last)
        critics = discriminator.heads.critics
        assert critics is not None
        return contrastive_accuracy(*critics(discriminator(images)))


def study(
    out: options.Out = Path("studies/mode-collapse"),
    data: options.Data = None,
    paper: options.Paper = False,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    precision: options.Precision = None,
    steps: options.Steps = None,
    resume: options.Resume = False,
) -> None:
    """Does a collapsed generator fail the contrastive task? InfoMax-GAN, Figure 3.

    python -m training.studies.mode_collapse --data cifar10.npz --out studies/mode-collapse
    """
    changes = options.changes(SMALL, PAPER, paper, precision=precision, steps=steps)
    config = registry.config("infomax-gan/cifar10").as_paper().updated(changes)
    negatives = infomax_of(config).negatives
    work = options.begin(out, resume)
    train, test = (datasets.load_for(config, split, root=data) for split in ("train", "test"))
    total = config.training.steps
    run = DiscriminatorRun(
        config,
        work / "run",
        {"infomax": InfoMax(recipe.InfoMax(beta=1.0, negatives=negatives)).real_loss},
        (batches := Batches(config, train, seed, pick_device(device))).real,
        in_eval(Measurement(config, test, batches.device, seed), _measured(total)),
        train.checksum + test.checksum,
        seed,
        device,
    )
    records = run.train_remaining()
    usual = options.changes(SMALL, PAPER, paper)["training.steps"]
    report = make_report(config, records, test.class_names, seed, run.device)
    print(replace(report, shortened=options.shortened(total, usual)).write(out))


def _measured(total: int) -> set[int]:
    """Return the steps to measure: 25 evenly spaced ones, and some early ones, where the curves rise."""
    return {max(1, total * k // 25) for k in range(1, 26)} | {max(1, total * k // 250) for k in (1, 3, 5)}


def make_report(config: ModelConfig, records: list[dict], names: tuple[str, ...], seed: int, device) -> StudyReport:
    """Make the page of a finished run from the records of its probes."""
    classes = [f"{ONE_CLASS} {label}" for label in range(len(names))]
    steps = [record["step"] for record in records]
    mean = [statistics.fmean(record[name] for name in classes) for record in records]
    series = {
        "perfect: all classes": [(r["step"], r[ALL]) for r in records],
        "partial collapse: one class (mean and range of the ten)": list(zip(steps, mean, strict=True)),
        "total collapse: one image": [(r["step"], r[ONE_IMAGE]) for r in records],
    }
    lowest, highest = ([pick(r[name] for name in classes) for r in records] for pick in (min, max))
    band = (steps, lowest, highest)
    three = study_plots.curves(
        series, "discriminator updates", "contrastive accuracy", {list(series)[1]: band}, limits=(0, 1)
    )
    by_class = {ALL: series["perfect: all classes"]}
    by_class |= {name: [(r["step"], r[key]) for r in records] for name, key in zip(names, classes, strict=True)}
    last = records[-1]
    worse = [name for name, key in zip(names, classes, strict=True) if last[key] < last[ALL]]
    always = [
        name
        for name, key in zip(names, classes, strict=True)
        if all(record[key] < record[ALL] for record in records[3:])
    ]
    one = statistics.fmean(last[key] for key in classes)
    ordered = last[ALL] > one > last[ONE_IMAGE]
    findings = [
        f"After {steps[-1]:,} updates the perfect generator answers {last[ALL]:.1%} rightly, one class {one:.1%} on "
        f"average, one image {last[ONE_IMAGE]:.2%}. The order is {'that' if ordered else '**not** that'} of Figure 3a.",
        f"{len(worse)} of {len(names)} classes are below all classes at the end"
        + ("" if len(worse) == len(names) else f" (not {', '.join(n for n in names if n not in worse)})")
        + f", {len(always)} at every measurement but the three earliest"
        + ("" if len(always) == len(names) else f" (not {', '.join(n for n in names if n not in always)})")
        + '. The paper says "consistently worse" of all ten (Figure 3b).',
        f'The paper calls the accuracy of one image "near zero"; here it is {last[ONE_IMAGE]:.2%}.',
    ]
    rows = [("all classes", f"{last[ALL]:.3f}", f"{last['p ' + ALL]:.3f}")]
    rows += [(name, f"{last[key]:.3f}", f"{last['p ' + key]:.3f}") for name, key in zip(names, classes, strict=True)]
    rows.append(("one image", f"{last[ONE_IMAGE]:.4f}", f"{last['p ' + ONE_IMAGE]:.4f}"))
    return StudyReport(
        title="Mode collapse and the contrastive task",
        source=SOURCE,
        question="Does a generator that collapses do worse in the contrastive task?",
        method=[
            f"A discriminator learns the contrastive loss alone ({infomax_form(config)}) on CIFAR-10's training "
            "images. Test images then play a perfect generator, one that makes one class "
            "and one that makes one image. Accuracy: the share of local vectors that the image's own global vector "
            "scores above all local vectors of the other images of the batch; a tie is wrong. The paper prints its "
            "results as curves only, so directions are what can be compared."
        ],
        settings={**described(config), "seed": seed},
        findings=findings,
        results={"records": records, "classes": list(names)},
        tables=[Table("At the end:", ("images", "accuracy", "mean probability of the right answer"), rows)],
        figures=[
            Figure("accuracy", "Contrastive accuracy of three simulated generators (Figure 3a)", three),
            Figure(
                "classes",
                "The same for every class (Figure 3b)",
                study_plots.curves(by_class, "discriminator updates", "contrastive accuracy", first=ALL),
            ),
        ],
        device=device,
        seconds=last["seconds"],
    )


if __name__ == "__main__":
    options.main(study)
