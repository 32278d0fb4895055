"""One picture of many prepared ones, with the names of their classes: is this what is meant?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import UsageError, ZooError
from ..common.files import write_atomically
from ..common.numbers import evenly_spaced
from ..common.pictures import encoded
from ..common.text import cut

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from .dataset import Dataset

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_COLUMNS, _ROWS = 10, 10  # without classes
_CLASSES = 30  # the first ones are shown
_TILE = 64  # pixels; smaller pictures are shown larger, with the pixels as squares
_LINE = 18  # pixels of a line of text


def write(dataset: Dataset, path: Path) -> None:
    """Write a contact sheet in the format of the suffix; an earlier one is replaced.

    Raises:
        ZooError: the suffix is none of a picture, or the file cannot be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path} has no suffix of a picture; give a name that ends with .png")
    try:
        write_atomically(path, encoded(draw(dataset), path.suffix.lower()))
    except OSError as error:
        raise ZooError(f"{path} cannot be written ({error.strerror or error}); give another file") from None


def draw(dataset: Dataset) -> Image:
    """Draw up to a hundred evenly spaced pictures; or, with classes, a row of each of the first thirty."""
    from PIL import Image, ImageDraw

    rows = _rows(dataset)
    side = dataset.images.shape[-1]
    tile = side * max(1, _TILE // side)
    titled = any(title for title, _ in rows)
    height = tile + 2 + (_LINE if titled else 0)
    sheet = Image.new("RGB", (_COLUMNS * (tile + 2) + 2, len(rows) * height + 2), "white")
    pen, font = ImageDraw.Draw(sheet), _font()
    for i, (title, indices) in enumerate(rows):
        top = i * height + 2
        if titled:
            pen.text((4, top), cut(title, tile * _COLUMNS // 8), "black", font)
            top += _LINE
        for j, index in enumerate(indices):
            pixels = dataset.images[index].permute(1, 2, 0).numpy()
            picture = Image.fromarray(pixels).resize((tile, tile), Image.Resampling.NEAREST)
            sheet.paste(picture, (j * (tile + 2) + 2, top))
    return sheet


def _rows(dataset: Dataset) -> list[tuple[str, list[int]]]:
    """Return the title and the pictures of every row."""
    import numpy as np

    if dataset.num_classes == 1:
        chosen = _spread(np.arange(len(dataset)), _COLUMNS * _ROWS)
        return [("", chosen[i : i + _COLUMNS]) for i in range(0, len(chosen), _COLUMNS)]
    labels, rows = dataset.labels.numpy(), []
    for label in range(min(dataset.num_classes, _CLASSES)):
        members = np.flatnonzero(labels == label)
        name = dataset.class_names[label] if dataset.class_names else ""
        rows.append((f"{label}  {name} ({len(members):,})", _spread(members, _COLUMNS)))
    more = dataset.num_classes - len(rows)
    return [*rows, (f"and {more:,} more classes", [])] if more else rows


def _font():
    """Return matplotlib's font, which has the letters of most of Europe, if it is installed; else Pillow's ASCII."""
    from importlib.util import find_spec

    from PIL import ImageFont

    matplotlib = find_spec("matplotlib")
    if matplotlib and matplotlib.origin:
        return ImageFont.truetype(Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", 13)
    return ImageFont.load_default(13)


def _spread(members: np.ndarray, count: int) -> list[int]:
    """Return up to `count` evenly spaced members."""
    return [int(members[i]) for i in evenly_spaced(count, len(members))]
