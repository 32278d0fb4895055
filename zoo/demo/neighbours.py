"""Nearest training images: is a generated image a copy?

The distance is the root mean square difference of pixels (0 to 255), over the mirrored image too where the model was
trained with flips. The data itself sets the scale: how far training images are from the nearest other one. The verdict
is the share of these distances that are smaller than the generated image's.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..checkpoints import weights
from ..common.errors import DataUnavailableError
from ..evaluation.metrics.nearest import nearest as nearest_images
from ..evaluation.metrics.nearest import usual_distances
from ..schema import registry
from . import drawing, encoding
from .models import ModelsOnDevice
from .validation import Sample
from .workers import Job

if TYPE_CHECKING:
    from ..datasets import Dataset
    from ..sampling.images import Images
    from ..schema.config import ModelConfig
    from ..schema.entries import NearestTraining

_PROBES = 200  # training images whose own nearest neighbour is measured


@dataclass(frozen=True)
class Neighbours:
    """A generated image, and the training images nearest to it in order.

    Attributes:
        distances: of these training images, the nearest first.
        numbers: their places in the training split.
        own: sorted distances of some training images to the nearest other one.
        count: training images in all.
    """

    generated: Images
    images: Images
    distances: tuple[float, ...]
    numbers: tuple[int, ...]
    own: tuple[float, ...]
    count: int
    dataset: str

    @property
    def share(self) -> float:
        """The share of the training images that are nearer to another one than the generated image is to any."""
        return sum(distance < self.distances[0] for distance in self.own) / len(self.own)

    @property
    def verdict(self) -> str:
        return verdict(self.share, len(self.own))

    def html(self) -> str:
        first = _figure(self.generated, "generated", "the generated image")
        rest = [
            _figure(self.images[i : i + 1], f"no. {number:,}, {distance:.1f}", f"training image {number}")
            for i, (number, distance) in enumerate(zip(self.numbers, self.distances, strict=True))
        ]
        low, middle, high = (self.own[round(q * (len(self.own) - 1))] for q in (0.05, 0.5, 0.95))
        told = (
            f"The nearest of {self.count:,} training images of {self.dataset} is {self.distances[0]:.1f} away (root "
            f"mean square of pixels, 0 to 255). Of {len(self.own)} training images, {self.share:.0%} are nearer than "
            f"that to another one; the median is {middle:.1f}, and 90% lie from {low:.1f} to {high:.1f}."
        )
        return (
            f'<p class="zoo-verdict">{html.escape(self.verdict)}</p><div class="zoo-pair">{first}{"".join(rest)}</div>'
            f'<p class="zoo-caption">{html.escape(told)}</p>'
        )


def verdict(share: float, probes: int) -> str:
    """Say what the share of nearer training images means.

    Args:
        share: of `probes` training images that are nearer to another one than the generated image is to any.
    """
    if share == 0:
        return f"Nearer than any of {probes} training images is to another: this may be a copy. Look at the two."
    if share < 0.05:
        return f"Nearer than all but {share:.1%} of training images are to another: look at the two."
    if share < 0.25:
        return f"Nearer than most training images are to another, but {share:.0%} of them are nearer still: no copy."
    if share <= 0.75:
        return "About as near as training images are to each other: no copy."
    return f"Farther than {share:.0%} of training images are from another: no copy."


def recorded(config: ModelConfig, name: str) -> str:
    """Return what was measured of many images of these weights, as HTML; a sentence if nothing was."""
    found = weights.entry(config, registry.split_tag(name)[1]).nearest
    if found is None:
        return '<p class="zoo-caption">Nothing was recorded of how near many images of these weights are.</p>'
    told = (
        f"Recorded with these weights: of {found.images:,} generated images, the median is {found.median:g} from the "
        f"nearest training image and the smallest {found.smallest:g}; of training images from the nearest other one, "
        f"{found.training_median:g} and {found.training_smallest:g}."
    )
    return f'<p class="zoo-verdict">{verdict_of_many(found)}</p><p class="zoo-caption">{html.escape(told)}</p>'


def verdict_of_many(found: NearestTraining) -> str:
    """Say what the smallest of many distances to training images means."""
    if found.smallest < found.training_smallest:
        return f"One of {found.images:,} images is nearer than any two training images: look at it."
    return f"None of {found.images:,} images is as near as the two nearest training images are to each other: no copy."


def unavailable(reason: str) -> str:
    """Return why there is nothing to compare with, as HTML."""
    return f'<p class="zoo-caption">{html.escape(reason)}</p>'


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
        tuple(sorted(own.tolist())),
        len(data),
        request.config.data.dataset,
    )


def at_hand(config: ModelConfig) -> Dataset:
    """Return the training data of a model, for the device's process, which stays offline.

    Raises:
        DataUnavailableError: it has not been prepared here.
    """
    from .. import datasets

    data = config.data
    prepared = {
        (row["name"], found["split"], found["resolution"]) for row in datasets.overview() for found in row["prepared"]
    }
    try:
        if data.dataset == "digits" or (data.dataset, data.split, data.resolution) in prepared:
            return datasets.load_for(config)
    except DataUnavailableError:  # prepared in another way, and its files are gone
        pass
    raise DataUnavailableError(
        f"{data.dataset} is not prepared on this machine, so there is nothing to compare with; run: "
        f"zoo data prepare {config.name}"
    )


def _figure(images: Images, caption: str, alt: str) -> str:
    shown = encoding.picture(encoding.png(images[0]), alt)
    return f"<figure>{shown}<figcaption>{html.escape(caption)}</figcaption></figure>"
