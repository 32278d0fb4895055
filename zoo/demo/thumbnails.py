"""Thumbnails of models: a few images of the sheet that ships with the card, or of the first that were drawn here."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING

from ..release import card as cards
from ..schema.config import ModelConfig
from . import encoding

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..sampling.images import Images

COLUMNS, ROWS = 5, 2
_MOST, _SIDE = 200, 64  # thumbnails kept of models without a sheet; pixels of an image in them
_PADDING = 2  # between the images of a sheet

_drawn: OrderedDict[str, bytes] = OrderedDict()
_lock = threading.Lock()


def of(config: ModelConfig) -> bytes | None:
    """Return a thumbnail as PNG; None if the card has no sheet, and nothing of the model was drawn."""
    return _of_sheet(config.name) if cards.has_sheet(config) else _drawn.get(config.name)


def remember(config: ModelConfig, images: Images) -> None:
    """Make the thumbnail of a model without a sheet from images of it, if it has none."""
    if cards.has_sheet(config) or config.name in _drawn or len(images) < COLUMNS * ROWS:
        return
    every = len(images) // (COLUMNS * ROWS)  # through all classes where they come one after the other
    data = mosaic([image.resize((_SIDE, _SIDE)) for image in images[:: every or 1].pil()])
    with _lock:
        _drawn[config.name] = data
        while len(_drawn) > _MOST:
            _drawn.popitem(last=False)


@lru_cache(maxsize=256)
def _of_sheet(name: str) -> bytes | None:
    from PIL import Image

    from ..schema import registry

    config = registry.config(name)
    path = cards.pictures_dir() / cards.sheet_filename(config)
    if not path.is_file():
        return None
    with Image.open(path) as sheet:
        return mosaic(tiles(sheet.convert("RGB"), config.generator.resolution))


def tiles(sheet: Image, side: int) -> list[Image]:
    """Return images of a sheet, spread over its rows, which are classes where a model has them.

    Args:
        side: of an image, in pixels.
    """
    step = side + _PADDING
    columns, rows = (sheet.width - _PADDING) // step, (sheet.height - _PADDING) // step
    wanted, found = COLUMNS * ROWS, []
    for i in range(wanted):
        row, column = i * rows // wanted, (3 * i) % columns
        left, top = _PADDING + column * step, _PADDING + row * step
        found.append(sheet.crop((left, top, left + side, top + side)))
    return found


def mosaic(images: list[Image]) -> bytes:
    """Return the first images as one PNG of COLUMNS x ROWS, side by side."""
    from PIL import Image

    width, height = images[0].size
    canvas = Image.new("RGB", (width * COLUMNS, height * ROWS))
    for i, image in enumerate(images[: COLUMNS * ROWS]):
        canvas.paste(image, (i % COLUMNS * width, i // COLUMNS * height))
    return encoding.png(canvas)
