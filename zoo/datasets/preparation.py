"""Prepare an image of any size and mode as (S, S, 3) uint8, once for all runs.

Published scores depend on the crop and the filter, so the publisher's files are prepared as the reference code does:

- Mimicry (torch_mimicry/datasets/data_utils.py) crops the centre (CelebA 178, ImageNet 224, LSUN 256 pixels; smaller
  images, of which ImageNet has some, are padded with black) and resizes with Pillow's bilinear filter. Its ImageNet 32
  is made in the same way from the full images; it is not the downsampled ImageNet of Chrabaszcz et al. (arXiv
  1707.08819).
- StudioGAN (src/data_util.py) crops the centred square of the short side and resizes with Pillow's Lanczos filter (as
  in its README's command for ImageNet; before February 2022 the filter was bilinear). For CelebA's 178 x 218 pixels the
  crop is the same as Mimicry's. CIFAR and Tiny ImageNet are not cropped or resized.

A user's own pictures are prepared alike for every model, as `OwnPreparation` says.

Pillow's filters widen with the reduction (they are antialiased), work in 8 bits, and give the same bytes everywhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

from ..common.errors import ZooError
from ..schema.own_preparation import Crop, OwnPreparation, Resize
from .reader import to_rgb

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from .source import DatasetSource

ReferenceCode = Literal["mimicry", "studiogan"]


class UnfitError(ValueError):
    """Why a picture cannot be prepared so; the caller adds its name."""


@dataclass(frozen=True)
class Preparation:
    """A crop, then a resize."""

    crop: int | None  # side of a centred square in pixels; None = the short side of the image
    filter: Resize
    upright: bool = False  # apply the EXIF orientation of photographs, unlike the reference code
    square: Crop = "centre"
    background: str = "#ffffff"

    def record(self) -> dict:
        """Return the fields for the manifest and the checksum; what own pictures alone have, where it was chosen."""
        fields = asdict(self)
        usual = {"square": "centre", "background": "#ffffff"}
        return {name: value for name, value in fields.items() if name not in usual or usual[name] != value}

    def fitted(self, sizes: list[tuple[int, int]], side: int) -> Preparation:
        """Return this preparation for images of which a sample has these (width, height).

        If all have the target size, or are smaller than the crop, they were prepared before: another crop would enlarge
        them or pad them with black.
        """
        if all(size == (side, side) or max(size) < (self.crop or 0) for size in sizes):
            return replace(self, crop=None)
        return self

    def apply(self, image: Image, side: int, index: int = 0) -> np.ndarray:
        """Return the prepared image, (side, side, 3) uint8.

        Args:
            index: of the image among all, which decides on the place of a random crop.

        Raises:
            UnfitError: the image is too small to be cropped without resizing.
            ValueError: the range of its pixels is unknown.
        """
        import numpy as np
        from PIL import Image

        image = to_rgb(image, self.upright, self.background)
        if self.filter == "none":
            image = self._cropped(image, side, index)
            if image.size != (side, side):
                raise UnfitError(_unresized(image.size, side))
            return np.asarray(image)
        image = self._cropped(image, self.crop or min(image.size), index)
        return np.asarray(image.resize((side, side), Image.Resampling[self.filter.upper()]))

    def _cropped(self, image: Image, side: int, index: int) -> Image:
        if self.square == "none" or (self.filter == "none" and min(image.size) < side):
            return image
        return centre_crop(image, side) if self.square == "centre" else random_crop(image, side, index)

    def __str__(self) -> str:
        square = {
            "centre": f"centred {self.crop}x{self.crop}" if self.crop else "centred square",
            "random": "a random square of each",
            "none": "whole, squeezed to a square",
        }[self.square]
        resized = "not resized" if self.filter == "none" else f"resized ({self.filter})"
        colour = {"#ffffff": "white", "#000000": "black"}.get(self.background, self.background)
        own = f"upright, transparent on {colour}, " if self.upright else ""
        return f"{own}{square}, {resized}"


def _unresized(size: tuple[int, int], side: int) -> str:
    return f"it has {size[0]}x{size[1]} pixels, which do not make {side}x{side} without resizing; leave --resize out"


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
_OF_STUDIOGAN = ("tiny-imagenet", "baby-imagenet", "papa-imagenet", "grandpa-imagenet", "afhq-v2")
_DEFAULTS = {
    **_MIMICRY,
    **dict.fromkeys(_OF_STUDIOGAN, _STUDIOGAN),
    **dict.fromkeys(("mnist", "stacked-mnist", "digits"), _DIGITS),
}


def chosen(dataset: str, source: DatasetSource, wanted: ReferenceCode | OwnPreparation | None) -> Preparation:
    """Return the preparation of a source: of own pictures as the user says, else as the publisher's code does.

    Raises:
        ZooError: the source is the publisher's and `wanted` is for own pictures, or Mimicry has no such data set.
    """
    own = wanted if isinstance(wanted, OwnPreparation) else None
    if source.is_own:
        return of_own(own or OwnPreparation())
    if own:
        raise ZooError(
            f"{dataset} in {source.origin} is prepared as its publisher's; crop, resize and background are for "
            f"pictures of one's own"
        )
    return standard(dataset, wanted)


def of_own(how: OwnPreparation) -> Preparation:
    return Preparation(None, how.resize, upright=True, square=how.crop, background=how.background)


def standard(dataset: str, code: ReferenceCode | OwnPreparation | None = None) -> Preparation:
    """Return the preparation of a data set by Mimicry or StudioGAN; None: that of its published scores.

    Scores on ImageNet were published with both: the configs of the models say which, and the default is Mimicry's.

    Raises:
        ZooError: Mimicry has no such data set.
    """
    if code is None:
        return _DEFAULTS.get(dataset) or of_own(OwnPreparation())
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


def random_crop(image: Image, side: int, index: int) -> Image:
    """Return a square at a place that is drawn from the index: the same in every epoch and every run."""
    draws = hashlib.sha256(b"%d" % index).digest()
    left, top = (
        int.from_bytes(draws[8 * i : 8 * i + 8], "big") % (length - side + 1) for i, length in enumerate(image.size)
    )
    return image.crop((left, top, left + side, top + side))
