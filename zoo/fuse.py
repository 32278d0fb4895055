"""Exact rewrites of a trained generator for fast inference: algebra, not approximation.

- Spectral norm is a division by a constant: it is folded into the weight.
- Batch norm after a convolution is folded into the convolution; elsewhere it becomes one scale and shift.
- A class-conditional norm becomes a table of scales and shifts, one row a class.
- Nearest-neighbour x2 followed by a 3x3 convolution is one stride-2 4x4 transposed convolution, or four 2x2
  convolutions (2.25x fewer multiplications); a 1x1 shortcut commutes with either upsampling (4x fewer), and is a matrix
  product, as are the last convolution's nine taps and the three projections of attention.
- In float32 on a CPU, wide 3x3 convolutions, with their upsampling, take 4x to 5.8x fewer multiplications (`winograd`).

Which form is used where was measured; benchmarks/README.md has the figures, and what was tried and is not here. The
result is another module with the same forward(z, y); it agrees with the original in eval mode to float32 rounding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .nets import BigGANGenerator, DCGANGenerator, ResNetGenerator, SpectralNorm
from .nets.layers import ConditionalBatchNorm2d, SelfAttention
from .nets.resample import upsample, upsampling_kernel
from .nets.resnet import GeneratorBlock, squash
from .winograd import WinogradConv

# By measurement (benchmarks/README.md): with fewer channels, and in larger maps, the plainer form is as fast.
WINOGRAD_CHANNELS = {None: 64, "bilinear": 64, "nearest": 128}  # by the upsampling before the convolution
LARGEST_PHASES = 16  # pixels a side of the output


@torch.no_grad()
def fuse(generator: nn.Module, winograd: bool = False) -> nn.Module:
    """A fused copy of a generator's eval-mode function; the generator itself is left as it is.

    Args:
        winograd: compute wide 3x3 convolutions by `zoo.winograd`; the fastest form in float32 on a CPU, and there only.
    """
    if isinstance(generator, BigGANGenerator):
        return FusedBigGAN(generator, winograd)
    if isinstance(generator, ResNetGenerator):
        return FusedResNet(generator, winograd)
    if isinstance(generator, DCGANGenerator):
        return FusedDCGAN(generator)
    raise TypeError(f"no fused form is written for {type(generator).__name__}; load it with fuse=False")


def plain_weight(layer: nn.Module) -> Tensor:
    """The weight that the layer uses in eval mode."""
    if not isinstance(layer, SpectralNorm):
        return layer.weight.detach().clone()
    was_training = layer.training
    layer.eval()
    weight = layer.normalized_weight().detach()
    layer.train(was_training)
    return weight


class Conv(nn.Module):
    """A convolution with given weights. Unlike nn.Conv2d it draws none: loading leaves torch's random state alone."""

    def __init__(self, weight: Tensor, bias: Tensor | None, upsample: str | None = None):
        super().__init__()
        self.padding, self.upsample = weight.shape[2] // 2, upsample
        self.register_buffer("weight", weight.contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor, onto: Tensor | None = None) -> Tensor:
        x = x if self.upsample is None else upsample(x, self.upsample)
        x = F.conv2d(x, self.weight, self.bias, padding=self.padding)
        return x if onto is None else x.add_(onto)


