"""Schema of the networks: the `generator` and `discriminator` parts of a config.

Every entry is a constructor argument of the module of the same name in `zoo.nets`; nothing is implicit. Sizes are
lists, so one class serves every resolution. Block numbers start at 1, as in the papers' tables.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator

from .bounds import MAX_ATTENDED, MAX_BLOCKS, MAX_FEATURES, Block, Classes, Length, Side, Width


class ConfigPart(BaseModel):
    """Base of all config parts: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Activation = Literal["relu", "leaky_relu"]
Initialisation = Literal["xavier", "xavier-main-path", "orthogonal", "normal"]
Channels = Annotated[tuple[Width, ...], Length(MAX_BLOCKS + 1, least=1)]
Blocks = Annotated[tuple[Block, ...], Length(MAX_BLOCKS)]


def halved(side: int, times: int) -> int:
    """Return the side of a feature map after `times` strides of two, rounded up: 28 pixels become 14, 7, 4."""
    return -(-side >> times)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


# ---------------------------------------------------------------------------------------------------- generators


class _Generator(ConfigPart):
    resolution: Side  # side of the square image, in pixels
    latent_dim: Width  # length of z, drawn from N(0, 1)
    channels: Channels  # of the first feature map, then of each block's output
    bottom_width: Side = 4  # side of the first feature map
    image_channels: Literal[1, 3] = 3
    num_classes: Classes = 0  # 0 = unconditional
    spectral_norm: bool = False
    spectral_norm_eps: PositiveFloat = 1e-12
    batch_norm_eps: PositiveFloat = 1e-5
    attention_after: Blocks = ()  # self-attention after these blocks
    activation: Activation = "relu"
    output: Literal["tanh", "sigmoid"] = "tanh"  # sigmoid: [0, 1], rescaled to [-1, 1] by GAN.generate
    init: Initialisation = "xavier"

    @property
    def num_blocks(self) -> int:
        return len(self.channels) - 1

    @property
    def doublings(self) -> int:
        """How often the side of the maps doubles."""
        return self.num_blocks

    @property
    def may_round_up(self) -> bool:
        """True if a block may end one pixel short of doubling, so that 4 pixels become 7, 14 and 28."""
        return False

    @model_validator(mode="after")
    def _consistent(self):
        reached = self.bottom_width << self.doublings
        _require(
            reached == self.resolution
            or (self.may_round_up and halved(self.resolution, self.doublings) == self.bottom_width),
            f"resolution is {self.resolution}, but {self.doublings} upsampling blocks from {self.bottom_width} pixels "
            f"reach {reached}; give {self.resolution} // bottom_width as a power of two and a channel count per block",
        )
        _check_attention(self.attention_after, self.channels[1:])
        _check_sizes(self.channels, [self.bottom_width << i for i in range(len(self.channels))], self.attention_after)
        return self


class ResNetGenerator(_Generator):
    """SNGAN-style residual generator (InfoMax-GAN Tables 7 to 9, ContraGAN Table A3)."""

    architecture: Literal["resnet"] = "resnet"
    upsample: Literal["bilinear", "nearest"]  # Mimicry: bilinear; StudioGAN: nearest
    # Class-conditional batch norm is (offset + gain) * x + bias. 1 (StudioGAN): spectrally normalised like the other
    # layers; 0 (Mimicry): gains around 1, never spectrally normalised.
    norm_gain_offset: Literal[0, 1] = 1


class BigGANGenerator(_Generator):
    """BigGAN generator: shared class embedding, hierarchical latent (ContraGAN Tables A5, A7)."""

    architecture: Literal["biggan"] = "biggan"
    upsample: Literal["bilinear", "nearest"] = "nearest"
    embedding_dim: Width = 128  # of the class embedding shared by all blocks

    @property
    def latent_chunk(self) -> int:
        """Length of the chunk of z for each block and for the input layer (20 in the ContraGAN paper)."""
        return self.latent_dim // (self.num_blocks + 1)

    @model_validator(mode="after")
    def _divides(self):
        _require(
            self.latent_dim % (self.num_blocks + 1) == 0,
            f"latent_dim {self.latent_dim} must divide into {self.num_blocks + 1} equal chunks (input and blocks)",
        )
        _require(self.num_classes > 0, "a BigGAN generator is conditional: give num_classes")
        return self


