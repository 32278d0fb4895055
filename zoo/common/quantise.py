"""Convert images to uint8, from the float output of a generator to pixel values, on its device."""

from __future__ import annotations

import torch
from torch import Tensor


def fixed(images: Tensor) -> Tensor:
    """Convert [-1, 1] to uint8 0 ... 255, halves rounded up, for `Images`; StudioGAN does the same since 2022."""
    return ((images.float() + 1) / 2 * 255 + 0.5).clamp(0, 255).byte()


def min_max(images: Tensor, low: float, high: float) -> Tensor:
    """Convert to uint8 on a scale from `low` to `high`, as Mimicry's metrics do with the smallest and largest value."""
    return ((images.float() - low) / (high - low + 1e-5) * 255 + 0.5).clamp(0, 255).byte()


def unrounded(images: Tensor) -> Tensor:
    """Convert [-1, 1] to float32 0 ... 255, as StudioGAN fed Inception in 2020 and 2021."""
    return (images.float() + 1) * 127.5


def rounded(images: Tensor) -> Tensor:
    """Convert float 0 ... 255 to uint8, halves rounded up; uint8 stays as it is."""
    return images if images.dtype == torch.uint8 else (images + 0.5).clamp(0, 255).byte()
