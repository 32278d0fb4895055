"""Opening a file that may be an image: what it is, and how large, is known before anything is decoded."""

from __future__ import annotations

import io
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.json_files import check_regular

if TYPE_CHECKING:
    from PIL.Image import Image

# Of the other formats that Pillow reads, some run programs (EPS), and none is what a data set is made of.
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF", "AVIF")


def open_image(source: str | Path | bytes) -> Image:
    """The image of a file or of its bytes, which is decoded as it is used; to be closed by who asked for it.

    Raises:
        OSError: it cannot be opened, or is no image.
        UnreadableError: it is no regular file.
        ValueError: it has more pixels than PIL.Image.MAX_IMAGE_PIXELS.
        Exception: what Pillow makes of damaged files, which has no common base.
    """
    from PIL import Image

    if isinstance(source, bytes):
        image = Image.open(io.BytesIO(source), formats=_formats())
    else:
        check_regular(Path(source).stat().st_mode)  # a pipe would be waited for
        image = Image.open(source, formats=_formats())
    (width, height), limit = image.size, Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        image.close()
        raise ValueError(f"it has {width}x{height} pixels, and {limit:,} are allowed; make it smaller")
    return image


@cache
def _formats() -> tuple[str, ...]:
    """Those that this Pillow was built with."""
    from PIL import Image

    # Pillow warns where the size is between once and twice the limit, which is refused here.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning, append=True)
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)
