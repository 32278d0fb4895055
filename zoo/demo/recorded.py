"""What was recorded while bundled weights were trained: the same latents from step to step, scores, curves.

The record is a picture beside the model's card, with a row of images for each of a few steps; it is taken apart here.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ..release import card as cards
from ..release import run_log, run_plots, run_record
from ..schema import registry
from ..schema.config import ModelConfig
from . import encoding, links

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

_LEAST = 20  # pixels: images are wider and higher, titles are not
_WHITE = 250
_GAP = 0.06  # of the side of an image, about


@dataclass(frozen=True)
class Moment:
    """A row of the record: the images at one step, as PNGs; the step is None where the record does not say it."""

    step: int | None
    pictures: tuple[bytes, ...]


@lru_cache(maxsize=32)
def moments(name: str) -> tuple[Moment, ...]:
    """Return the recorded moments of a model's training in order; none if nothing is recorded."""
    config = registry.config(name)
    path = cards.pictures_dir() / cards.record_filenames(config).over_time
    if not cards.has_record(config) or not path.is_file():
        return ()
    from PIL import Image

    with Image.open(path) as picture:
        steps = [int(step) for step in picture.info.get(run_record.STEPS, "").split()]
        rows = strips(picture.convert("RGB"))
    if len(steps) != len(rows):
        steps = [None] * len(rows)
    return tuple(
        Moment(step, tuple(encoding.png(image) for image in _pictures(row)))
        for step, row in zip(steps, rows, strict=True)
    )


def strips(picture: Image) -> list[Image]:
    """Cut the rows of images out of a picture of rows, without the titles beside and above them."""
    import numpy as np

    ink = np.any(np.asarray(picture) < _WHITE, axis=2)
    bands = list(_runs(np.any(ink, axis=1)))
    cells = [list(_runs(np.any(ink[top:bottom], axis=0))) for top, bottom in bands]
    left, right = min(row[0][0] for row in cells if row), max(row[-1][1] for row in cells if row)
    return [picture.crop((left, top, right, bottom)) for top, bottom in bands]


def _pictures(row: Image) -> list[Image]:
    """Cut the square images out of a row of them, which are equally far from each other."""
    side = row.height
    count = round((row.width / side + _GAP) / (1 + _GAP))
    step = (row.width - side) / max(1, count - 1)
    return [row.crop((round(i * step), 0, round(i * step) + side, side)) for i in range(count)]


def _runs(filled: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each run of true values that is long enough to be an image."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate(([0], filled.astype(np.int8), [0]))))
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - start > _LEAST:
            yield start, end


def shown(config: ModelConfig, position: int) -> str:
    """Return one moment as HTML: the step, the scores at it, and the images under the names of their classes."""
    moment = moments(config.name)[position]
    step = f"moment {position + 1}" if moment.step is None else f"step {moment.step:,}"
    count = len(moment.pictures)
    titles = run_record.column_titles(config) or [f"{i + 1}" for i in range(count)]
    scores = "" if moment.step is None else scores_at(config, moment.step)
    shown = encoding.by_title(moment.pictures, titles[:count], f"the same latents after {step}")
    told = f'<p class="zoo-caption">{html.escape(scores)}</p>'
    return f'<p class="zoo-verdict">After {step} of the generator</p>{shown}{told}'


def scores_at(config: ModelConfig, step: int) -> str:
    """Return the scores that were logged nearest to a step, in a line; empty if none were."""
    path = cards.pictures_dir() / cards.record_filenames(config).log
    logged = [(record, run_plots.scores_of(record)) for record in run_log.read_log(path)[0]]
    scored = [(record["step"], scores) for record, scores in logged if scores]
    if not scored:
        return ""
    at, scores = min(scored, key=lambda pair: abs(pair[0] - step))
    told = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
    return f"{told} (logged at step {at:,.0f})"


def curves(config: ModelConfig) -> str:
    """Return the curves of a training that is recorded, as HTML."""
    path = cards.pictures_dir() / cards.record_filenames(config).curves
    title = "Losses and scores over the training"
    picture = encoding.picture(path.read_bytes(), title)
    return f'<p class="zoo-caption">{title}</p><div class="zoo-plot">{picture}</div>'


def nothing(config: ModelConfig) -> str:
    """Say that nothing is recorded, and which models have a record."""
    names = [name for name in registry.names() if cards.has_record(registry.config(name))]
    told = f"No pictures of the training of {html.escape(config.name)} were recorded."
    return f'<p class="zoo-caption">{told} These have some: {links.to_tab(names, "training")}.</p>'
