"""Transposed-convolution generator and plain convolutional discriminator: DCGAN and SNDCGAN.

ContraGAN (arXiv 2006.12681) Tables A1 and A2; the "strided" layout is that of the Stacked MNIST experiment
(InfoMax-GAN, arXiv 2007.04589, A.4) of Unrolled GAN (arXiv 1611.02163), as PacGAN's code repeats it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..schema import architecture
from .batch_norm import BatchNorm2d
from .heads import Discriminator, DiscriminatorOutput, Heads
from .layers import IteratesTogether, Layers, SelfAttention, activation, channels_last, initialise
from .resnet import make_norm, one_hot, squash


class UpBlock(nn.Module):
    """Stride-2 transposed convolution, norm, activation; a refined block has a 3x3 convolution with both more."""

    def __init__(
        self, in_channels: int, out_channels: int, spec, layers: Layers, short: bool = False, refined: bool = False
    ):
        super().__init__()
        self.conv = layers.conv_transpose(in_channels, out_channels, spec.kernel_size, short)
        self.norm = make_norm(out_channels, spec, layers, spec.num_classes)
        self.act = activation(spec.activation)
        self.refining_conv = layers.conv(out_channels, out_channels, 3) if refined else None
        self.refining_norm = make_norm(out_channels, spec, layers, spec.num_classes) if refined else None

    def forward(self, x: Tensor, condition: tuple[Tensor, ...] = ()) -> Tensor:
        x = self.act(self.norm(self.conv(x), *condition))
        if self.refining_conv is None or self.refining_norm is None:
            return x
        return self.act(self.refining_norm(self.refining_conv(x), *condition))


class DCGANGenerator(IteratesTogether):
    """z (N, latent_dim) ~ N(0, 1), and labels y (N,) if conditional, to images (N, image_channels, S, S)."""

    def __init__(self, spec: architecture.DCGANGenerator):
        super().__init__()
        self.spec = spec
        layers = Layers(spec.spectral_norm, spec.spectral_norm_eps)
        first, *rest = spec.channels
        self.input = layers.linear(spec.latent_dim, first * spec.bottom_width**2)
        self.input_norm = BatchNorm2d(first, eps=spec.batch_norm_eps) if spec.input_norm else None
        self.act = activation(spec.activation)
        sides = (architecture.halved(spec.resolution, spec.doublings - n) for n in range(1, spec.num_blocks + 1))
        self.blocks = nn.ModuleList(
            UpBlock(i, o, spec, layers, short=side % 2 == 1, refined=number in spec.refined_blocks)
            for number, (i, o, side) in enumerate(zip(spec.channels, rest, sides, strict=False), start=1)
        )
        self.attention = nn.ModuleDict(
            {str(block): SelfAttention(spec.channels[block], layers) for block in spec.attention_after}
        )
        if spec.output_upsamples:
            short = spec.resolution % 2 == 1
            self.output = layers.conv_transpose(rest[-1], spec.image_channels, spec.kernel_size, short)
        else:
            self.output = layers.conv(rest[-1], spec.image_channels, 3)
        initialise(self, spec.init)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        condition = one_hot(y, self.spec.num_classes, z)
        h = channels_last(self.input(z).view(len(z), -1, self.spec.bottom_width, self.spec.bottom_width))
        if self.input_norm is not None:
            h = self.act(self.input_norm(h))
        for number, block in enumerate(self.blocks, start=1):
            h = block(h, condition)
            if str(number) in self.attention:
                h = self.attention[str(number)](h)
        return squash(self.output(h), self.spec.output)


class ConvBlock(nn.Module):
    """Convolution, batch norm or none, activation."""

    def __init__(self, in_channels: int, out_channels: int, spec, layers: Layers, kernel: int, stride: int, norm: bool):
        super().__init__()
        self.conv = layers.conv(in_channels, out_channels, kernel, stride)
        self.norm = BatchNorm2d(out_channels, eps=spec.batch_norm_eps) if norm else nn.Identity()
        self.act = activation(spec.activation, spec.leak)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


class DCGANDiscriminator(Discriminator):
    """Images (N, image_channels, S, S) in the data's range, and labels y (N,) where the head needs them, to scores."""

    def __init__(self, spec: architecture.DCGANDiscriminator):
        super().__init__()
        self.spec = spec
        layers = Layers(spec.spectral_norm, spec.spectral_norm_eps)
        widths = (spec.image_channels, *spec.channels)
        self.blocks = nn.ModuleList(
            self._block(n, i, o, layers) for n, (i, o) in enumerate(zip(widths, spec.channels, strict=False), start=1)
        )
        self.attention = nn.ModuleDict(
            {str(block): SelfAttention(spec.channels[block - 1], layers) for block in spec.attention_after}
        )
        side = architecture.halved(spec.resolution, spec.downsample_blocks)
        positions = side * side if spec.layout == "strided" else 1
        self.heads = Heads(spec, feature_dim=spec.channels[-1] * positions)
        initialise(self, spec.init)

    def _block(self, number: int, in_channels: int, out_channels: int, layers: Layers) -> nn.Module:
        spec = self.spec
        norm = spec.batch_norm and (spec.first_norm or number > 1)
        if spec.layout == "strided":
            return ConvBlock(in_channels, out_channels, spec, layers, spec.kernel_size, stride=2, norm=norm)
        widen = ConvBlock(in_channels, out_channels, spec, layers, kernel=3, stride=1, norm=norm)
        if number == spec.num_blocks:
            return nn.Sequential(widen)
        down = ConvBlock(out_channels, out_channels, spec, layers, kernel=4, stride=2, norm=spec.batch_norm)
        return nn.Sequential(widen, down)

    def forward(self, x: Tensor, y: Tensor | None = None) -> DiscriminatorOutput:
        x, kept = channels_last(x), {}
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if str(number) in self.attention:
                x = self.attention[str(number)](x)
            if number in self.heads.kept_blocks:
                kept[number] = x
        features = x.flatten(1) if self.spec.layout == "strided" else x.sum(dim=(2, 3), dtype=torch.float32)
        return self.heads(features, kept, y)
