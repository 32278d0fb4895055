"""The classification accuracy score of a task: its checks, its images, its values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..common import quantise, ranks
from ..common.errors import LabelError, ZooError
from ..common.memory import refuse_if_too_large
from ..common.progress import Progress
from .features.sources import ImageSource
from .metrics import cas
from .metrics.formulas import Spread
from .protocols.protocol import CAS
from .targets import Target

if TYPE_CHECKING:
    from .features.references import ReferenceData
    from .plan import Task


def settle(task: Task, target: Target, held_out: ReferenceData) -> Task:
    """Return the task with its counts; raises ZooError if labels, classes or counts do not allow the score."""
    settings, real = _settings(task), held_out.loaded
    classes, fake = _classes(target, real.num_classes), settings.num_fake
    if target.images is not None:
        fake = min(fake, len(target.images))
    if real.num_classes != classes:
        raise LabelError(f"{held_out} has {real.num_classes} classes, {target.subject.name} has {classes}; give others")
    if real.images.shape[2:] != (target.side, target.side):
        raise ZooError(f"{held_out} is {real.images.shape[3]}x{real.images.shape[2]}, the images are {target.side}")
    if fake < 2 * classes:
        raise ZooError(f"CAS trains on at least two images a class, {2 * classes}, got {fake}; raise --num-fake")
    pixels = 3 * target.side**2
    refuse_if_too_large(fake * pixels, f"{fake:,} images for CAS", "evaluate fewer (num_fake=, --num-fake)")
    found = [f"CAS of {fake:,} images, not {CAS().num_fake:,}: fewer train a worse classifier"]
    return replace(
        task, num_fake=fake, num_real=len(real.labels), warnings=tuple(found) if fake < CAS().num_fake else ()
    )


def _classes(target: Target, real: int) -> int:
    if target.model is not None and not target.model.num_classes:
        raise ZooError(f"{target.subject.name} is unconditional and has no classes; leave cas out of the metrics")
    if target.model is not None:
        return target.model.num_classes
    assert target.images is not None
    labels = target.images.labels()
    if labels is None:
        raise ZooError("CAS needs the labels of the images; give a conditional model, or images in folders by class")
    return max(int(labels.max()) + 1, real)


def values(
    task: Task,
    target: Target,
    source: ImageSource,
    held_out: ReferenceData,
    *,
    seed: int,
    batch_size: int,
    device: torch.device,
    bars: Progress,
) -> dict[str, Spread]:
    """Make the images, train, and test, on rank 0; other ranks return nothing.

    Returns:
        "cas" and, for weights with an alignment, "cas as assigned": each answer is read as the class that it draws.
    """
    source.prepare()
    seen, error = None, None
    try:
        if ranks.rank() == 0:
            seen = _predictions(task, target, source, held_out, seed, batch_size, device, bars)
    except Exception as problem:
        error = problem
    ranks.agree(error)
    if seen is None:
        return {}
    real = held_out.loaded.labels
    found = {"cas": _accuracy(seen, real)}
    if target.model is not None and target.model.alignment is not None:
        found["cas as assigned"] = _accuracy(torch.tensor(target.model.alignment.assignment)[seen], real)
    return found


def _predictions(
    task: Task,
    target: Target,
    source: ImageSource,
    held_out: ReferenceData,
    seed: int,
    batch_size: int,
    device: torch.device,
    bars: Progress,
) -> Tensor:
    settings, real, labels = _settings(task), held_out.loaded, source.labels()
    assert labels is not None
    return cas.predictions(
        _images(source, batch_size),
        labels,
        real.images,
        max(real.num_classes, int(labels.max()) + 1),
        settings,
        flips=bool(target.config and target.config.data.flip),
        device=device,
        seed=seed,
        advance=bars.task(f"epochs of the classifier, seed {seed}", settings.epochs),
    )


def _images(source: ImageSource, batch_size: int) -> Tensor:
    starts = range(0, len(source), batch_size)
    batches = (source.batch(start, min(batch_size, len(source) - start)) for start in starts)
    return torch.cat([quantise.rounded(batch).cpu() for batch in batches])


def _accuracy(seen: Tensor, labels: Tensor) -> Spread:
    return Spread(float((seen == labels).double().mean()))


def _settings(task: Task) -> CAS:
    assert isinstance(task.settings, CAS)
    return task.settings
