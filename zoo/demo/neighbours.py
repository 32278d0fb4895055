"""Nearest training images: is a generated image a copy?

The distance is the root mean square difference of pixels (0 to 255), over the mirrored image too where the model was
trained with flips. The data itself sets the scale: the usual distance of a training image from its own nearest
neighbour.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..common.errors import DataUnavailableError
from ..evaluation.metrics.nearest import nearest as nearest_images
from ..evaluation.metrics.nearest import usual_distances
from . import drawing, encoding
from .models import ModelsOnDevice
from .validation import Sample
from .workers import Job

if TYPE_CHECKING:
    from ..datasets import Dataset
    from ..sampling.images import Images
    from ..schema.config import ModelConfig

_PROBES = 64  # training images whose own nearest neighbour is measured


@dataclass(frozen=True)
class Neighbours:
    """A generated image, the training images nearest to it in order, and the usual distances."""

    generated: Images
    images: Images
    distances: tuple[float, ...]
    numbers: tuple[int, ...]  # in the training split
    usual: float  # median distance of a training image to the nearest other one
    closest: float  # and the smallest of those distances
    count: int
    dataset: str

    @property
    def verdict(self) -> str:
        nearest = self.distances[0]
        if nearest < self.closest:
            return "Closer than any two training images that were compared: this may be a copy."
        if nearest < 0.75 * self.usual:
            return "Closer than training images usually are to each other: look at the two."
        return "As far from the training images as they are from each other, or farther: no copy."

    def html(self) -> str:
        first = _figure(self.generated, "generated", "the generated image")
        rest = [
            _figure(self.images[i : i + 1], f"no. {number:,}, {distance:.1f}", f"training image {number}")
            for i, (number, distance) in enumerate(zip(self.numbers, self.distances, strict=True))
        ]
        told = (
            f"{self.verdict} Nearest: {self.distances[0]:.1f}; a training image of {self.dataset} is usually "
            f"{self.usual:.1f} from the nearest other one (root mean square of pixels, {self.count:,} images)."
        )
        return f'<p class="zoo-caption">{html.escape(told)}</p><div class="zoo-pair">{first}{"".join(rest)}</div>'


def nearest(job: Job, worker: ModelsOnDevice, request: Sample, position: int, count: int) -> Neighbours:
    """Find the training images nearest to image `position` of a sample.

    Raises:
        DataUnavailableError: the data set has not been prepared here; nothing is downloaded for a visitor.
    """
    from ..sampling.images import Images

    def report_progress(done: int, total: int) -> None:
        job.report(done, total, "comparing with the training images")

    data = at_hand(request.config)
    generated = drawing.sample_one(job, worker, request, position)
    found = nearest_images(generated.uint8, data.images, count, request.config.data.flip, report_progress)
    own = usual_distances(data.images, _PROBES, report_progress)
    (numbers,) = found.numbers
    return Neighbours(
        generated,
        Images(data.images[numbers].contiguous()),
        tuple(found.distances[0].tolist()),
        tuple(numbers.tolist()),
        float(own.median()),
        float(own.min()),
        len(data),
        request.config.data.dataset,
    )


def at_hand(config: ModelConfig) -> Dataset:
    """Return the training data of a model, if its prepared form is available offline."""
    from .. import datasets

    data = config.data
    prepared = {
        (row["name"], found["split"], found["resolution"]) for row in datasets.overview() for found in row["prepared"]
    }
    if data.dataset != "digits" and (data.dataset, data.split, data.resolution) not in prepared:
        raise DataUnavailableError(
            f"{data.dataset} is not prepared on this machine, so there is nothing to compare with; run: "
            f"zoo data prepare {config.name}"
        )
    return datasets.load_for(config)


def _figure(images: Images, caption: str, alt: str) -> str:
    shown = encoding.picture(encoding.png(images[0]), alt)
    return f"<figure>{shown}<figcaption>{html.escape(caption)}</figcaption></figure>"
