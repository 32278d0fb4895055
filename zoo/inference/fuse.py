"""Exact rewrites of a trained generator for fast inference: algebra, not approximation.

- Spectral norm is a division by a constant: it is folded into the weight.
- Batch norm after a convolution is folded into the convolution; elsewhere it becomes one scale and shift.
- A class-conditional norm becomes a table of scales and shifts, one row per class.
- Nearest-neighbour x2 followed by a 3x3 convolution is one stride-2 4x4 transposed convolution, or four 2x2
  convolutions (2.25x fewer multiplications); a 1x1 shortcut commutes with either upsampling (4x fewer), and is a matrix
  product, as are the last convolution's nine taps and the three projections of attention.
- For many images in float32 on a CPU, wide 3x3 convolutions, with their upsampling, take 2x to 5.8x fewer
  multiplications (`winograd`).

The result is another module with the same forward(z, y); it agrees with the original in eval mode to float32 rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nets import BigGANDeepGenerator, BigGANGenerator, DCGANGenerator, Generator, ResNetGenerator, build_generator
from ..nets.bottleneck import BottleneckBlock
from ..nets.dcgan import UpBlock
from ..nets.layers import SelfAttention
from ..nets.resample import upsample
from ..nets.resnet import GeneratorBlock, squash
from ..schema import architecture
from .fused_layers import (
    Affine,
    Conv,
    Form,
    FusedAttention,
    ImageConv,
    Linear,
    Pointwise,
    UpConv,
    conv3x3,
    fused_norm,
    in_place,
    norm_affine,
    scaled,
)

M = TypeVar("M", bound=nn.Module)
CACHED = 1 << 21  # numbers of a map that stay in a processor's cache; by measurement, for maps of 64 pixels and more


@torch.no_grad()
def fuse(generator: nn.Module, form: Form = "any") -> nn.Module:
    """Return a fused copy of a generator's eval-mode function; the generator itself does not change.

    Args:
        form: "few" and "many" (images) are for float32 on a CPU only.
    """
    if isinstance(generator, BigGANGenerator):
        return FusedBigGAN(generator, form)
    if isinstance(generator, ResNetGenerator):
        return FusedResNet(generator, form)
    if isinstance(generator, DCGANGenerator):
        return FusedDCGAN(generator)
    if isinstance(generator, BigGANDeepGenerator):
        return FusedBigGANDeep(generator, form)
    raise TypeError(f"no fused form is written for {type(generator).__name__}; load it with fuse=False")


def can_fuse(generator: nn.Module, spec: architecture.Generator) -> bool:
    """Return True if the generator has the modules that `spec` builds, and no hooks: `fuse` knows nothing else."""
    expected = build_generator(spec, device="meta")
    return _kinds(generator) == _kinds(expected) and not any(_has_hooks(module) for module in generator.modules())


def _kinds(network: nn.Module) -> dict[str, type]:
    return {name: type(module) for name, module in network.named_modules()}


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


class FusedBlock(nn.Module):
    """One residual up-block, to maps of `size` pixels per side."""

    def __init__(self, block: GeneratorBlock, size: int, by_class: bool, form: Form):
        super().__init__()
        self.mode, self.act = block.mode, in_place(block.act)
        self.norm1 = fused_norm(block.norm1, by_class)
        folded = block.norm2 if isinstance(block.norm2, nn.BatchNorm2d) else None
        self.conv1 = conv3x3(*scaled(block.conv1, folded and norm_affine(folded)), size, block.mode, form)
        self.norm2 = None if folded else fused_norm(block.norm2, by_class)
        (weight, bias), (shortcut, shortcut_bias) = scaled(block.conv2), scaled(block.shortcut)
        assert bias is not None
        assert shortcut_bias is not None
        self.conv2 = conv3x3(weight, None, size, None, form)
        self.shortcut = Pointwise(shortcut, bias + shortcut_bias)  # upsampling leaves a constant as it is

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        h = self.conv1(self.act(self.norm1(x, condition)))
        h = self.act(h if self.norm2 is None else self.norm2(h, condition))
        return self.conv2(h, onto=upsample(self.shortcut(x), self.mode))


class FusedResNet(nn.Module):
    """`ResNetGenerator` in eval mode."""

    by_class = True
    blocks_each = 1  # for each number of channels; the last one doubles the resolution

    def __init__(self, generator: ResNetGenerator | BigGANDeepGenerator, form: Form):
        super().__init__()
        self.spec = generator.spec
        self.input = Linear(generator.input)
        sizes = [self.spec.bottom_width << number // self.blocks_each for number in range(1, len(generator.blocks) + 1)]
        self.blocks = nn.ModuleList(
            self.fused_block(block, size, form) for block, size in zip(generator.blocks, sizes, strict=True)
        )
        self.attention = fused_attention(generator)
        widths = [channels for channels in self.spec.channels for _ in range(self.blocks_each)]
        self.at_once = [
            None if form == "any" else images_at_once(channels, size)
            for channels, size in zip(widths[self.blocks_each :], sizes, strict=True)
        ]
        self.norm, self.act = Affine(generator.norm), in_place(generator.act)
        self.output = ImageConv(*scaled(generator.output))

    def fused_block(self, block: nn.Module, size: int, form: Form) -> nn.Module:
        """Return the block's fused form, to maps of `size` pixels per side."""
        assert isinstance(block, GeneratorBlock)
        return FusedBlock(block, size, self.by_class, form)

    def conditions(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, list[Tensor | None]]:
        return z, [y] * len(self.blocks)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        z, conditions = self.conditions(z, y)
        h = self.input(z).unflatten(1, (-1, self.spec.bottom_width, self.spec.bottom_width))
        return self._from_block(0, h.contiguous(memory_format=torch.channels_last), conditions)

    def _from_block(self, first: int, h: Tensor, conditions: list[Tensor | None]) -> Tensor:
        """Compute images from the map before a block; large maps pass through the remaining blocks a few at a time."""
        for number in range(first, len(self.blocks)):
            at_once = self.at_once[number]
            if at_once and len(h) > at_once:  # not asked for "any": in a graph, N is free
                parts = zip(*(_split(t, at_once, len(h)) for t in (h, *conditions)), strict=True)
                return torch.cat([self._from_block(number, part, given) for part, *given in parts])
            h = self.blocks[number](h, conditions[number])
            pair, inside = divmod(number + 1, self.blocks_each)
            if not inside and str(pair) in self.attention:
                h = self.attention[str(pair)](h)
        return squash(self.output(self.act(self.norm(h))), self.spec.output)