class BigGANDeepGenerator(_Generator):
    """BigGAN-deep generator (arXiv 1809.11096, appendix B): two bottleneck blocks per channel count.

    The second block of each pair doubles the resolution. The class embedding and all of z condition every norm.
    """

    architecture: Literal["biggan-deep"] = "biggan-deep"
    upsample: Literal["nearest"] = "nearest"
    embedding_dim: Width = 128  # of the class embedding shared by all blocks
    reduction: Literal[2, 4, 8] = 4  # channels of a block's input for one in its bottleneck

    @model_validator(mode="after")
    def _narrows(self):
        _require(self.num_classes > 0, "a BigGAN-deep generator is conditional: give num_classes")
        _require(
            all(a >= b for a, b in itertools.pairwise(self.channels)),
            f"channels {list(self.channels)} grow, but a BigGAN-deep generator only drops channels",
        )
        _require(min(self.channels) >= self.reduction, f"channels below reduction {self.reduction} leave no bottleneck")
        return self


class DCGANGenerator(_Generator):
    """Transposed-convolution generator: DCGAN and SNDCGAN (ContraGAN Table A1)."""

    architecture: Literal["dcgan"] = "dcgan"
    kernel_size: Literal[3, 4] = 4  # of the stride-2 transposed convolutions
    norm_gain_offset: Literal[0, 1] = 1  # as in ResNetGenerator
    input_norm: bool = False  # batch norm and activation of the first feature map, as in the original DCGAN
    # The last layer is a stride-2 transposed convolution to the image, as in the original DCGAN, not a 3x3 convolution.
    output_upsamples: bool = False

    @property
    def doublings(self) -> int:
        return self.num_blocks + self.output_upsamples

    @property
    def may_round_up(self) -> bool:
        return self.kernel_size == 3

    @model_validator(mode="after")
    def _unconditional_input(self):
        _require(
            not (self.input_norm and self.num_classes),
            "input_norm does not support classes: give num_classes 0, or leave input_norm out",
        )
        return self


Generator = Annotated[
    ResNetGenerator | BigGANGenerator | BigGANDeepGenerator | DCGANGenerator, Field(discriminator="architecture")
]


# ------------------------------------------------------------------------------------------------- discriminators


class PlainHead(ConfigPart):
    """One logit from the pooled features."""

    type: Literal["plain"] = "plain"


class ProjectionHead(ConfigPart):
    """Logit plus <class embedding, features> (projection discriminator)."""

    type: Literal["projection"] = "projection"


class ClassifierHead(ConfigPart):
    """Logit, and class logits from the pooled features (ACGAN)."""

    type: Literal["classifier"] = "classifier"
    normalize_features: bool = False  # L2-normalise the features before the class layer, as StudioGAN does
    bias: bool = False


class ContrastiveHead(ConfigPart):
    """Logit, image embedding and class embedding for the 2C loss (ContraGAN Eq. 8)."""

    type: Literal["contrastive"] = "contrastive"
    embedding_dim: Width
    projection: Literal["linear", "nonlinear"] = "linear"
    normalize: bool = True  # both embeddings onto the unit sphere


Head = Annotated[PlainHead | ProjectionHead | ClassifierHead | ContrastiveHead, Field(discriminator="type")]


class InfoMaxCritics(ConfigPart):
    """Projections of local and global features (InfoMax-GAN Table 10)."""

    local_after: Block  # local features are the output of this block
    # Global features are the pooled ones, or, in the local-local ablation (A.5), the output of this later block.
    global_after: Block | None = None
    projection_dim: Width = 1024  # R
    rectify_local: bool = True  # Mimicry's in-place ReLU overwrites the local features before they are projected
    spectral_norm: bool = True


