"""The layers of fused generators: what `nets` computes in eval mode, rewritten.

Measurements chose the form of each convolution; benchmarks/README.md has the figures, and the forms that were tried
and dropped.
"""

from __future__ import annotations

import itertools
import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nets import SpectralNorm
from ..nets.layers import ConditionalBatchNorm2d, SelfAttention
from ..nets.resample import upsample, upsampling_kernel
from .matrix_product import linear
from .winograd import RowWinogradConv, WinogradConv

# The use of a fused network. "any": every device, precision and number of images. For float32 on a CPU: "few"
# images, of which one alone is to be fast, and "many".
Form = Literal["any", "few", "many"]

# By measurement (benchmarks/README.md): with fewer channels, and in larger maps, a plainer form is as fast.
WINOGRAD_CHANNELS, WINOGRAD_SIZE = 256, 32  # at least, of both sides; pixels at most
ROW_CHANNELS = {"few": 256, "many": 64}  # at least, of both sides, and of the input twice as many
PATCHES_SIZE = 8  # pixels at most
PHASES_SIZE = 16  # pixels at most


Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear


def plain_weight(layer: Layer) -> Tensor:
    """Return the weight that the layer uses in eval mode."""
    if not isinstance(layer, SpectralNorm):
        return layer.weight.detach().clone()
    was_training = layer.training
    layer.eval()
    weight = layer.normalized_weight().detach()
    layer.train(was_training)
    return weight


class Conv(nn.Module):
    """A convolution with given weights. Unlike nn.Conv2d it draws none: loading leaves torch's random state alone."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, upsample: str | None = None):
        super().__init__()
        self.padding, self.upsample = weight.shape[2] // 2, upsample
        self.register_buffer("weight", weight.contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor, onto: Tensor | None = None) -> Tensor:
        x = x if self.upsample is None else upsample(x, self.upsample)
        x = F.conv2d(x, self.weight, self.bias, padding=self.padding)
        return x if onto is None else x.add_(onto)


class PatchConv(nn.Module):
    """A 3x3 convolution as one matrix product, each row of which is a patch.

    For small maps of wide layers the time is that of reading the weights once, which a convolution does twice.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, upsample: str | None = None):
        super().__init__()
        self.upsample = upsample
        self.register_buffer("weight", weight.permute(0, 2, 3, 1).flatten(1).contiguous())  # (O, 9 I)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor, onto: Tensor | None = None) -> Tensor:
        x = x if self.upsample is None else upsample(x, self.upsample)
        h, w = x.shape[2:]
        x = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        patches = torch.cat([x[:, i : i + h, j : j + w] for i in range(3) for j in range(3)], dim=3)
        x = linear(patches, self.weight, self.bias).permute(0, 3, 1, 2)
        return x if onto is None else x.add_(onto)


class Pointwise(nn.Module):
    """A 1x1 convolution as a matrix product over channels-last rows."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        self.register_buffer("weight", weight.flatten(1).contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x.permute(0, 2, 3, 1), self.weight, self.bias).permute(0, 3, 1, 2)


class ImageConv(nn.Module):
    """A 3x3 convolution to few channels: all taps as one matrix product, then nine shifted sums of small maps.

    The sums are float32 for every precision of the maps, as inside a convolution.
    """

    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        self.taps = Pointwise(weight.permute(2, 3, 0, 1).flatten(0, 2), None)
        self.register_buffer("bias", weight.new_zeros(len(weight)) if bias is None else bias)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        taps = F.pad(self.taps(x).float(), (1, 1, 1, 1)).unflatten(1, (3, 3, -1))
        total = self.bias.float()[:, None, None]
        for i, j in itertools.product(range(3), repeat=2):
            total = total + taps[:, i, j, :, i : i + h, j : j + w]
        return total


class UpConv(nn.Module):
    """A stride-2 transposed convolution with given weights."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, output_padding: int = 0):
        super().__init__()
        self.output_padding = output_padding
        self.register_buffer("weight", weight.contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.weight, self.bias, 2, 1, self.output_padding)


class PhaseConv(nn.Module):
    """Nearest-neighbour x2 and a 3x3 convolution as four 2x2 convolutions, one for each parity of row and column."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        kernel = upsampling_kernel(weight).transpose(0, 1)  # (O, I, 4, 4): even outputs see taps 3 and 1, odd 2 and 0
        taps = ((3, 1), (2, 0))
        phases = [kernel[:, :, rows][..., columns] for rows in taps for columns in taps]
        self.register_buffer("weight", torch.cat(phases).contiguous())
        self.register_buffer("bias", None if bias is None else bias.repeat(4))

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        phases = F.conv2d(x, self.weight, self.bias, padding=1).permute(0, 2, 3, 1).chunk(4, dim=3)
        even, odd = (
            torch.stack([phases[2 * p + q][:, p : p + h, q : q + w] for q in (0, 1)], dim=3).flatten(2, 3)
            for p in (0, 1)
        )
        return torch.stack((even, odd), dim=2).flatten(1, 2).permute(0, 3, 1, 2)


class Linear(nn.Module):
    """A linear layer with the weights of another."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.register_buffer("weight", plain_weight(linear))
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


