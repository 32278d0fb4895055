"""The generators of Mimicry and PyTorch-StudioGAN as plain eager modules, for benchmarks to run beside ours.

They do what the peers' own code does in eval mode, operation by operation: contiguous NCHW float32, every upsampling
as an operation of its own before its convolutions (the 1x1 shortcut's too), StudioGAN's spectral norm divided out in
every forward, its attention as two batched products with a softmax between them. (StudioGAN's scripts also keep the
power iteration on while sampling; that is left out here, to its advantage.)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.nets import BigGANGenerator, DCGANGenerator, ResNetGenerator, SpectralNorm
from zoo.nets.layers import ConditionalBatchNorm2d, SelfAttention


def peer_of(generator: ResNetGenerator | DCGANGenerator) -> nn.Module:
    """The peer's module with a generator's weights; called as the generator is."""
    peer = DCGANPeer if isinstance(generator, DCGANGenerator) else Peer
    return peer(generator).eval().requires_grad_(False)


def layer_of(layer: nn.Module) -> nn.Module:
    """torch's own layer with the same weight, spectrally normalised by torch where ours is."""
    if isinstance(layer, nn.Linear):
        copy = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
    else:
        sizes = (layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding)
        kind = nn.ConvTranspose2d if isinstance(layer, nn.ConvTranspose2d) else nn.Conv2d
        copy = kind(*sizes, bias=layer.bias is not None)
    with torch.no_grad():
        copy.weight.copy_(layer.weight)
        if layer.bias is not None:
            copy.bias.copy_(layer.bias)
    if isinstance(layer, SpectralNorm):
        copy = nn.utils.spectral_norm(copy, eps=layer.eps)
        copy.weight_u.copy_(layer.u)
        copy.weight_v.copy_(layer.v)
    return copy


def batch_norm_of(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    copy = nn.BatchNorm2d(norm.num_features, eps=norm.eps, affine=norm.affine)
    copy.load_state_dict(norm.state_dict())
    return copy


class ConditionalNorm(nn.Module):
    def __init__(self, norm: ConditionalBatchNorm2d):
        super().__init__()
        self.norm, self.offset = batch_norm_of(norm.norm), norm.offset
        self.gain, self.bias = layer_of(norm.gain), layer_of(norm.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain = (self.offset + self.gain(condition)).view(len(x), -1, 1, 1)
        bias = self.bias(condition).view(len(x), -1, 1, 1)
        return self.norm(x) * gain + bias


class Block(nn.Module):
    def __init__(self, block: nn.Module):
        super().__init__()
        self.conditional = isinstance(block.norm1, ConditionalBatchNorm2d)
        norm_of = ConditionalNorm if self.conditional else batch_norm_of
        self.norm1, self.norm2 = norm_of(block.norm1), norm_of(block.norm2)
        self.conv1, self.conv2 = layer_of(block.conv1), layer_of(block.conv2)
        self.shortcut, self.mode = layer_of(block.shortcut), block.mode

    def upsample(self, x: Tensor) -> Tensor:
        corners = False if self.mode == "bilinear" else None
        return F.interpolate(x, scale_factor=2, mode=self.mode, align_corners=corners)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        given = (condition,) if self.conditional else ()
        h = F.relu_(self.norm1(x, *given))
        h = self.conv1(self.upsample(h))
        h = self.conv2(F.relu_(self.norm2(h, *given)))
        return h + self.shortcut(self.upsample(x))


class Attention(nn.Module):
    def __init__(self, attention: SelfAttention):
        super().__init__()
        self.theta, self.phi = layer_of(attention.theta), layer_of(attention.phi)
        self.value, self.output = layer_of(attention.value), layer_of(attention.output)
        self.gain = attention.gain

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        theta = self.theta(x).view(n, c // 8, h * w)
        phi = F.max_pool2d(self.phi(x), 2).view(n, c // 8, h * w // 4)
        weights = torch.bmm(theta.permute(0, 2, 1), phi).softmax(dim=-1)
        value = F.max_pool2d(self.value(x), 2).view(n, c // 2, h * w // 4)
        attended = torch.bmm(value, weights.permute(0, 2, 1)).view(n, c // 2, h, w)
        return x + self.gain * self.output(attended)


class Peer(nn.Module):
    """SNGAN's, BigGAN's and SAGAN's generators, which differ in their conditions."""

    def __init__(self, generator: ResNetGenerator):
        super().__init__()
        self.spec, self.big = generator.spec, isinstance(generator, BigGANGenerator)
        self.input = layer_of(generator.input)
        self.embedding = generator.embedding if self.big else None
        self.blocks = nn.ModuleList(Block(block) for block in generator.blocks)
        self.attention = nn.ModuleDict({key: Attention(layer) for key, layer in generator.attention.items()})
        self.norm, self.output = batch_norm_of(generator.norm), layer_of(generator.output)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        spec = self.spec
        conditions: list[Tensor | None] = [None] * spec.num_blocks
        if self.big:
            z, *chunks = z.split(spec.latent_chunk, dim=1)
            embedded = self.embedding(y)
            conditions = [torch.cat((embedded, chunk), dim=1) for chunk in chunks]
        elif spec.num_classes:
            conditions = [F.one_hot(y, spec.num_classes).float()] * spec.num_blocks
        h = self.input(z).view(len(z), -1, spec.bottom_width, spec.bottom_width)
        for number, (block, condition) in enumerate(zip(self.blocks, conditions, strict=True), start=1):
            h = block(h, condition)
            if str(number) in self.attention:
                h = self.attention[str(number)](h)
        return torch.tanh(self.output(F.relu_(self.norm(h))))


class DCGANPeer(nn.Module):
    """The unconditional generator of transposed convolutions."""

    def __init__(self, generator: DCGANGenerator):
        super().__init__()
        self.width = generator.spec.bottom_width
        self.input, self.output = layer_of(generator.input), layer_of(generator.output)
        self.convs = nn.ModuleList(layer_of(block.conv) for block in generator.blocks)
        self.norms = nn.ModuleList(batch_norm_of(block.norm) for block in generator.blocks)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.input(z).view(len(z), -1, self.width, self.width)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            h = F.relu_(norm(conv(h)))
        return torch.tanh(self.output(h))
