"""Residual generator and discriminator in the manner of SNGAN, at any resolution.

InfoMax-GAN (arXiv 2007.04589) Tables 7 to 9; ContraGAN (arXiv 2006.12681) Tables A3 to A8.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..schema import architecture
from .batch_norm import BatchNorm2d
from .heads import Discriminator, DiscriminatorOutput, Heads
from .layers import (
    ConditionalBatchNorm2d,
    IteratesTogether,
    Layers,
    SelfAttention,
    activation,
    channels_last,
    initialise,
)
from .resample import Resampling


class GeneratorBlock(Resampling):
    """norm, act, upsample, conv, norm, act, conv; the shortcut is upsampled and convolved (1x1), not activated."""

    def __init__(self, in_channels: int, out_channels: int, spec, layers: Layers, condition_dim: int):
        super().__init__()
        self.mode = spec.upsample
        self.act = activation(spec.activation)
        self.norm1 = make_norm(in_channels, spec, layers, condition_dim)
        self.conv1 = layers.conv(in_channels, out_channels, 3)
        self.norm2 = make_norm(out_channels, spec, layers, condition_dim)
        self.conv2 = layers.conv(out_channels, out_channels, 3)
        self.shortcut = layers.conv(in_channels, out_channels, 1)

    def forward(self, x: Tensor, condition: tuple[Tensor, ...] = ()) -> Tensor:
        h = self.act(self.norm1(x, *condition))
        h = self.upsampled_conv(self.conv1, h, self.mode)
        h = self.act(self.norm2(h, *condition))
        return self.conv2(h) + self.upsampled_conv(self.shortcut, x, self.mode)


def make_norm(channels: int, spec, layers: Layers, condition_dim: int) -> BatchNorm2d | ConditionalBatchNorm2d:
    if condition_dim == 0:
        return BatchNorm2d(channels, eps=spec.batch_norm_eps)
    offset = getattr(spec, "norm_gain_offset", 1)
    if offset == 0:
        layers = Layers(False, layers.eps)
    return ConditionalBatchNorm2d(channels, condition_dim, layers, spec.batch_norm_eps, offset)


class ResNetGenerator(IteratesTogether):
    """z (N, latent_dim) ~ N(0, 1), and labels y (N,) if conditional, to images (N, image_channels, S, S).

    The output is in [-1, 1] (tanh), or in [0, 1] where the spec says "sigmoid".
    """

    def __init__(self, spec: architecture.ResNetGenerator | architecture.BigGANGenerator):
        super().__init__()
        self.spec = spec
        layers = Layers(spec.spectral_norm, spec.spectral_norm_eps)
        first, *rest = spec.channels
        self.input = layers.linear(self.input_dim, first * spec.bottom_width**2)
        self.blocks = nn.ModuleList(
            GeneratorBlock(i, o, spec, layers, self.condition_dim) for i, o in zip(spec.channels, rest, strict=False)
        )
        self.attention = nn.ModuleDict(
            {str(block): SelfAttention(spec.channels[block], layers) for block in spec.attention_after}
        )
        self.norm = BatchNorm2d(rest[-1], eps=spec.batch_norm_eps)
        self.act = activation(spec.activation)
        self.output = layers.conv(rest[-1], spec.image_channels, 3)
        initialise(self, spec.init)

    @property
    def input_dim(self) -> int:
        return self.spec.latent_dim

    @property
    def condition_dim(self) -> int:
        return self.spec.num_classes

    def conditions(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        """Return the input of the first layer, and the conditions of each block's norms."""
        return z, [one_hot(y, self.spec.num_classes, z)] * self.spec.num_blocks

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        z, conditions = self.conditions(z, y)
        h = channels_last(self.input(z).view(len(z), -1, self.spec.bottom_width, self.spec.bottom_width))
        for number, (block, condition) in enumerate(zip(self.blocks, conditions, strict=True), start=1):
            h = block(h, condition)
            if str(number) in self.attention:
                h = self.attention[str(number)](h)
        return squash(self.output(self.act(self.norm(h))), self.spec.output)


