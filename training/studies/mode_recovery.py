"""`python -m training.studies.mode_recovery`: modes of Stacked MNIST with and without InfoMax (InfoMax-GAN, Table 5).

The DCGAN of the unrolled-GAN experiment, whose discriminator has K = 1/4 or 1/2 of the generator's size, learns MNIST
digits stacked as red, green and blue. A classifier says which of the 1000 combinations each generated image is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from torch import Tensor, nn

from zoo.checkpoints import weights
from zoo.common.devices import pick_device
from zoo.common.errors import UsageError, ZooError
from zoo.sampling.gan import GAN
from zoo.schema import recipe, registry
from zoo.schema.architecture import InfoMaxCritics, halved
from zoo.schema.config import ModelConfig

from .. import losses
from ..run.trainer import Options, Run
from . import digit_classifier, modes, options, runs, study_plots
from .infomax_form import infomax_form
from .study_report import Figure, StudyReport, Table, mean_and_spread, published

SOURCE = "InfoMax-GAN (arXiv 2007.04589), Appendix A.4 and Table 5"
MODELS = {  # of the registry, by size of the discriminator and method
    ("1/4", "DCGAN"): "dcgan-quarter/stacked-mnist",
    ("1/4", "DCGAN + IM"): "infomax-gan-dcgan-quarter/stacked-mnist",
    ("1/2", "DCGAN"): "dcgan/stacked-mnist",
    ("1/2", "DCGAN + IM"): "infomax-gan-dcgan/stacked-mnist",
}
METRICS = {"modes": "modes", "KL": "KL to uniform"}
_LEAST_ACCURACY = 0.99  # of the classifier
_SAMPLES_SEED = 1
_FEW = 50  # modes; a run shorter than the recipe's that stays below has not learnt to draw digits

SMALL = {
    "training.steps": 1200,
    "training.batch_size": 64,
    "training.precision": "bfloat16",
    # Many times the recipe's: with 0.001 and 0.002 the generator draws no digits before some thousand steps.
    "training.optimizer.generator_lr": 0.004,
    "training.optimizer.discriminator_lr": 0.004,
}
SMALL_PROJECTION = {"discriminator.infomax.projection_dim": 128}
SMALL_IMAGES, PAPER_IMAGES = 10_000, 25_600  # generated per count; PacGAN's repeat of the experiment has 25,600


@dataclass(frozen=True)
class ModeCount:
    """A hook of the trainer: modes and KL of images of a fixed seed, after the given steps."""

    classifier: nn.Module
    steps: frozenset[int]
    num_images: int

    def __call__(self, run: Run) -> dict[str, float] | None:
        if run.step not in self.steps:
            return None
        return self.mode_scores(GAN(run.config, run.networks.sampler(), device=run.device))

    def mode_scores(self, model: GAN) -> dict[str, float]:
        counts = self.counts(model)
        return {"modes": float(modes.recovered(counts)), "KL": modes.kl_to_uniform(counts)}

    def counts(self, model: GAN) -> Tensor:
        """Count images per mode, (1000,)."""
        batches = model.stream(self.num_images, seed=_SAMPLES_SEED, exact=True)
        return losses.total(modes.counts_of(modes.modes_of(batch.uint8, self.classifier)) for batch in batches)


def study(
    out: options.Out = Path("studies/mode-recovery"),
    data: options.Data = None,
    paper: options.Paper = False,
    seeds: options.Seeds = "0,1,2",
    sizes: Annotated[str, typer.Option(help="K, the size of the discriminator, with commas.")] = "1/4,1/2",
    device: options.Device = "auto",
    precision: options.Precision = None,
    steps: options.Steps = None,
    resume: options.Resume = False,
) -> None:
    """How many of 1000 modes does a DCGAN recover, with and without InfoMax? InfoMax-GAN, Table 5.

    python -m training.studies.mode_recovery --data mnist.npz --out studies/mode-recovery
    """
    numbers = options.numbers(seeds)
    wanted = [size.strip() for size in sizes.split(",")]
    if not wanted or set(wanted) - {size for size, _ in MODELS}:
        raise UsageError(f'"{sizes}" is not a list of sizes; give 1/4, 1/2 or both with a comma')
    changes = options.changes(SMALL, {}, paper, precision=precision, steps=steps)
    right = float(weights.read_metadata(digit_classifier.BUNDLED)["accuracy"].split()[0])
    if right < _LEAST_ACCURACY:
        raise ZooError(f"the digit classifier has an accuracy of {right:.1%}; train one that reaches 99 %")
    work = options.begin(out, resume)
    where = pick_device(device)
    classifier, records, configs = digit_classifier.load(where), {}, {}
    num_images = PAPER_IMAGES if paper else SMALL_IMAGES
    for (size, method), name in MODELS.items():
        if size not in wanted:
            continue
        config = registry.config(name).as_paper().updated(changes)
        if config.discriminator.infomax and not paper:
            config = config.updated(SMALL_PROJECTION)
        configs[size, method] = config
        total = config.training.steps
        measured = frozenset(max(1, total * k // 4) for k in range(1, 5))
        hook = ModeCount(classifier, measured, num_images)
        for seed in numbers:
            print(f"K = {size}, {method}, seed {seed}", flush=True)
            folder = work / f"{name.split('/')[0]}-{seed}"
            quarter, twentieth = max(1, total // 4), max(1, total // 20)
            run = Options(folder, data, seed, device, log_every=twentieth, save_every=quarter, keep=1)
            records[size, method, seed] = [r for r in runs.train_to_end(config, run, [hook]) if "modes" in r]
    report = make_report(configs, records, numbers, num_images, right, where)
    usual = registry.config(name).training.steps if paper else SMALL["training.steps"]
    print(replace(report, shortened=options.shortened(total, usual)).write(out))


def make_report(
    configs: dict[tuple[str, str], ModelConfig],
    records: dict[tuple[str, str, int], list[dict]],
    seeds: list[int],
    num_images: int,
    accuracy: float,
    device,
) -> StudyReport:
    """Make the page of all finished runs."""
    last = {
        (cell, metric): [records[(*cell, seed)][-1][metric] for seed in seeds] for cell in configs for metric in METRICS
    }
    paper = {cell: {p.metric: p for p in config.published} for cell, config in configs.items()}
    rows, findings, enough = [], [], {}
    for size in dict.fromkeys(size for size, _ in configs):
        plain, infomax = (size, "DCGAN"), (size, "DCGAN + IM")
        for metric, title in METRICS.items():
            digits = 1 if metric == "modes" else 2
            cells = [mean_and_spread(last[cell, metric], digits) for cell in (plain, infomax)]
            theirs = [published(paper[cell][metric].value, paper[cell][metric].std) for cell in (plain, infomax)]
            rows.append((f"K = {size}", title, cells[0], cells[1], *theirs))
        short = configs[plain].training.steps < registry.config(configs[plain].name).training.steps
        findings.append(_finding(size, last[plain, "modes"], last[infomax, "modes"], short))
        enough[f"K = {size}"] = _enough(last[plain, "modes"], last[infomax, "modes"], short)
        losses = [records[(*infomax, seed)][-1]["d/infomax"] for seed in seeds]
        findings.append(_contrast(size, configs[infomax], losses))
    config = next(config for (_, method), config in configs.items() if method == "DCGAN + IM")
    training, total, adam = config.training, config.training.steps, config.training.optimizer
    if total != registry.config(config.name).training.steps:
        findings.append(
            f"{total:,} steps of batch {training.batch_size} are a fraction of a run (the recipe: 25,000 of 128; "
            "PacGAN's repeat: up to 500,000), so the numbers cannot be those of the paper."
        )
    curves = {
        f"K = {size}, {method}": [
            (step["step"], sum(records[size, method, seed][i]["modes"] for seed in seeds) / len(seeds))
            for i, step in enumerate(records[size, method, seeds[0]])
        ]
        for size, method in configs
    }
    without = [name for name in curves if not name.endswith("IM")]
    figure = study_plots.curves(curves, "generator steps", "modes recovered, of 1000", dashed=without, markers=True)
    results = {
        f"K = {size}, {method}": {metric: last[(size, method), metric] for metric in METRICS}
        for size, method in configs
    }
    part, critics = _infomax(config)
    return StudyReport(
        title="Mode recovery on Stacked MNIST",
        source=SOURCE,
        question="Does the InfoMax objective make a generator cover more modes when its discriminator is small?",
        method=[
            "The DCGAN of the unrolled-GAN experiment (arXiv 1611.02163), as PacGAN's code repeats it, on three MNIST "
            "digits as red, green and blue. K is the size of the discriminator relative to the generator. A digit "
            f"classifier ({accuracy:.2%} right on MNIST's test images) gives each channel of {num_images:,} generated "
            "images a digit; a mode counts if one image has it, and KL is that of the modes' shares to the uniform "
            "distribution, in nats (no mode but one: 6.91; all alike: 0). The InfoMax-GAN paper states neither the "
            "training settings nor the number of generated images of this experiment."
        ],
        settings={
            "steps": f"{total:,}, batch {training.batch_size}, {training.precision}",
            "optimiser": f"Adam, generator {adam.generator_lr:g}, discriminator {adam.discriminator_lr:g}, betas "
            f"{adam.beta1:g}, {adam.beta2:g} (recipe: 0.0001, 0.0002, 0.5, 0.99)",
            "InfoMax": f"{infomax_form(config)}; alpha = beta = {part.alpha:g}, local features after the second of "
            f"three blocks, R = {critics.projection_dim} (paper: 1024)",
            "seeds": ", ".join(map(str, seeds)),
        },
        findings=findings,
        results={"num_images": num_images, "enough steps": enough, "runs": results, "curves": curves},
        tables=[Table("", ("", "", "DCGAN", "DCGAN + IM", "paper: DCGAN", "paper: DCGAN + IM"), rows)],
        figures=[Figure("modes", "Modes recovered while training", figure)],
        device=device,
        seconds=sum(r[-1]["seconds"] for r in records.values()),
    )


def _enough(plain: list[float], infomax: list[float], short: bool) -> bool:
    return not short or max(*plain, *infomax) >= _FEW


def _finding(size: str, plain: list[float], infomax: list[float], short: bool = False) -> str:
    """Write one sentence on which method recovered more modes, and whether the seeds agree.

    Args:
        plain, infomax: modes of 1000 by seed.
        short: the runs are shorter than the recipe.
    """
    wins = sum(b > a for a, b in zip(plain, infomax, strict=True))
    seeds = f"more in {wins} of {len(plain)} seeds" if wins else "not more in any seed"
    if not _enough(plain, infomax, short):
        agrees = f"**too few steps to tell**: no run has {_FEW} modes"
    elif 0 < wins < len(plain):
        agrees = "the seeds **do not agree**"
    else:
        agrees = "as in the paper" if wins else "**unlike** the paper, where InfoMax recovers more"
    means = [mean_and_spread(found, 1) for found in (plain, infomax)]
    return f"K = {size}: {means[0]} modes without InfoMax, {means[1]} with it ({seeds}), {agrees}."


def _infomax(config: ModelConfig) -> tuple[recipe.InfoMax, InfoMaxCritics]:
    part, critics = config.training.auxiliary[0], config.discriminator.infomax
    assert isinstance(part, recipe.InfoMax)
    assert critics is not None
    return part, critics


def _contrast(size: str, config: ModelConfig, losses: list[float]) -> str:
    """Write one sentence on how far the discriminator has learnt the contrastive task.

    Args:
        losses: the weighted loss at the end, by seed.
    """
    part, critics = _infomax(config)
    others = config.training.batch_size - 1
    locations = halved(config.discriminator.resolution, critics.local_after) ** 2
    unweighted = mean_and_spread([loss / part.beta for loss in losses])
    all_of_them = (others + 1) * locations
    guess = f"ln(1 + {others} x {locations})", 1 + others * locations
    if part.negatives == "all":
        guess = f"ln({others + 1} x {locations})", all_of_them
    return (
        f"K = {size}: the discriminator's contrastive loss is {unweighted} nats at the end; to score all alike is "
        f"{guess[0]} = {math.log(guess[1]):.2f}."
    )


if __name__ == "__main__":
    options.main(study)
