"""Convolution with up- or downsampling, as two steps or as one folded convolution; equal to float32 rounding.

- Nearest-neighbour x2 and a 3x3 convolution are one stride-2 4x4 transposed convolution (2.25x fewer operations).
- A 3x3 convolution and 2x2 average pooling are one stride-2 4x4 convolution (2.25x fewer).
- A 1x1 convolution commutes with either (4x fewer).

The kernels are folded in each forward from the layer's own weight, so gradients reach it as before.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import SpectralNorm, channels_last


class Resampling(nn.Module):
    """Mixin of blocks whose convolutions meet a resampling; `folds` chooses how these are computed."""

    folds = False

    def upsampled_conv(self, conv: nn.Conv2d, x: Tensor, mode: str) -> Tensor:
        """conv(x2 upsampling of x); (N, C, H, W) to (N, D, 2H, 2W)."""
        if self.folds and conv.kernel_size == (1, 1):
            return upsample(conv(x), mode)
        if self.folds and mode == "nearest":
            return F.conv_transpose2d(x, upsampling_kernel(weight_of(conv)), conv.bias, 2, 1)
        return conv(upsample(x, mode))

    def pooled_conv(self, conv: nn.Conv2d, x: Tensor) -> Tensor:
        """2x2 average pooling of conv(x); (N, C, H, W) to (N, D, H/2, W/2)."""
        if self.folds and conv.kernel_size == (1, 1):
            return conv(F.avg_pool2d(x, 2))
        if self.folds:
            return F.conv2d(x, pooling_kernel(weight_of(conv)), conv.bias, 2, 1)
        return F.avg_pool2d(conv(x), 2)


def fold_resampling(network: nn.Module, folds: bool = True) -> None:
    """Choose, for all blocks of a network, the folded or the stated form."""
    for module in network.modules():
        if isinstance(module, Resampling):
            module.folds = folds


def weight_of(layer: nn.Conv2d | nn.Linear) -> Tensor:
    """The weight that the layer's next forward would use; with spectral norm, this is that forward's iteration."""
    return layer.normalized_weight() if isinstance(layer, SpectralNorm) else layer.weight


def upsample(x: Tensor, mode: str, scale: tuple[int, int] = (2, 2)) -> Tensor:
    """Double the resolution of (N, C, H, W), or multiply H and W by `scale`, in the precision of x."""
    autocasts = torch.is_autocast_enabled(x.device.type)  # on GPUs to float32, and so whatever is computed from it
    with torch.autocast(x.device.type, enabled=False) if autocasts else nullcontext():
        return F.interpolate(x, scale_factor=scale, mode=mode, align_corners=False if mode == "bilinear" else None)


def upsampling_kernel(weight: Tensor) -> Tensor:
    """(out, in, 3, 3) to (in, out, 4, 4): nearest x2, then the convolution, as one stride-2 transposed convolution.

    Output row 2i + p of the upsampled image sees input rows i - 1 + p and i + p; the taps of the 3x3 kernel that fall
    on the same input row add up: (last, middle + last, first + middle, first).
    """
    flipped = channels_last(weight.transpose(0, 1).flip(2, 3))
    return F.avg_pool2d(flipped, 2, stride=1, padding=1, divisor_override=1)


def pooling_kernel(weight: Tensor) -> Tensor:
    """(out, in, 3, 3) to (out, in, 4, 4): the convolution, then 2x2 means, as one stride-2 convolution.

    Along each axis half of (first, first + middle, middle + last, last): means of neighbouring taps.
    """
    return F.avg_pool2d(weight, 2, stride=1, padding=1)
