"""Open a file that may be an image, checking its format and size before decoding; and turn it into upright RGB.

What the numbers of a pixel mean:

- 8 bits, of any mode: as they are. CMYK, YCbCr, HSV and LAB are converted; palettes are looked up; 1 bit is black and
  white. Of an animation, the first frame counts.
- 16 bits: divided by 257, so that 65535 is 255. (Pillow itself reduces 16-bit colours to their upper 8 bits.)
- floating point: multiplied by 255, if all values are within 0 to 1; else refused.
- 32-bit integers: refused, as nothing says what white is.
- transparent: composited onto the background.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import DataCorruptedError, ZooError
from ..common.json_files import check_regular

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

# Pillow's other formats are not used for data sets, and some of them run programs (EPS).
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF", "AVIF")
_SIXTEEN_BITS = ("PNG", "PPM")  # of which older versions of Pillow read 16 bits as 32-bit integers


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
        if image.format == "TIFF":  # Pillow maps a file into memory in its upright shape, before it is turned
            image.close()
            return open_image(Path(source).read_bytes())
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


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Name the image in whatever goes wrong while it is opened and decoded.

    Raises:
        DataCorruptedError: the image cannot be read.
    """
    try:
        yield
    except (MemoryError, ZooError):
        raise
    except Exception as error:  # on damaged files Pillow raises anything from SyntaxError to struct.error
        raise DataCorruptedError(f"{where} cannot be read as an image ({error}); repair or remove it") from error


def to_rgb(image: Image, upright: bool = True, background: str = "white") -> Image:
    """Convert an image of any mode to 8-bit RGB, as the top of this file says.

    Args:
        upright: turn it as its EXIF orientation says.
        background: behind transparent pixels.

    Raises:
        ValueError: the range of the pixels is unknown.
    """
    from PIL import Image, ImageOps

    image_format = image.format
    if upright:
        image = _made(ImageOps.exif_transpose(image))
    if image.mode == "F":
        return Image.fromarray(_from_floats(image)).convert("RGB")
    if image.mode.startswith("I"):
        if image.mode == "I" and image_format not in (None, *_SIXTEEN_BITS):
            raise ValueError("its pixels are 32-bit integers, whose range is unknown; save it with 8 or 16 bits")
        image = _from_16_bits(image)
    if image.mode == "LAB":
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = _made(ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    return image if image.mode == "RGB" else image.convert("RGB")  # converting would copy


def _made(image: Image | None) -> Image:
    assert image is not None, "only functions that change an image in place return None"
    return image


def _from_floats(image: Image) -> np.ndarray:
    import numpy as np

    values = np.asarray(image)
    if not (values.min() >= 0 and values.max() <= 1):  # NaN is neither
        raise ValueError(
            f"its pixels are floating-point numbers from {values.min():g} to {values.max():g}, not within 0 to 1"
        )
    return (values * 255).round().astype(np.uint8)


def _from_16_bits(image: Image) -> Image:
    """Return a grey image, with alpha if one value is declared transparent; Pillow's own conversion would clip."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    grey = Image.fromarray((values / 257).round().clip(0, 255).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey
