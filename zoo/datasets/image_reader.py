"""Open a file that may be an image, checking its format and size before decoding."""

from __future__ import annotations

import io
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.json_files import check_regular

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow's other formats are not used for data sets, and some of them run programs (EPS).
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF", "AVIF")


def open_image(source: str | Path | bytes) -> Image:
    """Open the image of a file or of its bytes, which is decoded on access; the caller closes it.

    Raises:
        OSError: the file cannot be opened, or is not an image.
        UnreadableError: the file is not a regular file.
        ValueError: the image has more pixels than PIL.Image.MAX_IMAGE_PIXELS.
        Exception: Pillow's errors for damaged files have no common base.
    """
    from PIL import Image

    if isinstance(source, bytes):
        image = Image.open(io.BytesIO(source), formats=_formats())
    else:
        check_regular(Path(source).stat().st_mode)  # a pipe would block
        image = Image.open(source, formats=_formats())
    (width, height), limit = image.size, Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        image.close()
        raise ValueError(f"it has {width}x{height} pixels; at most {limit:,} are allowed; make it smaller")
    return image


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats that this Pillow was built with."""
    from PIL import Image

    # Pillow only warns at up to twice the limit, which is refused above.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning, append=True)
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)
