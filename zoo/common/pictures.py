"""Encode images and matplotlib figures as bytes. Figures avoid pyplot, which keeps global state."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from . import extras
from .errors import ZooError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image


def encoded(image: Image, suffix: str = ".png", **options) -> bytes:
    """Return the bytes of an image file in the format of this suffix; `options` go to Pillow's `save`."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    image.save(buffer, format=Pillow.registered_extensions()[suffix], **options)
    return buffer.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches; raises ZooError if matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ZooError(
            f"plots need matplotlib, which is not installed; run: {extras.install('eval', 'matplotlib')}"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def figure_png(figure: Figure, dpi: int, frames: bool = False, texts: dict[str, str] | None = None) -> bytes:
    """Return the bytes of a figure as a PNG file.

    Args:
        frames: keep the top and right sides of the frame around each plot.
        texts: kept in the file by key, beside the pixels.
    """
    if not frames:
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # for scripts that the font lacks
        figure.savefig(buffer, format="png", dpi=dpi, metadata=texts)
    return buffer.getvalue()
