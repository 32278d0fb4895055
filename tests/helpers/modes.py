"""One picture in every mode of a file: what is stored, and what a reader should see."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

# How the stored pixels must be turned to be upright, by EXIF orientation, written without Pillow.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


class Mode(NamedTuple):
    """`make` turns pixels (H, W, 3) and alpha (H, W), 0 or 255, into an image; `see` into what it shows on a colour."""

    suffix: str
    make: Callable[[np.ndarray, np.ndarray], Image.Image]
    see: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def grey(rgb: np.ndarray) -> np.ndarray:
    return rgb[..., :1].repeat(3, 2)


def on(rgb: np.ndarray, alpha: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return np.where(alpha[..., None] > 0, rgb, colour)


def palette(rgb: np.ndarray) -> Image.Image:
    """Of sixteen greens and reds."""
    height, width = rgb.shape[:2]
    image = Image.frombytes("P", (width, height), (rgb[..., 0] // 16).tobytes())
    image.putpalette([value for i in range(16) for value in (i * 16, 255 - i * 16, 7)])
    return image


def through_palette(rgb: np.ndarray) -> np.ndarray:
    index = rgb[..., 0].astype(int) // 16
    return np.stack([index * 16, 255 - index * 16, np.full_like(index, 7)], 2).astype(np.uint8)


MODES = {
    "RGB": Mode(".png", lambda rgb, a: Image.fromarray(rgb), lambda rgb, a, c: rgb),
    "RGB bmp": Mode(".BMP", lambda rgb, a: Image.fromarray(rgb), lambda rgb, a, c: rgb),
    "L": Mode(".png", lambda rgb, a: Image.fromarray(rgb[..., 0]), lambda rgb, a, c: grey(rgb)),
    "1": Mode(
        ".png",
        lambda rgb, a: Image.fromarray(rgb[..., 0] > 127),
        lambda rgb, a, c: (grey(rgb) > 127) * np.uint8(255),
    ),
    "P": Mode(".png", lambda rgb, a: palette(rgb), lambda rgb, a, c: through_palette(rgb)),
    "I;16": Mode(
        ".png", lambda rgb, a: Image.fromarray(rgb[..., 0].astype(np.uint16) * 257), lambda rgb, a, c: grey(rgb)
    ),
    "I;16 tiff": Mode(
        ".tif", lambda rgb, a: Image.fromarray(rgb[..., 0].astype(np.uint16) * 257), lambda rgb, a, c: grey(rgb)
    ),
    "F": Mode(".tiff", lambda rgb, a: Image.fromarray(rgb[..., 0].astype("f4") / 255), lambda rgb, a, c: grey(rgb)),
    "CMYK": Mode(
        ".tif",
        lambda rgb, a: Image.frombytes(
            "CMYK", rgb.shape[1::-1], np.dstack([255 - rgb, np.zeros_like(rgb[..., 0])]).tobytes()
        ),
        lambda rgb, a, c: rgb,
    ),
    "RGBA": Mode(".png", lambda rgb, a: Image.fromarray(np.dstack([rgb, a])), on),
    "LA": Mode(
        ".png", lambda rgb, a: Image.fromarray(np.dstack([rgb[..., 0], a])), lambda rgb, a, c: on(grey(rgb), a, c)
    ),
    "RGBA webp": Mode(".webp", lambda rgb, a: Image.fromarray(np.dstack([rgb, a])), on),
}


def write(path, rgb: np.ndarray, alpha: np.ndarray, mode: str, orientation: int = 1) -> None:
    """Write what is seen as `rgb` and `alpha`, stored in another orientation."""
    stored = [np.ascontiguousarray(STORED[orientation](part)) for part in (rgb, alpha)]
    exif = Image.Exif()
    exif[0x112] = orientation
    with_exif = {} if orientation == 1 else {"exif": exif}
    MODES[mode].make(*stored).save(path, **with_exif, **({"lossless": True, "exact": True} if "webp" in mode else {}))
