"""What the discriminator sees: its score of each image, the best of many, and a map of its embedding."""

from __future__ import annotations

import html
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..common.errors import WeightsUnavailableError
from ..evaluation.embedding_map import COLOURS, NEIGHBOURS, nearest, plane, purity
from ..schema import labels
from . import drawing, encoding
from .models import ModelsOnDevice
from .workers import Job

if TYPE_CHECKING:
    import numpy as np

    from ..sampling.gan import GAN
    from ..sampling.images import Images

_KEPT = 8  # sets of judged images that are kept, so that a slider does not judge them again
_SIDE = 1 / 24  # of the map's width that an image takes
_LETTER, _LINE = 0.012, 0.045  # of the width and the height of the map, about, that a name takes


@dataclass(frozen=True)
class Judged:
    """Generated images in the order of their scores, the highest first; a higher score is more real to it."""

    images: Images
    scores: tuple[float, ...]
    names: tuple[str, ...]  # of the classes asked for; empty without classes


@dataclass(frozen=True)
class Map:
    """Images in a plane, by what the discriminator's embedding says of them.

    Attributes:
        places: (N, 2), from 0 to 1.
        classes: of the images; empty without classes.
        centres: (classes, 2), the embeddings of the classes; None for heads without them.
        purity: share of the nearest neighbours of each image, in the embedding, that are of its class.
        right: share of the images that are nearest to the embedding of their own class.
    """

    images: Images
    places: np.ndarray
    classes: tuple[int, ...]
    centres: np.ndarray | None
    purity: float | None
    right: float | None


_judged: OrderedDict[tuple, Judged] = OrderedDict()  # in the device's process


def judge(job: Job, worker: ModelsOnDevice, name: str, n: int, seed: int) -> Judged:
    """Draw n images, each class in equal parts, and order them by the score of the model's discriminator."""
    key = (name, n, seed)
    if key not in _judged:
        model = _with_discriminator(job, worker, name)
        images = _drawn(job, model, n, seed)
        scores = model.score(images)
        order = scores.argsort(descending=True)
        names = () if images.labels is None else tuple(model.class_names[i] for i in images.labels[order])
        _judged[key] = Judged(images[order], tuple(scores[order].tolist()), names)
        while len(_judged) > _KEPT:
            _judged.popitem(last=False)
    return _judged[key]


def embed(job: Job, worker: ModelsOnDevice, name: str, n: int, seed: int, method: str) -> Map:
    """Lay n images out in a plane by their 2C embedding, or by the discriminator's features where it has none."""
    import torch

    model = _with_discriminator(job, worker, name)
    images = _drawn(job, model, n, seed)
    job.report(0, 0, "laying them out")
    points = model.embeddings(images) if model.has_embeddings else model.features(images)
    centres = model.class_embeddings() if model.has_embeddings else None
    together = points if centres is None else torch.cat([points, centres])
    placed = plane(together.numpy(), method)
    classes = () if images.labels is None else tuple(images.labels.tolist())
    placed_centres = None if centres is None else placed[n:]
    return Map(images, placed[:n], classes, placed_centres, purity(points, classes), nearest(points, centres, classes))


def ranking(judged: Judged, keep: int) -> str:
    """Return the images as HTML, the best first, with their scores; all but the best `keep` are dimmed."""
    figures = []
    for i, (image, score) in enumerate(zip(judged.images, judged.scores, strict=True)):
        of = judged.names[i] if judged.names else ""
        alt = f"no. {i + 1}, score {_score(score)}" + (f", {of}" if of else "")
        out = "" if i < keep else ' class="zoo-out"'
        shown = encoding.picture(encoding.png(image), alt)
        figures.append(f"<figure{out}>{shown}<figcaption>{_score(score)}</figcaption></figure>")
    n = len(judged.scores)
    mean, best = sum(judged.scores) / n, sum(judged.scores[:keep]) / keep
    told = f"The best {keep} of {n} are kept: mean score {_score(best)}, against {_score(mean)} of all."
    return f'<p class="zoo-verdict" role="status">{told}</p><div class="zoo-ranked">{"".join(figures)}</div>'


def _score(value: float) -> str:
    return f"{round(value, 2) + 0:.2f}"  # without the minus of -0.00


def apart(places: Sequence[tuple[float, float]], names: Sequence[str]) -> list[tuple[float, float]]:
    """Return places, in shares of the map, moved down until no two names lie over each other."""
    order = sorted(range(len(places)), key=lambda i: places[i][1])
    found: dict[int, tuple[float, float]] = {}
    for i in order:
        x, y = places[i]
        for j in sorted(found, key=lambda j: found[j][1]):
            near = abs(x - found[j][0]) < (len(names[i]) + len(names[j]) + 4) * _LETTER / 2
            if near and abs(y - found[j][1]) < _LINE:
                y = found[j][1] + _LINE
        found[i] = x, y
    return [found[i] for i in range(len(places))]


def drawn_map(found: Map, names: Sequence[str], told: str) -> str:
    """Return the map as HTML: the images in frames of the colour of their class, and the names at the class centres."""
    side, high = _SIDE, _SIDE * 4 / 3  # of the map's width and of its height
    marks = []
    for i, (image, (x, y)) in enumerate(zip(found.images, found.places, strict=True)):
        colour = COLOURS[found.classes[i] % len(COLOURS)] if found.classes else "transparent"
        alt = names[found.classes[i]] if found.classes else f"image {i}"
        style = f"left: {x * (1 - side):.1%}; top: {y * (1 - high):.1%}; border-color: {colour}"
        marks.append(encoding.picture(encoding.png(image), alt, style=style))
    centres = []
    for (x, y), name in zip([] if found.centres is None else found.centres.tolist(), names, strict=False):
        half = (len(name) + 2) * _LETTER / 2  # a name at the edge stays on the map
        centres.append((min(max(x * (1 - side) + side / 2, half), 1 - half), y * (1 - high) + high / 2))
    for (x, y), name in zip(apart(centres, names), names, strict=False):
        marks.append(f'<strong style="left: {x:.1%}; top: {y:.1%}">{html.escape(name)}</strong>')
    share = ""
    if found.right is not None:
        share = f" {found.right:.0%} of the images are nearest to the embedding of the class asked for."
    if found.purity is not None:
        share += f" Of the {NEIGHBOURS} images nearest to one in the embedding, {found.purity:.0%} are of its class."
    return f'<div class="zoo-map" role="group" aria-label="map of images">{"".join(marks)}</div>' + (
        f'<p class="zoo-caption">{html.escape(told + share)}</p>'
    )


def _with_discriminator(job: Job, worker: ModelsOnDevice, name: str) -> GAN:
    model = drawing.load(job, worker, name)
    if not model.has_discriminator:
        raise WeightsUnavailableError(f"the discriminator of {name} is not on this machine")
    return model


def _drawn(job: Job, model: GAN, n: int, seed: int) -> Images:
    from ..sampling.images import Images

    classes = None if not model.num_classes else labels.spread(model.config, ["all"], n)
    parts, done = [], 0
    for images in model.stream(n, classes, seed, batch_size=32):
        parts.append(images)
        done += len(images)
        job.report(done, n, f"{done} of {n} images")
    return Images.cat(parts)
