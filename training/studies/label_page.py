"""The part of a sweep's page that is about labels: what they draw in the end and over time, and the losses."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch

import zoo
from zoo.evaluation.alignment import assignment, judges
from zoo.sampling.gan import GAN
from zoo.schema.label_alignment import PERMUTED, RIGHT
from zoo.schema.recipe import ContrastiveConditioning, D2DCEConditioning

from ..run.run_folder import RunFolder
from . import digit_classifier, study_plots
from .label_losses import LabelLosses, UnderLabels, measure
from .label_probe import ASKED, ASSIGNED, BY_DISCRIMINATOR, TWINS, twins
from .study_report import Figure, Table, mean_and_spread
from .sweep import PlannedRun, Sweep
from .sweep_runs import SweepSetup

GROWN = "contragan-snresgan/cifar10"  # the bundled model whose discriminator ships
_EACH, _SEED = 100, 0  # images per label


@dataclass(frozen=True)
class LabelInspection:
    """What the labels of one trained model draw, by a classifier of digits or, elsewhere, by its discriminator."""

    verdict: str
    asked: float
    assigned: float
    agreement: float  # share of the labels that the discriminator assigns as the classifier does
    twins: float | None  # share of the classes whose embedding has a twin; None without class embeddings
    losses: LabelLosses | None


def inspect_labels(model: GAN, classify=None) -> LabelInspection:
    """Inspect the labels of a model with its discriminator.

    Args:
        classify: maps uint8 images to classes; None: the discriminator classifies.
    """
    labels = torch.arange(model.num_classes).repeat_interleave(_EACH)
    images = model.sample(len(labels), labels, seed=_SEED, labels="trained", exact=True).uint8
    judge = judges.of_discriminator(model.discriminator, model.config)
    scores = judge.scores(images)
    own = judges.count(labels, scores.argmax(dim=1), model.num_classes)
    means = judge.fit(scores).view(model.num_classes, _EACH, -1).mean(dim=1).numpy()
    by_discriminator = assignment.assign(own, means).classes
    counts = own if classify is None else judges.count(labels, classify(images), model.num_classes)
    found = assignment.assign(counts, means if classify is None else None)
    conditioning = model.config.training.conditioning
    embeds = isinstance(conditioning, (ContrastiveConditioning, D2DCEConditioning))
    agreement = statistics.fmean(a == b for a, b in zip(found.classes, by_discriminator, strict=True))
    return LabelInspection(
        found.verdict,
        assignment.accuracy(counts),
        assignment.accuracy(counts, found.classes),
        agreement,
        twins(model.discriminator) if embeds else None,
        measure(model, model.discriminator, found.classes, conditioning) if embeds else None,
    )


def inspect_runs(setup: SweepSetup, runs: Sequence[PlannedRun]) -> dict[str, list[LabelInspection]]:
    """Inspect finished runs: a list over seeds for each setting."""
    found: dict[str, list[LabelInspection]] = {}
    classifier = digit_classifier.load()
    for run in runs:
        model = zoo.load(setup.folder(run), device="cpu")
        digits = run.config.data.dataset == "mnist"
        classify = (lambda images: digit_classifier.digits_of(images, classifier)) if digits else None
        found.setdefault(", ".join(run.where.values()), []).append(inspect_labels(model, classify))
    return found


# ------------------------------------------------------------------------------------------------------- the page


def findings(found: dict[str, list[LabelInspection]]) -> list[str]:
    """Write a sentence for each setting."""
    lines = []
    for name, seeds in found.items():
        permuted, right = (sum(one.verdict == verdict for one in seeds) for verdict in (PERMUTED, RIGHT))
        asked, assigned = ([one.asked for one in seeds], [one.assigned for one in seeds])
        counts = f"permuted in {permuted}, right in {right} of {len(seeds)} seeds"
        lines.append(
            f"{name}: labels are {counts}; {mean_and_spread(asked, 3)} of the images show the class asked for, "
            f"{mean_and_spread(assigned, 3)} the class assigned."
        )
    return lines


def tables(definition: Sweep, found: dict[str, list[LabelInspection]], grown: LabelInspection | None) -> list[Table]:
    """Make the tables: what the labels draw, the losses under three sets of labels, the published scores."""
    embedding = {name: seeds for name, seeds in found.items() if seeds[0].losses}
    if grown:
        embedding[f"{GROWN} (bundled)"] = [grown]
    made = [_drawn(found), _losses(embedding)]
    cells = [cell for cell in definition.published if cell.metric == "intra-class fid"]
    if cells:
        rows = [(", ".join(cell.where.values()), cell.note or "", f"{cell.value:g}") for cell in cells]
        caption = "Published: the FID within classes, labels as asked for (CIFAR-10; source in the notes above):"
        made.append(Table(caption, ("loss", "model", "intra-class FID"), rows))
    return made


def _drawn(found: dict[str, list[LabelInspection]]) -> Table:
    head = ("loss", "as asked", "as assigned", "labels", "the discriminator agrees", "classes with a twin")
    rows = []
    for name, seeds in found.items():
        verdicts = [one.verdict.removeprefix("labels ").removeprefix("are ") for one in seeds]
        alike = mean_and_spread([one.agreement for one in seeds], 2)
        shares_of_twins = [one.twins for one in seeds if one.twins is not None]
        twin = mean_and_spread(shares_of_twins, 2) if shares_of_twins else ""
        shares = ([one.asked for one in seeds], [one.assigned for one in seeds])
        rows.append((name, *(mean_and_spread(share, 3) for share in shares), ", ".join(verdicts), alike, twin))
    caption = (
        f"What the labels draw in the end, {_EACH} images of each. Digits are told by the classifier of mode_recovery "
        f"(99.0 % right on real test images at 16x16). The discriminator agrees: on this share of the labels. A twin: "
        f"another class whose embedding has a cosine above 0.9:"
    )
    return Table(caption, head, rows)


def _losses(found: dict[str, list[LabelInspection]]) -> Table:
    head = (
        "loss",
        *(f"own loss, {labels}" for labels in ("asked", "assigned", "random")),
        *(f"Eq. 7, {labels}" for labels in ("asked", "assigned", "random")),
        "embedding's share",
    )
    rows = []
    for name, seeds in found.items():
        measured = [one.losses for one in seeds if one.losses]
        cells = [
            _mean_losses([losses.own for losses in measured]),
            _mean_losses([losses.only_embeddings for losses in measured]),
        ]
        share = mean_and_spread([losses.embedding_share for losses in measured], 2)
        rows.append((name, *cells[0], *cells[1], share))
    caption = (
        "The generator's loss on its own images in batches of 64, as its discriminator computes it, if the labels are "
        "those asked for, those assigned (the classes really drawn), or a random permutation of them. The embedding's "
        "share: of the numerator of Eq. 8, at temperature 1, which the other images of the label have the rest of:"
    )
    return Table(caption, head, rows)


def _mean_losses(seeds: Sequence[UnderLabels]) -> list[str]:
    return [mean_and_spread([getattr(one, key) for one in seeds], 3) for key in ("asked", "assigned", "random")]


def figures(definition: Sweep, setup: SweepSetup, runs: Sequence[PlannedRun]) -> list[Figure]:
    """Plot shares over time for the first seed: solid as asked, dashed as assigned."""
    first = [run for run in runs if run.seed == runs[0].seed]
    suffix = "" if any(ASKED in record for record in RunFolder(setup.folder(first[0])).records()) else BY_DISCRIMINATOR
    series: dict[str, list[tuple[float, float]]] = {}
    for run in first:
        records = RunFolder(setup.folder(run)).records()
        for key, what in ((ASKED, "asked"), (ASSIGNED, "assigned")):
            points = [(record["step"], record[key + suffix]) for record in records if key + suffix in record]
            series[f"{', '.join(run.where.values())}, {what}"] = points
    pairs = study_plots.paired(series, "generator steps", "share of images", dashed=", assigned")
    caption = (
        f"Share of images that show the class asked for, and the class that the best assignment gives their label, "
        f"whether or not it is more than chance, over time{suffix} (first seed, 50 images of each label)"
    )
    made = [Figure("labels-over-time", caption, pairs)]
    alike = {
        run.label: [(r["step"], r[TWINS]) for r in RunFolder(setup.folder(run)).records() if TWINS in r]
        for run in first
    }
    if alike := {name: points for name, points in alike.items() if points}:
        png = study_plots.curves(alike, "generator steps", "share of classes", limits=(0, 1))
        caption = "Share of the classes whose embedding has a cosine above 0.9 with another's, over time (first seed)"
        made.append(Figure("class-embeddings-over-time", caption, png))
    return made


def results(found: dict[str, list[LabelInspection]], grown: LabelInspection | None) -> dict[str, list[dict]]:
    """Return the inspections as plain data, a list over seeds for each setting."""
    every = {**found, **({GROWN: [grown]} if grown else {})}
    return {name: [asdict(one) for one in seeds] for name, seeds in every.items()}


def inspect_bundled_model() -> LabelInspection | None:
    """Inspect the bundled model by its own discriminator; None if it is not installed."""
    if GROWN not in zoo.list_models(available="offline"):
        return None
    model = zoo.load(GROWN, device="cpu")
    return inspect_labels(model) if model.has_discriminator else None