class FusedBigGAN(FusedResNet):
    """`BigGANGenerator` in eval mode: the condition is (class embedding, chunk of z)."""

    by_class = False

    embedding: Tensor

    def __init__(self, generator: BigGANGenerator, form: Form):
        super().__init__(generator, form)
        self.latent_chunk = generator.spec.latent_chunk
        self.register_buffer("embedding", generator.embedding.weight.detach().clone())

    def conditions(self, z: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        first, *chunks = z.split(self.latent_chunk, dim=1)
        embedded = F.embedding(y, self.embedding)
        return first, [torch.cat((embedded, chunk), dim=1) for chunk in chunks]


class FusedBottleneck(nn.Module):
    """One bottleneck block, to maps of `size` pixels per side."""

    def __init__(self, block: BottleneckBlock, size: int, form: Form):
        super().__init__()
        self.mode, self.out_channels, self.act = block.mode, block.out_channels, in_place(block.act)
        norms = (block.norm1, block.norm2, block.norm3, block.norm4)
        self.norms = nn.ModuleList(fused_norm(norm, by_class=False) for norm in norms)
        self.conv1, self.conv4 = Pointwise(*scaled(block.conv1)), Pointwise(*scaled(block.conv4))
        self.conv2 = conv3x3(*scaled(block.conv2), size, block.mode, form)
        self.conv3 = conv3x3(*scaled(block.conv3), size, None, form)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = x
        for norm, conv in zip(self.norms, (self.conv1, self.conv2, self.conv3, self.conv4), strict=True):
            h = conv(self.act(norm(h, condition)))
        kept = x[:, : self.out_channels]
        return h + (kept if self.mode is None else upsample(kept, self.mode))


class FusedBigGANDeep(FusedResNet):
    """`BigGANDeepGenerator` in eval mode: the condition of all layers is (z, class embedding)."""

    blocks_each = 2

    embedding: Tensor

    def __init__(self, generator: BigGANDeepGenerator, form: Form):
        super().__init__(generator, form)
        self.register_buffer("embedding", generator.embedding.weight.detach().clone())

    def fused_block(self, block: nn.Module, size: int, form: Form) -> nn.Module:
        assert isinstance(block, BottleneckBlock)
        return FusedBottleneck(block, size, form)

    def conditions(self, z: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        condition = torch.cat((z, F.embedding(y, self.embedding)), dim=1)
        return condition, [condition] * len(self.blocks)


def fused_attention(generator: Generator) -> nn.ModuleDict:
    layers = _all_of_type(SelfAttention, generator.attention.values())
    return nn.ModuleDict({key: FusedAttention(layer) for key, layer in zip(generator.attention, layers, strict=True)})


def _all_of_type(kind: type[M], modules: Iterable[nn.Module]) -> list[M]:
    """Narrow the type of a container's modules."""
    found = []
    for module in modules:
        assert isinstance(module, kind)
        found.append(module)
    return found


def images_at_once(channels: int, size: int) -> int | None:
    """Return how many maps fit a processor's cache: a power of two, which divides a chunk; None: all."""
    return None if size < 64 else 1 << max(0, (CACHED // (channels * size**2)).bit_length() - 1)


def _split(t: Tensor | None, size: int, n: int) -> Sequence[Tensor | None]:
    return [None] * -(-n // size) if t is None else t.split(size)


def _last_layer(layer: nn.Conv2d | nn.ConvTranspose2d) -> ImageConv | UpConv:
    if isinstance(layer, nn.ConvTranspose2d):
        return UpConv(*scaled(layer), layer.output_padding[0])
    return ImageConv(*scaled(layer))


class FusedUpBlock(nn.Module):
    """`UpBlock` in eval mode: its one or two convolutions, each with its norm folded in where it can be."""

    def __init__(self, block: UpBlock):
        super().__init__()
        self.act = in_place(block.act)
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for conv, norm in ((block.conv, block.norm), (block.refining_conv, block.refining_norm)):
            if conv is None or norm is None:
                continue
            folded = norm if isinstance(norm, nn.BatchNorm2d) else None
            weight, bias = scaled(conv, folded and norm_affine(folded))
            transposed = isinstance(conv, nn.ConvTranspose2d)
            self.convs.append(UpConv(weight, bias, conv.output_padding[0]) if transposed else Conv(weight, bias, None))
            self.norms.append(nn.Identity() if folded else fused_norm(norm, by_class=True))

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = conv(x)
            x = self.act(x if isinstance(norm, nn.Identity) else norm(x, y))
        return x


class FusedDCGAN(nn.Module):
    """`DCGANGenerator` in eval mode."""

    def __init__(self, generator: DCGANGenerator):
        super().__init__()
        self.spec = generator.spec
        self.input = Linear(generator.input)
        self.input_norm = Affine(generator.input_norm) if generator.input_norm is not None else None
        self.blocks = nn.ModuleList(FusedUpBlock(block) for block in _all_of_type(UpBlock, generator.blocks))
        self.attention = fused_attention(generator)
        self.act, self.output = in_place(generator.act), _last_layer(generator.output)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.input(z).unflatten(1, (-1, self.spec.bottom_width, self.spec.bottom_width))
        h = h.contiguous(memory_format=torch.channels_last)
        if self.input_norm is not None:
            h = self.act(self.input_norm(h))
        for number, block in enumerate(self.blocks, start=1):
            h = block(h, y)
            if str(number) in self.attention:
                h = self.attention[str(number)](h)
        return squash(self.output(h), self.spec.output)