class _Discriminator(ConfigPart):
    resolution: Side
    channels: Channels  # of each block's output
    image_channels: Literal[1, 3] = 3
    num_classes: Classes = 0
    spectral_norm: bool = True
    spectral_norm_eps: PositiveFloat = 1e-12
    batch_norm: bool = False
    batch_norm_eps: PositiveFloat = 1e-5
    attention_after: Blocks = ()
    activation: Activation = "relu"
    head: Head = PlainHead()
    rotation_head: bool = False  # four more logits, for SSGAN
    infomax: InfoMaxCritics | None = None
    head_iterates_in_eval: bool = False  # Mimicry's own spectral norm class, in the heads of two of its networks
    init: Initialisation = "xavier"

    @property
    def num_blocks(self) -> int:
        return len(self.channels)

    @model_validator(mode="after")
    def _consistent(self):
        _require(
            self.num_classes > 0 or self.head.type == "plain", f"a {self.head.type} head needs num_classes above zero"
        )
        if self.infomax:
            _require(
                self.infomax.local_after < self.num_blocks,
                f"infomax.local_after is {self.infomax.local_after}, but local features must come before the last of "
                f"the {self.num_blocks} blocks",
            )
            later = self.infomax.global_after
            _require(
                later is None or self.infomax.local_after < later <= self.num_blocks,
                f"infomax.global_after is {later}; give a block after {self.infomax.local_after} and up to "
                f"{self.num_blocks}, or null for the pooled features",
            )
        _check_attention(self.attention_after, self.channels)
        return self

    def _check_maps(self, downsample_blocks: int) -> None:
        sides = [halved(self.resolution, min(i, downsample_blocks)) for i in range(len(self.channels) + 1)]
        _check_sizes((self.channels[0], *self.channels), sides, self.attention_after)


class ResNetDiscriminator(_Discriminator):
    """SNGAN-style residual discriminator; BigGAN's is the same with hidden = "out" (ContraGAN Tables A4, A6, A8)."""

    architecture: Literal["resnet"] = "resnet"
    downsample_blocks: Block  # how many of the first blocks halve the resolution
    hidden: Literal["in", "out"]  # width between the two convolutions of a block: that of its input (Mimicry) or output
    rectify_shortcut: bool = True  # the published runs' in-place activation also reaches the shortcut
    pooling: Literal["sum", "mean"] = "sum"

    @model_validator(mode="after")
    def _reaches(self):
        self._check_maps(self.downsample_blocks)
        _require(
            self.downsample_blocks <= self.num_blocks,
            f"downsample_blocks is {self.downsample_blocks}, but there are {self.num_blocks} blocks",
        )
        _require(
            self.resolution % (1 << self.downsample_blocks) == 0,
            f"resolution {self.resolution} cannot be halved {self.downsample_blocks} times",
        )
        return self


class DCGANDiscriminator(_Discriminator):
    """Plain convolutional discriminator: DCGAN and SNDCGAN (ContraGAN Table A2).

    `layout` "paired": each block is a 3x3 and a 4x4 stride-2 convolution, the last block one 3x3 convolution.
    `layout` "strided": each block is one stride-2 convolution, and the logit reads the flattened map.
    """

    architecture: Literal["dcgan"] = "dcgan"
    layout: Literal["paired", "strided"] = "paired"
    kernel_size: Literal[3, 4] = 3  # of the convolutions of layout "strided"
    first_norm: bool = True  # with batch norm, the first convolution has one too; not in the original DCGAN
    leak: PositiveFloat = 0.1  # slope of leaky_relu below zero, as in StudioGAN

    @property
    def downsample_blocks(self) -> int:
        return self.num_blocks - (self.layout == "paired")

    @model_validator(mode="after")
    def _reaches(self):
        self._check_maps(self.downsample_blocks)
        _require(
            (self.layout == "strided" and self.kernel_size == 3)
            or self.resolution % (1 << self.downsample_blocks) == 0,
            f"resolution {self.resolution} cannot be halved {self.downsample_blocks} times",
        )
        return self


Discriminator = Annotated[ResNetDiscriminator | DCGANDiscriminator, Field(discriminator="architecture")]


def _check_attention(after: tuple[int, ...], channels: tuple[int, ...]) -> None:
    for block in after:
        _require(block <= len(channels), f"attention_after names block {block}, but there are {len(channels)} blocks")
        _require(
            channels[block - 1] >= 8,
            f"self-attention after block {block} divides its {channels[block - 1]} channels by 8: give at least 8",
        )


def _check_sizes(channels: tuple[int, ...], sides: list[int], attention_after: tuple[int, ...]) -> None:
    """Bound the sizes of the feature maps, by block, including the map before the first block."""
    for width, side in zip(channels, sides, strict=True):
        _require(
            width * side * side <= MAX_FEATURES,
            f"{width} channels of {side}x{side} exceed the {MAX_FEATURES:,} numbers of a feature map; give "
            f"fewer channels where the map is large",
        )
    for block in attention_after:
        _require(
            sides[block] <= MAX_ATTENDED,
            f"self-attention after block {block} compares all pairs of {sides[block]}x{sides[block]} pixels; give a "
            f"block whose map has at most {MAX_ATTENDED}x{MAX_ATTENDED}",
        )