Scaling = tuple[Tensor, Tensor] | None  # scale and shift (C,) of a layer's output channels


def scaled(layer: Layer, scaling: Scaling = None) -> tuple[Tensor, Tensor | None]:
    """Return the weight and bias of a layer, spectral norm folded, with its output scaled and shifted."""
    weight = plain_weight(layer)
    bias = None if layer.bias is None else layer.bias.detach().clone()
    if scaling is None:
        return weight, bias
    scale, shift = scaling
    axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    weight = weight * scale.view([-1 if d == axis else 1 for d in range(weight.ndim)])
    return weight, shift.clone() if bias is None else bias * scale + shift


def conv3x3(weight: Tensor, bias: Tensor | None, size: int, upsample: str | None, form: Form) -> nn.Module:
    """A 3x3 convolution, of the map upsampled x2 where `upsample` says so, to (N, O, size, size), as it is fastest."""
    channels, in_channels = min(weight.shape[:2]), weight.shape[1]
    if form == "few" and size <= PATCHES_SIZE:
        return PatchConv(weight, bias, upsample)
    if form == "many" and channels >= WINOGRAD_CHANNELS and size <= WINOGRAD_SIZE:
        return WinogradConv(weight, bias, size, upsample)
    rows = ROW_CHANNELS.get(form, math.inf)
    if channels >= rows and in_channels >= 2 * rows and upsample != "nearest":
        return RowWinogradConv(weight, bias, size, upsample)
    if upsample == "nearest":
        return (PhaseConv if size <= PHASES_SIZE else up_conv)(weight, bias)
    return Conv(weight, bias, upsample)


def up_conv(weight: Tensor, bias: Tensor | None) -> UpConv:
    """Nearest-neighbour x2, then a 3x3 convolution, as one stride-2 4x4 transposed convolution."""
    return UpConv(upsampling_kernel(weight), bias)


def norm_affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return the scale and shift (C,) that a batch norm applies in eval mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var + norm.eps).rsqrt()
    shift = -norm.running_mean * scale
    if norm.affine:
        scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
    return scale.detach(), shift.detach()


class Affine(nn.Module):
    """x * scale + shift per channel, with the scale and shift of a batch norm; a condition of no parts."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm2d):
        super().__init__()
        scale, shift = norm_affine(norm)
        self.register_buffer("scale", scale[:, None, None])
        self.register_buffer("shift", shift[:, None, None])

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return torch.addcmul(self.shift, x, self.scale)


class ConditionalAffine(nn.Module):
    """The scales and shifts of a conditional norm, linear in the condition: one matrix product for both.

    With class labels as the condition, `condition` is one label per sample and the products are looked up in a table.
    """

    table: Tensor
    weight: Tensor
    offset: Tensor

    def __init__(self, norm: ConditionalBatchNorm2d, by_class: bool):
        super().__init__()
        scale, shift = norm_affine(norm.norm)
        gain, bias = plain_weight(norm.gain), plain_weight(norm.bias)  # (C, condition)
        weight = torch.cat((gain * scale[:, None], bias + gain * shift[:, None]))
        offset = torch.cat((norm.offset * scale, norm.offset * shift))
        self.by_class = by_class
        if by_class:
            self.register_buffer("table", weight.t() + offset)  # (classes, 2 C)
        else:
            self.register_buffer("weight", weight)
            self.register_buffer("offset", offset)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        both = F.embedding(condition, self.table) if self.by_class else F.linear(condition, self.weight, self.offset)
        scale, shift = both[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(shift, x, scale)


def fused_norm(norm: nn.BatchNorm2d | ConditionalBatchNorm2d, by_class: bool) -> nn.Module:
    return ConditionalAffine(norm, by_class) if isinstance(norm, ConditionalBatchNorm2d) else Affine(norm)


def in_place(activation: nn.Module) -> nn.Module:
    """Return the same activation, in place."""
    if isinstance(activation, nn.LeakyReLU):
        return nn.LeakyReLU(activation.negative_slope, inplace=True)
    assert isinstance(activation, nn.ReLU)
    return nn.ReLU(inplace=True)


class FusedAttention(nn.Module):
    """Self-attention with its three input projections in one matrix product."""

    def __init__(self, attention: SelfAttention):
        super().__init__()
        projections = (attention.theta, attention.phi, attention.value)
        weight = torch.cat([plain_weight(layer) for layer in projections])
        self.widths = [layer.out_channels for layer in projections]
        self.project = Pointwise(weight, None)
        self.output = Pointwise(plain_weight(attention.output) * attention.gain, None)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.project(x).split(self.widths, dim=1)
        query = query.flatten(2).mT[:, None]  # (N, 1, HW, C/8): one head, as ONNX requires
        key = F.max_pool2d(key, 2).flatten(2).mT[:, None]  # (N, 1, HW/4, C/8)
        value = F.max_pool2d(value, 2).flatten(2).mT[:, None]  # (N, 1, HW/4, C/2)
        # PyTorch's fused kernels want one width for all three; zeros do not change the products.
        query, key = (F.pad(t, (0, self.widths[2] - self.widths[0])) for t in (query, key))
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return x + self.output(attended[:, 0].mT.unflatten(2, x.shape[2:]))
