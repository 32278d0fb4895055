"""Prepare an image of any size and mode as (S, S, 3) uint8, once for all runs.

Published scores depend on the crop and the filter, so these follow the reference code:

- Mimicry (torch_mimicry/datasets/data_utils.py) crops the centre (CelebA 178, ImageNet 224, LSUN 256 pixels; smaller
  images, of which ImageNet has some, are padded with black) and resizes with Pillow's bilinear filter. Its ImageNet 32
  is made in the same way from the full images; it is not the downsampled ImageNet of Chrabaszcz et al. (arXiv
  1707.08819).
- StudioGAN (src/data_util.py) crops the centred square of the short side and resizes with Pillow's Lanczos filter (as
  in its README's command for ImageNet; before February 2022 the filter was bilinear). For CelebA's 178 x 218 pixels the
  crop is the same as Mimicry's. CIFAR and Tiny ImageNet are not cropped or resized.

Pillow's filters widen with the reduction (they are antialiased), work in 8 bits, and give the same bytes everywhere.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

from ..common.errors import ZooError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

ReferenceCode = Literal["mimicry", "studiogan"]


@dataclass(frozen=True)
class Preparation:
    """A centred crop, then a resize."""

    crop: int | None  # side in pixels; None = the short side of the image
    filter: Literal["bilinear", "bicubic", "lanczos"]
    upright: bool = False  # apply the EXIF orientation of photographs, unlike the reference code

    def record(self) -> dict:
        """Return the fields for the manifest and the checksum."""
        return asdict(self)

    def fitted(self, sizes: list[tuple[int, int]], side: int) -> Preparation:
        """Return this preparation for images of which a sample has these (width, height).

        If all have the target size, or are smaller than the crop, they were prepared before: another crop would enlarge
        them or pad them with black.
        """
        if all(size == (side, side) or max(size) < (self.crop or 0) for size in sizes):
            return replace(self, crop=None)
        return self

    def apply(self, image: Image, side: int) -> np.ndarray:
        """Return the prepared image, (side, side, 3) uint8."""
        import numpy as np
        from PIL import Image

        image = to_rgb(image, self.upright)
        image = centre_crop(image, self.crop or min(image.size))
        return np.asarray(image.resize((side, side), Image.Resampling[self.filter.upper()]))


_MIMICRY = {
    "cifar10": Preparation(None, "bilinear"),
    "cifar100": Preparation(None, "bilinear"),
    "stl10": Preparation(None, "bilinear"),
    "celeba": Preparation(178, "bilinear"),
    "imagenet": Preparation(224, "bilinear"),
    "lsun-bedroom": Preparation(256, "bilinear"),
}
_STUDIOGAN = Preparation(None, "lanczos")
_DIGITS = Preparation(None, "bicubic")  # of this repository: 8 and 28 pixels become 32
_DEFAULTS = {**_MIMICRY, "tiny-imagenet": _STUDIOGAN, "mnist": _DIGITS, "stacked-mnist": _DIGITS, "digits": _DIGITS}
_OWN = Preparation(None, "lanczos", upright=True)  # a user's images


def standard(dataset: str, code: ReferenceCode | None = None) -> Preparation:
    """Return the preparation of a data set by Mimicry or StudioGAN; None: that of its published scores.

    Scores on ImageNet were published with both: the configs of the models say which, and the default is Mimicry's.

    Raises:
        ZooError: Mimicry has no such data set.
    """
    if code is None:
        return _DEFAULTS.get(dataset, _OWN)
    if code == "studiogan":
        return _STUDIOGAN
    if code == "mimicry" and dataset in _MIMICRY:
        return _MIMICRY[dataset]
    raise ZooError(
        f'{dataset} has no preparation "{code}"; give none, "studiogan", or, for {", ".join(_MIMICRY)}, "mimicry"'
    )


def centre_crop(image: Image, side: int) -> Image:
    """Return the centred square, rounded like torchvision's CenterCrop; black outside the image."""
    left, top = (_offset(length, side) for length in image.size)
    return image.crop((left, top, left + side, top + side))


def _offset(length: int, side: int) -> int:
    return round((length - side) / 2) if length >= side else -((side - length) // 2)


def to_rgb(image: Image, upright: bool = False) -> Image:
    """Convert grey, 16-bit grey, palette, CMYK or transparent images to RGB; transparency becomes white.

    Raises:
        ValueError: the pixels are floating-point numbers, whose range is unknown.
    """
    import numpy as np
    from PIL import Image, ImageOps

    if upright:
        image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers")
    if image.mode.startswith("I"):  # 16 bits; Pillow's own conversion would clip
        return Image.fromarray((np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")  # converting would copy
