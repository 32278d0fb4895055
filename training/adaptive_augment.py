"""The augmentations of ADA: Karras et al. 2020 (arXiv 2006.06676).

From the paper: the operations of its Appendix B in their order (blit: flips, quarter turns, whole shifts; geometry:
scaling, rotation, stretching, fractional shifts; color: brightness, contrast, luma flip, hue, saturation), their
distributions, and that each is applied to each image with probability p, a rotation before and one after the stretching
with 1 - sqrt(1 - p) each. Reduced: the image is sampled once, bilinearly, where the authors' code samples a finer copy
with wavelet filters, so strongly shrunk images alias; mirrored edges repeat the outermost pixel; image-space filters,
noise and cutout, which the paper does not use on its data sets, are left out.

Pure functions of images, p and draws. Matrices are multiplied by element, since TF32 or bfloat16 would move pixels.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .noise import Noise

OPERATIONS = ("blit", "geometry", "color")
_GREY = 1 / math.sqrt(3)  # each component of the unit vector of the greys
Rows = Sequence[Sequence["Tensor | float"]]


def adaptive_augment(images: Tensor, p: Tensor, noise: Noise, operations: Collection[str] = OPERATIONS) -> Tensor:
    """Augment images (N, C, H, W) in [-1, 1], each operation with probability p, a scalar tensor; returns float32."""
    with torch.autocast(images.device.type, enabled=False):
        images = images.float()
        n, _, height, width = images.shape
        place = identity(n, 3, images.device)
        if "blit" in operations:
            place = product(place, draw_blit(n, height, width, p, noise))
        if "geometry" in operations:
            place = product(place, draw_geometry(n, height, width, p, noise))
        if {"blit", "geometry"} & set(operations):
            images = warp(images, place)
        if "color" in operations:
            images = recolor(images, draw_colors(n, p, noise))
        return images.contiguous(memory_format=torch.channels_last)


# ----------------------------------------------------------------------------------------------------------- draws


def draw_blit(n: int, height: int, width: int, p: Tensor, noise: Noise) -> Tensor:
    """Return (n, 3, 3), as `warp` takes them: a fair flip, 0 to 3 quarter turns, whole shifts of up to an eighth."""
    flip = _where(noise, n, p, noise.integers(0, 2, n).float(), 0)
    turns = _where(noise, n, p, noise.integers(0, 4, n).float(), 0)
    shift = _where(noise, n, p, noise.uniform(n, 2) * 2 - 1, 0) / 8
    whole = shifting((shift[:, 0] * width).round(), (shift[:, 1] * height).round())
    return product(scaling(1 - 2 * flip, 1), rotation(turns * (math.pi / 2)), whole)


def draw_geometry(n: int, height: int, width: int, p: Tensor, noise: Noise) -> Tensor:
    """Return (n, 3, 3): scaling 2^N(0, 0.2), rotation, stretching 2^N(0, 0.2), rotation, shifts of N(0, 0.125)."""

    def angle() -> Tensor:
        either = 1 - (1 - p).clamp(0, 1).sqrt()  # of two rotations, at least one with probability p
        return _where(noise, n, either, noise.uniform(n) * 2 - 1, 0) * math.pi

    scale = _where(noise, n, p, (0.2 * noise.normal(n)).exp2(), 1)
    before = angle()
    stretch = _where(noise, n, p, (0.2 * noise.normal(n)).exp2(), 1)
    after = angle()
    shift = _where(noise, n, p, 0.125 * noise.normal(n, 2), 0)
    parts = scaling(1 / scale, 1 / scale), rotation(before), scaling(1 / stretch, stretch), rotation(after)
    return product(*parts, shifting(shift[:, 0] * width, shift[:, 1] * height))


def draw_colors(n: int, p: Tensor, noise: Noise) -> Tensor:
    """Return (n, 4, 4), as `recolor` takes them.

    In this order: brightness + N(0, 0.2), contrast * 2^N(0, 0.5), a fair luma flip, a hue, saturation * 2^N(0, 1).
    """
    bright = _where(noise, n, p, 0.2 * noise.normal(n), 0)
    contrast = _where(noise, n, p, (0.5 * noise.normal(n)).exp2(), 1)
    flip = _where(noise, n, p, noise.integers(0, 2, n).float(), 0)
    hue = _where(noise, n, p, noise.uniform(n) * 2 - 1, 0) * math.pi
    saturation = _where(noise, n, p, noise.normal(n).exp2(), 1)
    return product(
        along_grey(saturation), turned_about_grey(hue), luma_flip(flip), brightness_contrast(bright, contrast)
    )


def _where(noise: Noise, n: int, p: Tensor, drawn: Tensor, otherwise: float) -> Tensor:
    """Return each image's drawn values with probability p."""
    chosen = noise.uniform(n) < p
    return torch.where(chosen.view(n, *[1] * (drawn.dim() - 1)), drawn, otherwise)


