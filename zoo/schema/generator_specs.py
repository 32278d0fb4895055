"""Schema of the generators; see `architecture`."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from .bounds import Classes, Side, Width
from .network_parts import (
    Activation,
    Blocks,
    Channels,
    ConfigPart,
    Initialisation,
    check_attention,
    check_sizes,
    halved,
    require,
)


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
        require(
            reached == self.resolution
            or (self.may_round_up and halved(self.resolution, self.doublings) == self.bottom_width),
            f"resolution is {self.resolution}, but {self.doublings} upsampling blocks from {self.bottom_width} pixels "
            f"reach {reached}; give {self.resolution} // bottom_width as a power of two and a channel count per block",
        )
        check_attention(self.attention_after, self.channels[1:])
        check_sizes(self.channels, [self.bottom_width << i for i in range(len(self.channels))], self.attention_after)
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
        require(
            self.latent_dim % (self.num_blocks + 1) == 0,
            f"latent_dim {self.latent_dim} must divide into {self.num_blocks + 1} equal chunks (input and blocks)",
        )
        require(self.num_classes > 0, "a BigGAN generator is conditional: give num_classes")
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
        require(self.num_classes > 0, "a BigGAN-deep generator is conditional: give num_classes")
        require(
            all(a >= b for a, b in itertools.pairwise(self.channels)),
            f"channels {list(self.channels)} grow, but a BigGAN-deep generator only drops channels",
        )
        require(min(self.channels) >= self.reduction, f"channels below reduction {self.reduction} leave no bottleneck")
        return self


class DCGANGenerator(_Generator):
    """Transposed-convolution generator: DCGAN and SNDCGAN (ContraGAN Table A1)."""

    architecture: Literal["dcgan"] = "dcgan"
    kernel_size: Literal[3, 4] = 4  # of the stride-2 transposed convolutions
    norm_gain_offset: Literal[0, 1] = 1  # as in ResNetGenerator
    input_norm: bool = False  # batch norm and activation of the first feature map, as in the original DCGAN
    refined_blocks: Blocks = ()  # these have a 3x3 convolution, norm and activation more, as in LSGAN (1611.04076)
    # The last layer is a stride-2 transposed convolution to the image, as in the original DCGAN, not a 3x3 convolution.
    output_upsamples: bool = False

    @property
    def doublings(self) -> int:
        return self.num_blocks + self.output_upsamples

    @property
    def may_round_up(self) -> bool:
        return self.kernel_size == 3

    @model_validator(mode="after")
    def _refines(self):
        wrong = [block for block in self.refined_blocks if block > self.num_blocks]
        require(not wrong, f"refined_blocks names block {wrong[:1]}, but there are {self.num_blocks} blocks")
        return self

    @model_validator(mode="after")
    def _unconditional_input(self):
        require(
            not (self.input_norm and self.num_classes),
            "input_norm does not support classes: give num_classes 0, or leave input_norm out",
        )
        return self


Generator = Annotated[
    ResNetGenerator | BigGANGenerator | BigGANDeepGenerator | DCGANGenerator, Field(discriminator="architecture")
]
