"""The papers' figures of samples, laid out as there: a sheet of each model, and one row of images per class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo.common.errors import UsageError
from zoo.sampling.loading import load
from zoo.schema import labels

if TYPE_CHECKING:
    from PIL.Image import Image

    from zoo.sampling.gan import GAN

    from .paper import Paper, Part

ROWS = COLUMNS = 10
SEED = 0
_TITLE, _GAP = 16, 8  # pixels


def draw(found: Paper, part: Part, models: Sequence[str] = (), device: str = "auto") -> Image:
    """Draw a figure of samples.

    Args:
        models: draw these instead of the figure's own, by name or folder.

    Raises:
        UsageError: the part shows no samples.
        ZooError: a model cannot be loaded; the message says why.
    """
    if not part.samples:
        figures = [other.id for other in found.parts if other.samples]
        raise UsageError(f"{found.name} {part.id} shows no samples; {', '.join(figures)} do")
    names = list(models) or [sheet.model for sheet in part.samples]
    sheets = []
    for name in names:
        model = load(name, device=device)
        sheets.append((f"{model.config.name}@{model.tag}" if model.tag else name, _sheet(model)))
    return _side_by_side(sheets, part.columns)


def _sheet(model: GAN) -> Image:
    """Draw ten rows of ten; where there are classes, a row is of one, and more than ten are evenly spaced."""
    classes = labels.evenly_spaced(model.config, ROWS)
    label = [row for row in classes for _ in range(COLUMNS)] or None
    return model.sample(len(label) if label else ROWS * COLUMNS, label, seed=SEED).grid(COLUMNS)


def _side_by_side(sheets: Sequence[tuple[str, Image]], columns: int) -> Image:
    """Put sheets in rows, each below its title; not a pixel of them is resampled."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    width = max(max(sheet.width for _, sheet in sheets), 6 * max(len(title) for title, _ in sheets)) + _GAP
    lines = [sheets[i : i + columns] for i in range(0, len(sheets), columns)]
    heights = [max(sheet.height for _, sheet in line) + _TITLE + _GAP for line in lines]
    picture = Pillow.new("RGB", (width * min(columns, len(sheets)), sum(heights)), "white")
    drawing = ImageDraw.Draw(picture)
    for row, line in enumerate(lines):
        for column, (title, sheet) in enumerate(line):
            left, top = column * width + _GAP // 2, sum(heights[:row])
            drawing.text((left, top + 2), title, fill="black")
            picture.paste(sheet, (left, top + _TITLE))
    return picture
