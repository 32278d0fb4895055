"""The augmentation of consistency regularisation: a horizontal flip, then a shift by whole pixels.

CR: Zhang et al. 2020 (arXiv 1910.12027), with the ranges and mirrored edges of StudioGAN's code.
"""

from __future__ import annotations

import torch
from torch import Tensor


def draw_flip_and_shift(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Random arguments of `flip_and_shift`: a fair coin, and shifts of up to an eighth of each side."""
    n, _, height, width = images.shape

    def shift(side: int) -> Tensor:
        most = side // 8
        return torch.randint(-most, most + 1, (n,), device=images.device)

    return torch.rand(n, device=images.device) < 0.5, shift(height), shift(width)


def flip_and_shift(images: Tensor, flip: Tensor, up: Tensor, left: Tensor) -> Tensor:
    """Flip some images horizontally, then move each; what enters at an edge is the reflection of what is inside.

    Args:
        images: (N, C, H, W).
        flip: (N,) bool.
        up: (N,) int64, rows that the content moves up; negative is down.
        left: (N,) int64, columns that the content moves left; negative is right.
    """
    n, _, height, width = images.shape
    image, row, column = (torch.arange(size, device=images.device) for size in (n, height, width))
    row = _reflect(row + up[:, None], height)  # (N, H): where each output row comes from
    column = _reflect(column + left[:, None], width)  # (N, W)
    column = torch.where(flip[:, None], width - 1 - column, column)
    return images[image[:, None, None], :, row[:, :, None], column[:, None, :]].permute(0, 3, 1, 2)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Indices beyond 0 or size - 1, mirrored there; the outermost pixel is not repeated."""
    last = size - 1
    return last - (last - index.abs()).abs()
