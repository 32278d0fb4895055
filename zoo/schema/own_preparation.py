"""How a user's own pictures become squares of the resolution of a model."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from .architecture import ConfigPart
from .bounds import Word

Crop = Literal["centre", "random", "none"]
Resize = Literal["lanczos", "bicubic", "bilinear", "nearest", "none"]


class OwnPreparation(ConfigPart):
    """Upright, on a background where transparent; then a square of the picture, and its size.

    Attributes:
        crop: the square: "centre"; "random", one place for each picture, the same in every epoch; or "none", the whole
            picture, squeezed where it is not square.
        resize: Pillow's filter, all but "nearest" antialiased. "none" keeps the pixels: the square that is cropped has
            the resolution, and smaller pictures are refused.
        background: behind transparent pixels, a name ("white") or "#rrggbb".
    """

    crop: Crop = "centre"
    resize: Resize = "lanczos"
    background: Word = "#ffffff"

    @field_validator("background")
    @classmethod
    def _as_hexadecimal(cls, colour: str) -> str:
        from PIL import ImageColor

        try:
            channels = ImageColor.getrgb(colour)
        except ValueError:
            channels = ()
        if len(channels) != 3:
            raise ValueError('is no colour; give a name, such as "white", or "#rrggbb"')
        return "#{:02x}{:02x}{:02x}".format(*channels)
