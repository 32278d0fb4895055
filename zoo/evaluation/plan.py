"""The tasks of an evaluation: scores under protocols, checked before the first image is made."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..common import choices
from ..common.errors import LabelError, UsageError, ZooError
from ..schema.config import ModelConfig
from .features.extractor import Extractor
from .features.extractors import metric_name
from .features.references import ReferenceData, Selection
from .features.sources import Generated
from .metrics.classwise import check_classes, enough_draws
from .names import METRICS
from .protocols.protocol import CT, IS, KID, MIND, PRD, EqualCounts, Protocol, Sampling, Settings
from .targets import Target


@dataclass(frozen=True)
class Task:
    """One metric under one protocol, with its counts."""

    metric: str  # of METRICS
    protocol: Protocol
    chosen: bool = False  # the user gave the counts: few images are then a warning, not an error
    num_fake: int = 0
    num_real: int = 0  # 0 where there are no real images
    warnings: tuple[str, ...] = ()

    @property
    def settings(self) -> Settings:
        found = self.protocol.settings("fid" if self.metric == "classes" else self.metric)
        assert found is not None, "tasks are made of metrics that the protocol has"
        return found

    @property
    def wanted_real(self) -> int | None:
        """Return the number of real images that the protocol asks for; None = the whole split."""
        settings = self.protocol.fid if self.equal_counts else self.settings
        return getattr(settings, "num_real", None)

    @property
    def wanted_fake(self) -> int:
        settings = self.settings
        return settings.max_count if isinstance(settings, EqualCounts) else settings.num_fake

    @property
    def equal_counts(self) -> bool:
        return isinstance(self.settings, EqualCounts)

    @property
    def selection(self) -> Selection:
        return Selection(self.wanted_real, balanced=self.protocol.selection == "balanced")

    @property
    def needs_extractor(self) -> bool:
        return self.metric != "cas"

    @property
    def needs_real(self) -> bool:
        """True if the real images that the protocol names are needed; C_T and CAS have held-out ones beside."""
        return self.metric not in ("is", "cas")

    @property
    def needs_features(self) -> bool:
        """True if the statistics of the real images are not enough."""
        return self.metric not in ("fid", "is", "cas")

    def sampling(self, config: ModelConfig | None) -> Sampling:
        """Return the protocol's sampling, with "training" resolved to a number."""
        sampling = self.settings.sampling
        if sampling.batch_size == "training":
            assert config is not None, "images are not sampled"
            return sampling.model_copy(update={"batch_size": config.training.batch_size})
        return sampling

    def layer(self, extractor: Extractor) -> str:
        if isinstance(self.settings, IS):
            return extractor.layer("is", self.settings.logits)
        return extractor.layer(self.metric if self.metric in ("kid", "pr") else "fid")


def tasks_of(protocol: Protocol, metrics: tuple[str, ...], chosen: bool = False) -> list[Task]:
    """Make a task for each metric; raises ZooError for one that is unknown or not in the protocol."""
    for metric in metrics:
        if metric not in METRICS:
            raise UsageError(choices.unknown("metric", metric, METRICS))
        if metric != "classes" and metric not in protocol.metrics:
            raise ZooError(
                f"the protocol {protocol.name} has no {metric}; it has {', '.join(protocol.metrics)}. Leave {metric} "
                f"out, or use --protocol clean"
            )
    return [Task(metric, protocol, chosen) for metric in dict.fromkeys(metrics)]


