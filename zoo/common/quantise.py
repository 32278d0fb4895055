"""From a generator's float output to the pixel values that are measured, on the device."""

from __future__ import annotations

from torch import Tensor


def fixed(images: Tensor) -> Tensor:
    """[-1, 1] to uint8 0 ... 255, halves rounded up: what `Images.from_float`, and StudioGAN since 2022, do."""
    return ((images.float() + 1) / 2 * 255 + 0.5).clamp(0, 255).byte()


def min_max(images: Tensor, low: float, high: float) -> Tensor:
    """uint8 on a scale from the smallest to the largest value found, in the manner of Mimicry's metrics."""
    return ((images.float() - low) / (high - low + 1e-5) * 255 + 0.5).clamp(0, 255).byte()


def unrounded(images: Tensor) -> Tensor:
    """[-1, 1] to float32 0 ... 255, as StudioGAN's images went into Inception in 2020 and 2021."""
    return (images.float() + 1) * 127.5