def one_hot(y: Tensor | None, num_classes: int, like: Tensor) -> tuple[Tensor, ...]:
    """Return the condition of a class-conditional norm: empty without classes, else one-hot labels (N, classes)."""
    if num_classes == 0:
        return ()
    if y is None:
        raise ValueError("this generator is class-conditional: give labels y of shape (N,)")
    return (F.one_hot(y, num_classes).to(like.dtype),)


def squash(x: Tensor, output: str) -> Tensor:
    return x.tanh() if output == "tanh" else x.sigmoid()


class DiscriminatorBlock(Resampling):
    """act, conv, act, conv, average-pool, plus a shortcut convolved (1x1) where the shape changes.

    The first ("optimised") block has no leading activation and pools the image before its shortcut convolution.
    With batch norm there is one before each activation and one on a convolved shortcut.
    """

    def __init__(self, in_channels: int, out_channels: int, spec, layers: Layers, downsample: bool, first: bool):
        super().__init__()
        hidden = out_channels if first or spec.hidden == "out" else in_channels
        self.downsample, self.first, self.rectify_shortcut = downsample, first, spec.rectify_shortcut
        self.act = activation(spec.activation)
        self.conv1 = layers.conv(in_channels, hidden, 3)
        self.conv2 = layers.conv(hidden, out_channels, 3)
        convolved = first or downsample or in_channels != out_channels
        self.shortcut = layers.conv(in_channels, out_channels, 1) if convolved else nn.Identity()

        def norm(channels: int, present: bool = True) -> nn.Module:
            return BatchNorm2d(channels, eps=spec.batch_norm_eps) if spec.batch_norm and present else nn.Identity()

        self.norm1 = norm(in_channels, not first)
        self.norm2 = norm(hidden)
        self.shortcut_norm = norm(in_channels, convolved)

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.first else self.act(self.norm1(x))
        shortcut = h if self.rectify_shortcut else x
        h = self.act(self.norm2(self.conv1(h)))
        if self.first:
            return self.pooled_conv(self.conv2, h) + self.shortcut(self.shortcut_norm(F.avg_pool2d(x, 2)))
        shortcut = self.shortcut_norm(shortcut)
        if self.downsample:
            assert isinstance(self.shortcut, nn.Conv2d)
            return self.pooled_conv(self.conv2, h) + self.pooled_conv(self.shortcut, shortcut)
        return self.conv2(h) + self.shortcut(shortcut)


class ResNetDiscriminator(Discriminator):
    """Images (N, image_channels, H, W) in the data's range, and labels y (N,) where the head needs them, to scores."""

    def __init__(self, spec: architecture.ResNetDiscriminator):
        super().__init__()
        self.spec = spec
        layers = Layers(spec.spectral_norm, spec.spectral_norm_eps)
        widths = (spec.image_channels, *spec.channels)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(i, o, spec, layers, downsample=n < spec.downsample_blocks, first=n == 0)
            for n, (i, o) in enumerate(zip(widths, spec.channels, strict=False))
        )
        self.attention = nn.ModuleDict(
            {str(block): SelfAttention(spec.channels[block - 1], layers) for block in spec.attention_after}
        )
        self.act = activation(spec.activation)
        self.heads = Heads(spec, feature_dim=spec.channels[-1])
        initialise(self, spec.init)

    def forward(self, x: Tensor, y: Tensor | None = None) -> DiscriminatorOutput:
        x, kept = channels_last(x), {}
        rectify = self.spec.infomax is not None and self.spec.infomax.rectify_local
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if str(number) in self.attention:
                x = self.attention[str(number)](x)
            if number in self.heads.kept_blocks:
                kept[number] = self.act(x) if rectify else x
        x = self.act(x)
        pool = x.sum if self.spec.pooling == "sum" else x.mean
        features = pool(dim=(2, 3), dtype=torch.float32)
        return self.heads(features, kept, y)
