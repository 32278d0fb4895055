"""The panel of a set of weights: every metric that runs offline, under both offline extractors, over sampling seeds.

The same protocol measures the data's test images in place of generated ones, so that each value has beside it what real
images would get. Reports are kept in a folder as soon as they exist, so that the same call continues where an earlier
one was interrupted.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..checkpoints.alignments import check_config
from ..common import files
from ..common.errors import ConfigError, DataUnavailableError, ZooError
from ..common.numbers import whole
from ..common.progress import ProgressCallback
from ..datasets.catalogue import own_split
from ..schema import config_files
from ..schema.panel_scores import Panel, PanelScore
from . import names
from .features import held_out, references
from .features.extractors import metric_name
from .names import OFFLINE, SECOND_OFFLINE
from .plan import tasks_of
from .protocols import published
from .protocols.protocol import Protocol
from .report.report import Report, Subject, round_to
from .running import report_of
from .scorer import Scorer
from .targets import Target, check_names, data_for, open_target

EXTRACTORS = (OFFLINE, SECOND_OFFLINE)
METRICS = tuple(metric for metric in names.METRICS if metric not in ("cmmd", "cas"))  # these need another network
COUNT = 10_000  # real images, and generated images of each seed
_OF_MODELS = ("ct", "classes")  # what the real test images have no value of


@dataclass(frozen=True)
class _Images:
    """The real images of a panel: those of the training, and others if there are any."""

    real: references.ReferenceData
    held_out: references.ReferenceData | None
    num_real: int
    num_fake: int


def measure(
    name: str | os.PathLike,
    folder: str | os.PathLike,
    *,
    num_real: int = COUNT,
    num_fake: int = COUNT,
    seeds: int = 3,
    data: Any = None,
    weights: str = "default",
    extractors: Sequence[str] | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    cache_dir: str | os.PathLike | None = None,
    hardware: str | None = None,
    progress: bool | ProgressCallback = False,
) -> Panel:
    """Measure all metrics that run offline on a model's images.

    Args:
        name: a model's name (with @tag), or an exported folder.
        folder: for the reports; those of the same weights, data and counts are not measured again.
        num_real, num_fake: at most so many training images, and generated images of each seed; no more generated ones
            than there are training images. Metrics of equal counts, and MIND, take as many of both as both have.
        seeds: of sampling, counted from 0.
        extractors: None for both offline ones.
        data: the training data, as for `zoo.evaluate`; their test split is what the model has not seen.
        hardware: for the config; None for the device's name.

    Raises:
        ZooError: weights, data or an extractor are not here.
    """
    seeds = whole("seeds", seeds, 1, 100)
    check_names(name, weights, data)
    target = open_target(name, weights=weights, device=device, cache_dir=cache_dir)
    if target.model is None or target.config is None:
        raise ZooError(f"{name} is no model; a panel is of a model's weights. Score images with: zoo evaluate")
    images = _images(target, data, whole("num_real", num_real, 2), whole("num_fake", num_fake, 2))
    protocol = published.PROTOCOLS["clean"].updated(
        num_real=images.num_real, num_fake=images.num_fake, seeds=tuple(range(seeds))
    )
    left_out = {"ct": images.held_out is None, "classes": not target.model.num_classes}
    metrics = tuple(metric for metric in METRICS if not left_out.get(metric))
    of_test = tuple(metric for metric in metrics if metric not in _OF_MODELS)
    scores: list[PanelScore] = []
    options = {"device": device, "batch_size": batch_size, "cache_dir": cache_dir}
    for extractor in extractors or EXTRACTORS:
        report = _report(Path(folder), target, extractor, images, protocol, metrics, options, progress)
        test = None
        if images.held_out is not None:
            unseen = _real_target(images.held_out)
            test = _report(Path(folder), unseen, extractor, images, protocol, of_test, options, progress)
        scores += _scores(report, test)
        hardware = hardware or report.environment.get("device")
    return Panel(
        protocol=protocol.name,
        split=images.real.split,
        seeds=seeds,
        held_out=images.held_out.split if images.held_out else None,
        num_held_out=len(images.held_out.loaded.labels) if images.held_out else None,
        hardware=hardware,
        scores=tuple(scores),
    )


def _images(target: Target, data: Any, num_real: int, num_fake: int) -> _Images:
    config = target.config
    assert config is not None
    found = data_for(target, data, None)
    real = replace(found, split=own_split(found.dataset, found.split or config.data.split))
    available = len(real.loaded.labels)
    try:
        unseen = held_out.find(real, "ct")
    except DataUnavailableError:  # such as the digits, which are all trained on
        unseen = None
    return _Images(real, unseen, min(num_real, available), min(num_fake, available))


def _real_target(data: references.ReferenceData) -> Target:
    target = open_target(data.loaded)
    return replace(target, subject=Subject(name=f"{data.dataset} {data.split}", num_images=target.subject.num_images))


def _report(
    folder: Path,
    target: Target,
    extractor: str,
    images: _Images,
    protocol: Protocol,
    metrics: tuple[str, ...],
    options: dict[str, Any],
    progress: bool | ProgressCallback,
) -> Report:
    """Return the report of an earlier call, or measure."""
    scorer = Scorer(target, extractor, images.real, **options)
    asked = [
        target.subject.model_dump(),
        protocol.model_dump(mode="json"),
        metrics,
        scorer.extractor(protocol.resize).identity,
    ]
    checksums = [references.checksum(data.loaded) for data in (images.real, images.held_out) if data]
    request = hashlib.sha256(json.dumps([asked, checksums]).encode()).hexdigest()
    stem = "-".join(filter(None, (target.subject.name, target.subject.tag))).replace("/", "-").replace(" ", "-")
    path = folder / f"{stem}-{extractor}.json"
    if path.is_file():
        try:
            earlier = Report.from_file(path)
        except ConfigError:  # damaged: measured again
            earlier = None
        if earlier and earlier.request == request:
            return earlier
    tasks = scorer.check(tasks_of(protocol, metrics, chosen=True))
    found = report_of(scorer, tasks, scorer.run(tasks, curve=False, progress=progress))
    found = found.model_copy(update={"request": request})
    files.write_atomically(path, found.to_json().encode())
    return found


def _scores(report: Report, test: Report | None) -> list[PanelScore]:
    of_test = {result.kind: result.value for result in test.results} if test else {}
    if test and report.classes:  # by the same classifier
        of_test["class accuracy"] = of_test["class accuracy as assigned"] = report.classes.accuracy_on_real
    return [
        PanelScore(
            metric=metric_name(result.kind, report.extractor.name),
            extractor=report.extractor.name,
            value=round_to(result.value, result.std),
            std=None if result.std is None else float(f"{result.std:.2g}"),
            num_real=result.num_real,
            num_fake=result.num_fake,
            test=round_to(of_test[result.kind], result.std) + 0.0 if result.kind in of_test else None,  # no -0
        )
        for result in report.results
    ]


def into_config(path: Path, panel: Panel, weights_sha256: str | None) -> None:
    """Write a panel into the config that bundles the weights it was measured on.

    Raises:
        ConfigError: the config does not bundle these weights.
    """
    config = check_config(path, weights_sha256)
    entries = tuple(
        entry.model_copy(update={"panel": panel}) if entry.sha256 == weights_sha256 else entry
        for entry in config.weights
    )
    config = config.model_copy(update={"weights": entries})
    files.write_atomically(path, config.to_json(config_files.base_of(path)).encode())