def settle(task: Task, target: Target, extractor: Extractor, data: ReferenceData, available: int) -> Task:
    """Return the task with its counts; raises ZooError if they do not allow the metric.

    Args:
        available: real images in the selection; 0 where none are needed.
    """
    fake, real = task.wanted_fake, available
    if target.images is not None:
        fake = min(fake, len(target.images))
    if task.equal_counts:
        fake = real = min(fake, real)
    warnings = list(_sample_size_warnings(task, extractor, data, fake, real))
    settings = task.settings
    if isinstance(settings, KID) and min(fake, real) < 2:
        name = metric_name("kid", extractor.label)
        raise ZooError(f"{name} needs at least 2 images on either side, got {real} real and {fake} generated")
    if isinstance(settings, KID) and settings.subset_size > min(fake, real):
        if not (task.chosen or target.fixed or task.protocol.name == "clean"):
            raise ZooError(
                f"{metric_name('kid', extractor.label)} under {task.protocol.name} draws subsets of "
                f"{settings.subset_size:,}, but there are {real:,} real and {fake:,} generated images; raise the counts"
            )
        name, size = metric_name("kid", extractor.label), min(fake, real)
        all_alike = "; each is all of them, so that their spread is no error" if fake == real else ""
        warnings.append(f"{name}: subsets of {size:,} images, not {settings.subset_size:,}{all_alike}")
    if isinstance(settings, IS) and settings.splits > fake:
        raise ZooError(
            f"{metric_name('is', extractor.label)} with {settings.splits} splits needs at least {settings.splits} "
            f"images, got {fake}; raise --num-fake"
        )
    neighbours, clusters = getattr(settings, "neighbours", 0), getattr(settings, "clusters", 0)
    if task.equal_counts and fake <= neighbours:
        raise ZooError(f"{neighbours} neighbours need more than {fake} images; raise --num-fake")
    if 2 * fake < clusters:
        raise ZooError(f"{clusters} clusters need more than {fake} images on either side; raise --num-fake")
    if task.metric == "authpct" and real < 2:
        raise ZooError("AuthPct needs at least 2 training images; raise --num-real")
    if isinstance(settings, CT):
        wide = extractor.width(extractor.layer("fid")) > settings.components
        least = max(settings.cells, settings.components if wide else 1)
        if real < least:
            raise ZooError(f"C_T needs at least {least} training images, there are {real}; give more (--data)")
    if target.model and target.subject.dtype != "float32" and settings.sampling.batch_norm != "running":
        raise ZooError(
            f"{task.protocol.name} samples with batch norm in its {settings.sampling.batch_norm} mode, which is "
            f"computed in float32 only; leave the dtype out"
        )
    if target.model and settings.sampling.labels == "data":
        _check_class_counts(target.model.num_classes, target.subject.name, data)
    if task.metric == "classes":
        _check_labels(target, data, task.sampling(target.config), fake, task.protocol.seeds[0])
    return replace(task, num_fake=fake, num_real=real if task.needs_real else 0, warnings=tuple(warnings))


def _sample_size_warnings(task: Task, extractor: Extractor, data: ReferenceData, fake: int, real: int):
    """Warn if a covariance is singular; raise ZooError unless the user gave the counts."""
    if isinstance(task.settings, MIND) and fake < MIND().max_count:
        name = metric_name("mind", extractor.label)
        yield f"{name} of {fake:,} images on either side, not {MIND().max_count:,}: fewer bias it upwards"
    if isinstance(task.settings, PRD) and fake < 50 * task.settings.clusters:
        yield f"F_8 and F_1/8 of {fake:,} images: few for {task.settings.clusters} clusters; both are biased downwards"
    if task.metric != "fid":
        return
    width = extractor.width(extractor.layer("fid"))
    name, unbiased = (metric_name(metric, extractor.label) for metric in ("fid", "kid"))
    if real == 0:  # of statistics in a file that does not say how many images they are of
        real = width + 1
    few = [text for n, text in ((fake, f"{fake:,} generated"), (real, f"{real:,} real")) if n <= width]
    if min(fake, real) < 2:
        raise ZooError(f"{name} needs at least 2 images on either side, got {real} real and {fake} generated")
    if not few:
        return
    text = f"{name} of {' and '.join(few)} images: fewer than the {width:,} features, so the covariance is singular"
    if not task.chosen:
        option = "--num-fake" if fake <= width else "--num-real"
        raise ZooError(
            f"{text} and the distance biased. Use --metrics kid, which is unbiased at any count, more images, or say "
            f"{option} {fake if fake <= width else real} to have it all the same"
        )
    yield f"{text} and the distance is biased upwards; {unbiased} is not"


def _check_class_counts(mine: int, name: str, data: ReferenceData) -> None:
    theirs = data.loaded.num_classes
    if mine not in (0, theirs):
        raise LabelError(f"{data} has {theirs} classes, {name} has {mine}; use --labels uniform")


def _check_labels(target: Target, data: ReferenceData, sampling: Sampling, count: int, seed: int) -> None:
    model, name = target.model, target.subject.name
    if model is None:
        raise ZooError("scores by class need the labels asked for; give a conditional model, not images")
    names = model.class_names
    if not names:
        raise ZooError(f"{name} is unconditional and has no classes; leave classes out of the metrics")
    check_classes(data.loaded.labels, names, f"{data} has", "give data that has every class, or leave classes out")
    labels = Generated(model, sampling, count, seed, proportions(sampling, data)).labels()
    assert labels is not None
    cure = f"raise --num-fake, at least {enough_draws(len(names)):,}"
    check_classes(labels, names, f"{count:,} images of {name} have", cure)


def proportions(sampling: Sampling, data: ReferenceData):
    """Return how often each class occurs in the data, if labels follow it."""
    import torch

    if sampling.labels == "uniform":
        return None
    return torch.bincount(data.loaded.labels, minlength=data.loaded.num_classes)
