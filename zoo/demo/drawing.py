"""The demo's requests to models. Each function runs on a device's worker; all pictures come from `zoo.GAN`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from .models import ModelsOnDevice
from .validation import Sample
from .workers import Job

if TYPE_CHECKING:
    from torch import Tensor

    from ..sampling.gan import GAN
    from ..sampling.images import Images
    from ..sampling.labelled import Labels


@dataclass(frozen=True)
class Row:
    """Images that belong together, and their common title."""

    title: str
    images: Images


def load(job: Job, worker: ModelsOnDevice, name: str) -> GAN:
    """Return a model from the worker's cache, loaded if necessary."""
    job.report(0, 0, "" if name in worker.models else f"loading {name}")
    model = worker.models.get(name)
    job.report(0, 0)
    return model


def sample(job: Job, worker: ModelsOnDevice, request: Sample) -> Images:
    """`zoo.load(model).sample(n, label, seed, truncation)`."""
    return _sampled(job, load(job, worker, request.model), request, request.truncation)


def interpolate(job: Job, worker: ModelsOnDevice, name: str, a: int, b: int, steps: int, label: int | None) -> Images:
    """`zoo.load(model).interpolate(a, b, steps, label)`."""
    return load(job, worker, name).interpolate(a, b, steps, label)


def truncations(job: Job, worker: ModelsOnDevice, request: Sample, thresholds: Sequence[float | None]) -> list[Row]:
    """Draw a row for each threshold, `sample(n, label, seed, truncation=threshold)`; None is no truncation."""
    model = load(job, worker, request.model)
    rows = []
    for threshold in thresholds:
        images = _sampled(job, model, request, threshold)
        rows.append(Row("none" if threshold is None else f"{threshold:g}", images))
    return rows


def asked(
    job: Job, worker: ModelsOnDevice, name: str, classes: Sequence[int], rows: int, seed: int, way: str
) -> Images:
    """Draw rows of images of these classes, `sample(rows * len(classes), classes * rows, seed, labels=way)`."""
    labels = cast("Labels", way)
    return load(job, worker, name).sample(rows * len(classes), list(classes) * rows, seed, labels=labels)


def sample_one(job: Job, worker: ModelsOnDevice, request: Sample, position: int) -> Images:
    """Draw image `position` of a sample alone."""
    model = load(job, worker, request.model)
    return model.sample(1, label_of(model, request, position), request.seed, request.truncation, start=position)


def _sampled(job: Job, model: GAN, request: Sample, truncation: float | None) -> Images:
    """The images of a request; the job reports after every two passes of each thread, and can be cancelled there."""
    import torch

    from ..sampling.images import Images

    threads = torch.get_num_threads() if model.device.type == "cpu" else 1
    parts, done = [], 0
    for images in model.stream(request.n, request.label, request.seed, truncation, 2 * threads * model.chunk):
        parts.append(images)
        done += len(images)
        job.report(done, request.n, f"{model.config.name}: {done} of {request.n} images")
    return Images.cat(parts)


def label_of(model: GAN, request: Sample, position: int) -> int | None:
    """Return the class of one image of a sample; None without classes."""
    label = request.label
    if label is None:
        drawn = model.drawn_labels(1, request.seed, position)
        return None if drawn is None else int(drawn)
    return label if isinstance(label, int) else label[min(position, len(label) - 1)]


def images_of(model: GAN, z: Tensor, classes: Sequence[int] | None) -> Images:
    """Generate the images of given latents, each of its class; None for a model without classes."""
    from ..sampling.images import Images

    labels = model.trained_labels(classes, len(z))
    shown = model.check_label(classes, len(z), "aligned")
    return Images.from_float(model.generate(z, labels, exact=False), labels=shown, model=model.config.name)