# -------------------------------------------------------------------------------------------------------- matrices


def matrix(like: Tensor, rows: Rows) -> Tensor:
    """Stack rows of numbers and tensors (N,) to (N, rows, columns)."""
    return torch.stack([torch.stack([torch.zeros_like(like) + x for x in row], dim=-1) for row in rows], dim=-2)


def identity(n: int, size: int, device: torch.device | str = "cpu") -> Tensor:
    return torch.eye(size, device=device).expand(n, size, size)


def product(*matrices: Tensor) -> Tensor:
    """Multiply matrices (N, K, K)."""
    first, *others = matrices
    for other in others:
        first = (first[:, :, :, None] * other[:, None]).sum(dim=2)
    return first


def scaling(x: Tensor, y: Tensor | float) -> Tensor:
    return matrix(x, [[x, 0, 0], [0, y, 0], [0, 0, 1]])


def rotation(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return matrix(angle, [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def shifting(right: Tensor, down: Tensor) -> Tensor:
    """Return where the content comes from that moves by so many pixels (N,)."""
    return matrix(right, [[1, 0, -right], [0, 1, -down], [0, 0, 1]])


def brightness_contrast(bright: Tensor, contrast: Tensor) -> Tensor:
    c, b = contrast, bright * contrast
    return matrix(c, [[c, 0, 0, b], [0, c, 0, b], [0, 0, c, b], [0, 0, 0, 1]])


def luma_flip(flip: Tensor) -> Tensor:
    """Mirror the colours at the plane through mid-grey that is at right angles to the greys, where `flip` is 1."""
    return along_grey(torch.ones_like(flip), 1 - 2 * flip)


def along_grey(across: Tensor, along: Tensor | float = 1) -> Tensor:
    """Scale colours (N,) at right angles to the greys, and along them."""
    grey = (along - across) / 3
    rows: Rows = [[grey + (across if i == j else 0) for j in range(3)] + [0] for i in range(3)]
    return matrix(across, [*rows, [0, 0, 0, 1]])


def turned_about_grey(angle: Tensor) -> Tensor:
    """Rotate colours about the axis of the greys."""
    cos, sin = angle.cos(), angle.sin() * _GREY
    same, next_, last = (1 - cos) / 3 + cos, (1 - cos) / 3 - sin, (1 - cos) / 3 + sin
    return matrix(angle, [[same, next_, last, 0], [last, same, next_, 0], [next_, last, same, 0], [0, 0, 0, 1]])


# ------------------------------------------------------------------------------------------------------ the images


def warp(images: Tensor, place: Tensor) -> Tensor:
    """Take each pixel of the result from `place` (N, 3, 3) @ (its x, its y, 1), bilinearly; edges are mirrored.

    x and y are in pixels from the centre of the image, to the right and down.
    """
    _, _, height, width = images.shape
    x = torch.arange(width, device=images.device)[None, None, :] - (width - 1) / 2
    y = torch.arange(height, device=images.device)[None, :, None] - (height - 1) / 2
    rows = place[:, :2, :, None, None].unbind(dim=1)  # two of (N, 3, 1, 1)
    from_x, from_y = (row[:, 0] * x + row[:, 1] * y + row[:, 2] for row in rows)
    grid = torch.stack((from_x * (2 / width), from_y * (2 / height)), dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def recolor(images: Tensor, colors: Tensor) -> Tensor:
    """Map the colours of images (N, 3 or 1, H, W) by (N, 4, 4); a single channel counts as three equal ones."""
    if images.shape[1] == 1:
        colors = colors[:, :3].mean(dim=1)  # (N, 4)
        return images * colors[:, :3].sum(dim=1)[:, None, None, None] + colors[:, 3, None, None, None]
    mixed = (colors[:, :3, :3, None, None] * images[:, None]).sum(dim=2)
    return mixed + colors[:, :3, 3, None, None]
