"""BigGAN-deep generator (Brock et al. 2019, arXiv 1809.11096, appendix B), as DeepMind published its weights."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from ..schema import architecture
from .batch_norm import BatchNorm2d
from .layers import IteratesTogether, Layers, SelfAttention, activation, channels_last, initialise
from .resample import Resampling, upsample
from .resnet import make_norm, squash


class BottleneckBlock(Resampling):
    """Norm, act and 1x1 convolution to fewer channels; twice norm, act, 3x3; norm, act and 1x1 back.

    The shortcut has no weights: it drops the last channels. Upsampling is before the first 3x3 convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, spec, layers: Layers, condition_dim: int, doubles: bool):
        super().__init__()
        self.mode = spec.upsample if doubles else None
        self.out_channels, hidden = out_channels, in_channels // spec.reduction
        self.act = activation(spec.activation)
        self.norm1 = make_norm(in_channels, spec, layers, condition_dim)
        self.conv1 = layers.conv(in_channels, hidden, 1)
        self.norm2 = make_norm(hidden, spec, layers, condition_dim)
        self.conv2 = layers.conv(hidden, hidden, 3)
        self.norm3 = make_norm(hidden, spec, layers, condition_dim)
        self.conv3 = layers.conv(hidden, hidden, 3)
        self.norm4 = make_norm(hidden, spec, layers, condition_dim)
        self.conv4 = layers.conv(hidden, out_channels, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.conv1(self.act(self.norm1(x, condition)))
        h = self.act(self.norm2(h, condition))
        h = self.conv2(h) if self.mode is None else self.upsampled_conv(self.conv2, h, self.mode)
        h = self.conv3(self.act(self.norm3(h, condition)))
        h = self.conv4(self.act(self.norm4(h, condition)))
        kept = x[:, : self.out_channels]
        return h + (kept if self.mode is None else upsample(kept, self.mode))


class BigGANDeepGenerator(IteratesTogether):
    """z (N, latent_dim) ~ N(0, 1) and labels y (N,) to images (N, image_channels, S, S) in [-1, 1].

    Self-attention after block b of the spec is after the second block of pair b.
    """

    def __init__(self, spec: architecture.BigGANDeepGenerator):
        super().__init__()
        self.spec = spec
        layers = Layers(spec.spectral_norm, spec.spectral_norm_eps)
        first, *_, last = spec.channels
        condition_dim = spec.latent_dim + spec.embedding_dim
        self.embedding = Layers(False, spec.spectral_norm_eps).embedding(spec.num_classes, spec.embedding_dim)
        self.input = layers.linear(condition_dim, first * spec.bottom_width**2)
        self.blocks = nn.ModuleList(
            BottleneckBlock(i, o, spec, layers, condition_dim, doubles)
            for wide, narrow in itertools.pairwise(spec.channels)
            for i, o, doubles in ((wide, wide, False), (wide, narrow, True))
        )
        self.attention = nn.ModuleDict(
            {str(block): SelfAttention(spec.channels[block], layers) for block in spec.attention_after}
        )
        self.norm = BatchNorm2d(last, eps=spec.batch_norm_eps)
        self.act = activation(spec.activation)
        self.output = layers.conv(last, spec.image_channels, 3)
        initialise(self, spec.init)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if y is None:
            raise ValueError("this generator is class-conditional: give labels y of shape (N,)")
        condition = torch.cat((z, self.embedding(y)), dim=1)
        h = channels_last(self.input(condition).view(len(z), -1, self.spec.bottom_width, self.spec.bottom_width))
        for number, block in enumerate(self.blocks, start=1):
            h = block(h, condition)
            after = str(number // 2)
            if number % 2 == 0 and after in self.attention:
                h = self.attention[after](h)
        return squash(self.output(self.act(self.norm(h))), self.spec.output)
