"""The scores of a sweep's run: by the paper's protocol where it has the metric, else in the counts of the size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import zoo
from zoo import datasets
from zoo.evaluation.metrics.classwise import enough_draws
from zoo.evaluation.protocols import published
from zoo.schema.config import ModelConfig

from .sweep import PlannedRun, Size, Sweep

_PLAIN = "clean"
USUAL = 10_000  # generated images


def measure(definition: Sweep, size: Size, run: PlannedRun, folder: Path, root: Path | None, device: str) -> dict:
    """Measure scores by kind ("fid", "kid", ..., "class accuracy") of the model in a run folder.

    Raises:
        ZooError: as `zoo.evaluate` does.
    """
    scores: dict[str, float] = {}
    for protocol, metrics in by_protocol(size, definition.metrics).items():
        data = datasets.load_for(run.config, split_of(size, run.config), root=root)
        if run.classes:
            data = datasets.first_classes(data, run.classes)
        report = zoo.evaluate(
            folder,
            metrics,
            extractor=size.extractor,
            protocol=protocol,
            data=data,
            seeds=1,
            device=device,
            **_counts(size, protocol, metrics, len(data), run.config.num_classes),
        )
        scores |= {result.kind: result.value for result in report.results}
        if report.classes:
            scores["accuracy on real"] = report.classes.accuracy_on_real
    return scores


def by_protocol(size: Size, metrics: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the metrics of each protocol: those that the size's has, and "clean" for all others."""
    has = set(published.find(size.protocol).metrics)
    of_size = tuple(metric for metric in metrics if metric in has and size.protocol != _PLAIN)
    others = tuple(metric for metric in metrics if metric not in of_size)
    return {name: some for name, some in ((size.protocol, of_size), (_PLAIN, others)) if some}


def split_of(size: Size, config: ModelConfig) -> str:
    """Return the split of the real images."""
    return size.split or published.find(size.protocol).split(config.data.dataset, config.data.split)


def num_fake_of(size: Size, metrics: tuple[str, ...], num_classes: int) -> int:
    """Return the generated images of scores by no paper's protocol: those of the size, or as many as classes need."""
    fake = size.num_fake or USUAL
    if "classes" not in metrics or not num_classes:
        return fake
    return max(fake, enough_draws(num_classes))


def _counts(size: Size, protocol: str, metrics: tuple[str, ...], available: int, num_classes: int) -> dict[str, Any]:
    """Return the counts that differ from the protocol's; there may be fewer real images than it asks for."""
    if protocol == _PLAIN:
        fake = num_fake_of(size, metrics, num_classes)
        return {"num_fake": fake, "num_real": min(size.num_real or fake, available)}
    wanted = [getattr(published.find(protocol).settings(metric), "num_real", None) for metric in metrics]
    most = max((count for count in wanted if count), default=0)
    real = size.num_real or (available if available < most else None)
    return {name: n for name, n in (("num_fake", size.num_fake), ("num_real", real)) if n}


def in_words(definition: Sweep, size: Size, config: ModelConfig) -> str:
    """Say how a size is scored: "2,000 generated images, up to 2,000 real ones of train, efficientnet-lite0"."""
    split, told = split_of(size, config), []
    for protocol, metrics in by_protocol(size, definition.metrics).items():
        if protocol == _PLAIN:
            fake = num_fake_of(size, metrics, config.num_classes)
            words = f"{fake:,} generated images, up to {size.num_real or fake:,} real ones of {split}"
        else:
            counts = {m: getattr(published.find(protocol).settings(m), "num_fake", None) for m in metrics}
            fakes = ", ".join(f"{m.upper()} of {size.num_fake or n:,} generated images" for m, n in counts.items() if n)
            words = f"{fakes}, by the protocol {protocol}, real ones of {split}"
        told.append(words)
    return ", ".join(["; ".join(told), size.extractor]) if told else "none"
