"""Augmentations of what the discriminator sees: pure functions of images and draws, and the draws.

CR: consistency regularisation, Zhang et al. 2020 (arXiv 1910.12027), with the ranges and mirrored edges of StudioGAN's
code. DiffAugment: Zhao et al. 2020 (arXiv 2006.10738), with the ranges of its authors' code.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from .noise import Noise

# ------------------------------------------------------------------------------------------------------------- CR


def draw_flip_and_shift(images: Tensor, noise: Noise, shifts: str = "any") -> tuple[Tensor, Tensor, Tensor]:
    """Random arguments of `flip_and_shift`: a fair coin, and shifts of up to an eighth of each side.

    Args:
        shifts: "any" number of pixels up to an eighth of the side, as in StudioGAN since September 2020; or "ends": an
            eighth one way, none, or an eighth the other way, as in the code that ContraGAN was published with.
    """
    n, _, height, width = images.shape

    def shift(side: int) -> Tensor:
        most = side // 8
        return noise.integers(-most, most + 1, n) if shifts == "any" else most * noise.integers(-1, 2, n)

    return noise.coins(n), shift(height), shift(width)


def flip_and_shift(images: Tensor, flip: Tensor, up: Tensor, left: Tensor) -> Tensor:
    """Flip some images horizontally, then move each; what enters at an edge is the reflection of what is inside.

    Args:
        images: (N, C, H, W).
        flip: (N,) bool.
        up: (N,) int64, rows that the content moves up; negative is down.
        left: (N,) int64, columns that the content moves left; negative is right.
    """
    _, _, height, width = images.shape
    row, column = _moved(height, up), _moved(width, left)
    row, column = _reflect(row, height), _reflect(column, width)
    return _pick(images, row, torch.where(flip[:, None], width - 1 - column, column))


def _moved(size: int, by: Tensor) -> Tensor:
    """The source of each output row or column, (N, size); values outside 0 ... size - 1 lie outside the image."""
    return torch.arange(size, device=by.device) + by[:, None]


def _reflect(index: Tensor, size: int) -> Tensor:
    """Mirror the indices outside 0 ... size - 1; the outermost pixel is not repeated."""
    last = size - 1
    return last - (last - index.abs()).abs()


def _pick(images: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Return the pixels of image n at rows row[n] (H,) and columns column[n] (W,)."""
    image = torch.arange(len(images), device=images.device)
    pixels = images.permute(0, 2, 3, 1)  # channels last, and so is the gradient
    return pixels[image[:, None, None], row[:, :, None], column[:, None, :]].permute(0, 3, 1, 2)


# ---------------------------------------------------------------------------------------------------- DiffAugment


def diff_augment(images: Tensor, noise: Noise, policy: Collection[str] = ("color", "translation", "cutout")) -> Tensor:
    """Differentiable augmentation of images (N, C, H, W), each with its own draws, in the order of the policy."""
    n, _, height, width = images.shape
    for name in policy:
        if name == "color":
            images = jitter(images, *(noise.uniform(n, 1, 1, 1) for _ in range(3)))
        elif name == "translation":
            most = (int(side * 0.125 + 0.5) for side in (height, width))
            images = translate(images, *(noise.integers(-m, m + 1, n) for m in most))
        else:
            images = cut_out(images, *(noise.integers(0, side + 1 - _hole(side) % 2, n) for side in (height, width)))
    return images


def jitter(images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Random colours: add up to a half, then scale the distance from grey by up to 2, from the mean by 0.5 to 1.5.

    Args:
        images: (N, C, H, W).
        brightness: in [0, 1), (N, 1, 1, 1), as are the others.
    """
    images = images + (brightness - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * (2 * saturation) + grey
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (contrast + 0.5) + mean


def translate(images: Tensor, up: Tensor, left: Tensor) -> Tensor:
    """Move each image by (N,) whole pixels; what enters at an edge is zero (mid-grey)."""
    _, _, height, width = images.shape
    row, column = _moved(height, up), _moved(width, left)
    inside = _within(row, 0, height)[:, None, :, None] & _within(column, 0, width)[:, None, None, :]
    return _pick(images, row.clamp(0, height - 1), column.clamp(0, width - 1)) * inside


def cut_out(images: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Set to zero a rectangle half as high and wide as each image, around (N,) rows and columns, clipped at edges."""

    def hole(side: int, centre: Tensor) -> Tensor:
        first = (centre - _hole(side) // 2)[:, None]
        return _within(torch.arange(side, device=images.device), first, first + _hole(side))  # (N, side)

    _, _, height, width = images.shape
    return images * ~(hole(height, row)[:, None, :, None] & hole(width, column)[:, None, None, :])


def _hole(side: int) -> int:
    return int(side * 0.5 + 0.5)


def _within(index: Tensor, first: Tensor | int, end: Tensor | int) -> Tensor:
    return (index >= first) & (index < end)
