"""Pictures as bytes: images and matplotlib's figures. Figures are used without pyplot, which keeps global state."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from .errors import ZooError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image


def encoded(image: Image, suffix: str = ".png", **options) -> bytes:
    """The bytes of an image file of the format with this suffix; options of Pillow's `save`."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    image.save(buffer, format=Pillow.registered_extensions()[suffix], **options)
    return buffer.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches; raises ZooError where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ZooError(
            "plots need matplotlib, which is not installed; run: pip install 'contrastive-gan-zoo[eval]'"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def figure_png(figure: Figure, dpi: int, frames: bool = False) -> bytes:
    """A figure as a PNG file.

    Args:
        frames: keep the upper and the right side of the frame around each plot.
    """
    if not frames:
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # of scripts that the font does not have
        figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
