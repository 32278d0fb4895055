"""Where an image becomes uint8: from a generator's float output to pixel values, on its device."""

from __future__ import annotations

import torch
from torch import Tensor


def fixed(images: Tensor) -> Tensor:
    """[-1, 1] to uint8 0 ... 255, halves rounded up: what `Images` holds, as StudioGAN since 2022."""
    return ((images.float() + 1) / 2 * 255 + 0.5).clamp(0, 255).byte()


def min_max(images: Tensor, low: float, high: float) -> Tensor:
    """uint8 on a scale from the smallest to the largest value found, in the manner of Mimicry's metrics."""
    return ((images.float() - low) / (high - low + 1e-5) * 255 + 0.5).clamp(0, 255).byte()


def unrounded(images: Tensor) -> Tensor:
    """[-1, 1] to float32 0 ... 255, as StudioGAN's images went into Inception in 2020 and 2021."""
    return (images.float() + 1) * 127.5


def rounded(images: Tensor) -> Tensor:
    """float 0 ... 255 to uint8, halves rounded up; uint8 as it is."""
    return images if images.dtype == torch.uint8 else (images + 0.5).clamp(0, 255).byte()