class Pointwise(nn.Module):
    """A 1x1 convolution as a matrix product over channels-last rows."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        self.register_buffer("weight", weight.flatten(1).contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.permute(0, 2, 3, 1), self.weight, self.bias).permute(0, 3, 1, 2)


class ImageConv(nn.Module):
    """A 3x3 convolution to few channels: all taps as one matrix product, then nine shifted sums of small maps.

    The sums are float32 whatever the maps are, as they are inside a convolution.
    """

    def __init__(self, weight: Tensor, bias: Tensor):
        super().__init__()
        self.taps = Pointwise(weight.permute(2, 3, 0, 1).flatten(0, 2), None)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        taps = F.pad(self.taps(x).float(), (1, 1, 1, 1)).unflatten(1, (3, 3, -1))
        shifted = [taps[:, i, j, :, i : i + h, j : j + w] for i in range(3) for j in range(3)]
        return sum(shifted, self.bias.float()[:, None, None])


class UpConv(nn.Module):
    """A stride-2 transposed convolution with given weights."""

    def __init__(self, weight: Tensor, bias: Tensor | None, output_padding: int = 0):
        super().__init__()
        self.output_padding = output_padding
        self.register_buffer("weight", weight.contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.weight, self.bias, 2, 1, self.output_padding)


class PhaseConv(nn.Module):
    """Nearest-neighbour x2 and a 3x3 convolution as four 2x2 convolutions, one for each parity of row and column."""

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

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.register_buffer("weight", plain_weight(linear))
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


Scaling = tuple[Tensor, Tensor] | None  # scale and shift (C,) of a layer's output channels


def scaled(layer: nn.Module, scaling: Scaling = None) -> tuple[Tensor, Tensor | None]:
    """The weight and bias of a layer, spectral norm folded, with its output scaled and shifted."""
    weight = plain_weight(layer)
    bias = None if layer.bias is None else layer.bias.detach().clone()
    if scaling is None:
        return weight, bias
    scale, shift = scaling
    axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    weight = weight * scale.view([-1 if d == axis else 1 for d in range(weight.ndim)])
    return weight, shift.clone() if bias is None else bias * scale + shift


def conv3x3(weight: Tensor, bias: Tensor | None, size: int, upsample: str | None, winograd: bool) -> nn.Module:
    """A 3x3 convolution, of the map upsampled x2 where `upsample` says so, to (N, O, size, size), as it is fastest."""
    if winograd and min(weight.shape[:2]) >= WINOGRAD_CHANNELS[upsample]:
        return WinogradConv(weight, bias, size, upsample)
    if upsample == "nearest":
        return (PhaseConv if size <= LARGEST_PHASES else up_conv)(weight, bias)
    return Conv(weight, bias, upsample)


def up_conv(weight: Tensor, bias: Tensor | None) -> UpConv:
    """Nearest-neighbour x2, then a 3x3 convolution, as one stride-2 4x4 transposed convolution."""
    return UpConv(upsampling_kernel(weight), bias)


def norm_affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """The scale and shift (C,) that a batch norm applies in eval mode."""
    scale = (norm.running_var + norm.eps).rsqrt()
    shift = -norm.running_mean * scale
    if norm.affine:
        scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
    return scale.detach(), shift.detach()


class Affine(nn.Module):
    """x * scale + shift a channel, with the scale and shift of a batch norm; a condition of no parts."""

    def __init__(self, norm: nn.BatchNorm2d):
        super().__init__()
        scale, shift = norm_affine(norm)
        self.register_buffer("scale", scale[:, None, None])
        self.register_buffer("shift", shift[:, None, None])

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return torch.addcmul(self.shift, x, self.scale)


class ConditionalAffine(nn.Module):
    """The scales and shifts of a conditional norm, linear in the condition: one matrix product for both.

    With class labels as the condition, `condition` is a label a sample and the products are looked up in a table.
    """

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


def fused_norm(norm: nn.Module, by_class: bool) -> nn.Module:
    return ConditionalAffine(norm, by_class) if isinstance(norm, ConditionalBatchNorm2d) else Affine(norm)


def in_place(activation: nn.Module) -> nn.Module:
    """The same activation, writing over its input."""
    return nn.ReLU(inplace=True) if isinstance(activation, nn.ReLU) else nn.LeakyReLU(activation.negative_slope, True)


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
        query = query.flatten(2).mT[:, None]  # (N, 1, HW, C/8): one head, which ONNX wants to see
        key = F.max_pool2d(key, 2).flatten(2).mT[:, None]  # (N, 1, HW/4, C/8)
        value = F.max_pool2d(value, 2).flatten(2).mT[:, None]  # (N, 1, HW/4, C/2)
        # PyTorch's fused kernels want one width for all three; zeros do not change the products.
        query, key = (F.pad(t, (0, self.widths[2] - self.widths[0])) for t in (query, key))
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return x + self.output(attended[:, 0].mT.unflatten(2, x.shape[2:]))


class FusedBlock(nn.Module):
    """One residual up-block, to maps of `size` pixels a side."""

    def __init__(self, block: GeneratorBlock, size: int, by_class: bool, winograd: bool):
        super().__init__()
        self.mode, self.act = block.mode, in_place(block.act)
        self.norm1 = fused_norm(block.norm1, by_class)
        folds = isinstance(block.norm2, nn.BatchNorm2d)
        scaling = norm_affine(block.norm2) if folds else None
        self.conv1 = conv3x3(*scaled(block.conv1, scaling), size, block.mode, winograd)
        self.norm2 = None if folds else fused_norm(block.norm2, by_class)
        (weight, bias), (shortcut, shortcut_bias) = scaled(block.conv2), scaled(block.shortcut)
        self.conv2 = conv3x3(weight, None, size, None, winograd)
        self.shortcut = Pointwise(shortcut, bias + shortcut_bias)  # upsampling leaves a constant as it is

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        h = self.conv1(self.act(self.norm1(x, condition)))
        h = self.act(h if self.norm2 is None else self.norm2(h, condition))
        return self.conv2(h, onto=upsample(self.shortcut(x), self.mode))


class FusedResNet(nn.Module):
    """`ResNetGenerator` in eval mode."""

    by_class = True

    def __init__(self, generator: ResNetGenerator, winograd: bool):
        super().__init__()
        self.spec = generator.spec
        self.input = Linear(generator.input)
        self.blocks = nn.ModuleList(
            FusedBlock(block, self.spec.bottom_width << number, self.by_class, winograd)
            for number, block in enumerate(generator.blocks, start=1)
        )
        self.attention = nn.ModuleDict({key: FusedAttention(layer) for key, layer in generator.attention.items()})
        self.norm, self.act = Affine(generator.norm), in_place(generator.act)
        self.output = ImageConv(*scaled(generator.output))

    def conditions(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, list[Tensor | None]]:
        return z, [y] * self.spec.num_blocks

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        z, conditions = self.conditions(z, y)
        h = self.input(z).unflatten(1, (-1, self.spec.bottom_width, self.spec.bottom_width))
        h = h.contiguous(memory_format=torch.channels_last)
        for number, (block, condition) in enumerate(zip(self.blocks, conditions, strict=True), start=1):
            h = block(h, condition)
            if str(number) in self.attention:
                h = self.attention[str(number)](h)
        return squash(self.output(self.act(self.norm(h))), self.spec.output)


class FusedBigGAN(FusedResNet):
    """`BigGANGenerator` in eval mode: the condition is (class embedding, chunk of z)."""

    by_class = False

    def __init__(self, generator: BigGANGenerator, winograd: bool):
        super().__init__(generator, winograd)
        self.register_buffer("embedding", generator.embedding.weight.detach().clone())

    def conditions(self, z: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        first, *chunks = z.split(self.spec.latent_chunk, dim=1)
        embedded = F.embedding(y, self.embedding)
        return first, [torch.cat((embedded, chunk), dim=1) for chunk in chunks]


class FusedDCGAN(nn.Module):
    """`DCGANGenerator` in eval mode."""

    def __init__(self, generator: DCGANGenerator):
        super().__init__()
        self.spec = generator.spec
        self.input = Linear(generator.input)
        self.input_norm = Affine(generator.input_norm) if generator.input_norm is not None else None
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for block in generator.blocks:
            folds = isinstance(block.norm, nn.BatchNorm2d)
            weight, bias = scaled(block.conv, norm_affine(block.norm) if folds else None)
            self.convs.append(UpConv(weight, bias, block.conv.output_padding[0]))
            self.norms.append(nn.Identity() if folds else ConditionalAffine(block.norm, by_class=True))
        self.attention = nn.ModuleDict({key: FusedAttention(layer) for key, layer in generator.attention.items()})
        self.act, self.output = in_place(generator.blocks[0].act), ImageConv(*scaled(generator.output))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.input(z).unflatten(1, (-1, self.spec.bottom_width, self.spec.bottom_width))
        h = h.contiguous(memory_format=torch.channels_last)
        if self.input_norm is not None:
            h = self.act(self.input_norm(h))
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True), start=1):
            h = conv(h)
            h = self.act(h if isinstance(norm, nn.Identity) else norm(h, y))
            if str(number) in self.attention:
                h = self.attention[str(number)](h)
        return squash(self.output(h), self.spec.output)
