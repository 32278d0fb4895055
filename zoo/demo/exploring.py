"""What one slider of the Explore tab moves: a frame of pictures for each of its positions, and the film of them all."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..schema import labels
from . import drawing, encoding
from .models import ModelsOnDevice
from .validation import Sample
from .workers import Job

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ..sampling.gan import GAN
    from ..sampling.images import Images

BETWEEN, CLASSES, AROUND, TRUNCATION, MODELS = "between", "classes", "around", "truncation", "models"
KINDS = {
    BETWEEN: "Between two seeds",
    CLASSES: "Same latents, each class",
    AROUND: "Around one image",
    TRUNCATION: "Truncation",
    MODELS: "Two models",
}
MOST_CLASSES = 10  # side by side
_IMAGES, _COLUMNS = 10, 5
_LATENTS = 3  # rows of a frame by class
_DIRECTIONS, _STEPS = 3, 9  # around one image
_FRAMES = 20  # of a film, one way


@dataclass(frozen=True)
class Slider:
    """The slider of a kind of exploration."""

    label: str
    smallest: float
    largest: float
    value: float


_WAY = Slider("From one seed (0) to the other (1)", 0, 1, 0.5)
SLIDERS = {
    BETWEEN: _WAY,
    CLASSES: _WAY,
    MODELS: _WAY,
    AROUND: Slider("How far to walk; 1: as far as an unrelated image", 0.05, 1, 0.5),
    TRUNCATION: Slider("Truncation: latents beyond this are drawn again", 0.1, 2.5, 0.7),
}


@dataclass(frozen=True)
class Exploration:
    """A checked request.

    Attributes:
        request: model, seed, classes and truncation; of AROUND those of the sample that holds the image.
        other: the seed at the other end of the way.
        number: of the image that AROUND starts from.
        second: the other model of MODELS.
        at: position of the slider.
    """

    kind: str
    request: Sample
    other: int
    number: int
    second: str | None
    at: float


@dataclass(frozen=True)
class Panel:
    """Images in columns, under a heading and the titles of the columns, where there are some."""

    images: Images
    columns: int
    heading: str = ""
    titles: tuple[str, ...] = ()


def frame(job: Job, worker: ModelsOnDevice, asked: Exploration) -> list[Panel]:
    """Draw the pictures at one position of the slider."""
    models = [asked.request.model] + ([asked.second] if asked.kind == MODELS and asked.second else [])
    panels = [_panel(drawing.load(job, worker, name), asked) for name in models]
    if len(models) == 1:
        return panels
    return [replace(panel, heading=name) for panel, name in zip(panels, models, strict=True)]


def film(job: Job, worker: ModelsOnDevice, asked: Exploration) -> list[Image]:
    """Draw the frames of a film through all positions of the slider and back, all panels side by side."""
    slider = SLIDERS[asked.kind]
    frames = []
    for i in range(_FRAMES):
        at = slider.smallest + (slider.largest - slider.smallest) * i / (_FRAMES - 1)
        frames.append(side_by_side(frame(job, worker, replace(asked, at=at))))
        job.report(i + 1, _FRAMES, f"{i + 1} of {_FRAMES} frames")
    return [*frames, *frames[-2:0:-1]]


def side_by_side(panels: Sequence[Panel]) -> Image:
    """Return the grids of panels as one picture."""
    from PIL import Image

    grids = [panel.images.grid(panel.columns) for panel in panels]
    height = max(grid.height for grid in grids)
    if len(grids) > 1:  # models of different sizes are shown at the same size
        grids = [grid.resize((grid.width * height // grid.height, height), Image.Resampling.NEAREST) for grid in grids]
    canvas = Image.new("RGB", (sum(grid.width for grid in grids), height), "white")
    left = 0
    for grid in grids:
        canvas.paste(grid, (left, 0))
        left += grid.width
    return canvas


def shown(panels: Sequence[Panel], told: str) -> str:
    """Return panels as HTML, with a caption."""
    made = []
    for panel in panels:
        alt = ", ".join(part for part in (panel.heading or told, f"{len(panel.images)} images") if part)
        heading = f"<h3>{html.escape(panel.heading)}</h3>" if panel.heading else ""
        if panel.titles:
            drawn = encoding.by_title(encoding.columns(panel.images, panel.titles), panel.titles, alt)
        else:
            drawn = encoding.picture(encoding.grid(panel.images, panel.columns), alt)
        made.append(f"<section>{heading}{drawn}</section>")
    kind = "zoo-sidebyside" if len(panels) > 1 else "zoo-alone"
    return f'<div class="{kind}">{"".join(made)}</div><p class="zoo-caption">{html.escape(told)}</p>'


def _panel(model: GAN, asked: Exploration) -> Panel:
    if asked.kind == CLASSES:
        return _by_class(model, asked)
    if asked.kind == AROUND:
        return _around(model, asked)
    request = asked.request
    if asked.kind == TRUNCATION:
        n = 2 * _IMAGES
        images = model.sample(n, _classes(model, request, n), request.seed, asked.at)
        return Panel(images, _IMAGES)
    z = between(model.latents(_IMAGES, request.seed), model.latents(_IMAGES, asked.other), asked.at)
    return Panel(drawing.images_of(model, z, _classes(model, request, _IMAGES)), _COLUMNS)


def _classes(model: GAN, request: Sample, n: int) -> list[int] | None:
    """Return the classes of n images: the one that was asked for, else each class of the model in turn."""
    if not model.num_classes:
        return None
    if request.model == model.config.name and isinstance(request.classes, tuple):
        return [request.classes[0]] * n
    shown = min(n, model.num_classes)
    return [i * shown // n for i in range(n)]


def _by_class(model: GAN, asked: Exploration) -> Panel:
    first = asked.request.classes[0] if isinstance(asked.request.classes, tuple) else 0
    chosen = [(first + i) % model.num_classes for i in range(min(MOST_CLASSES, model.num_classes))]
    z = between(model.latents(_LATENTS, asked.request.seed), model.latents(_LATENTS, asked.other), asked.at)
    images = drawing.images_of(model, z.repeat_interleave(len(chosen), 0), chosen * _LATENTS)
    names = labels.class_names(model.config)
    return Panel(images, len(chosen), titles=tuple(names[i] for i in chosen))


def _around(model: GAN, asked: Exploration) -> Panel:
    """Each row turns the latent of one image towards another one, by up to `at` of a right angle.

    The latent at angle t is cos(t) z + sin(t) w with w from N(0, 1), which is again from N(0, 1).
    """
    import torch

    request, number = asked.request, asked.number
    z = model.latents(1, request.seed, start=number, truncation=request.truncation)
    others = model.latents(_DIRECTIONS, request.seed ^ 0x5EED, start=number + 1)
    angles = torch.linspace(0, asked.at * math.pi / 2, _STEPS)[:, None]
    path = torch.cat([torch.cos(angles) * z + torch.sin(angles) * w[None] for w in others])
    label = drawing.label_of(model, request, number)
    return Panel(drawing.images_of(model, path, None if label is None else [label] * len(path)), _STEPS)


def between(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Return the latents (N, D) at t on the great circles from each row of a to that of b."""
    import torch

    from ..sampling.latents import great_circle

    at = torch.tensor([[t]])
    return torch.cat([great_circle(a[i : i + 1], b[i : i + 1], at) for i in range(len(a))])
