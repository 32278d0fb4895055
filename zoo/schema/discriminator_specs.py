"""Schema of the discriminators and their heads; see `architecture`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from .bounds import Block, Classes, Side, Width
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
        require(
            self.num_classes > 0 or self.head.type == "plain", f"a {self.head.type} head needs num_classes above zero"
        )
        if self.infomax:
            require(
                self.infomax.local_after < self.num_blocks,
                f"infomax.local_after is {self.infomax.local_after}, but local features must come before the last of "
                f"the {self.num_blocks} blocks",
            )
            later = self.infomax.global_after
            require(
                later is None or self.infomax.local_after < later <= self.num_blocks,
                f"infomax.global_after is {later}; give a block after {self.infomax.local_after} and up to "
                f"{self.num_blocks}, or null for the pooled features",
            )
        check_attention(self.attention_after, self.channels)
        return self

    def _check_maps(self, downsample_blocks: int) -> None:
        sides = [halved(self.resolution, min(i, downsample_blocks)) for i in range(len(self.channels) + 1)]
        check_sizes((self.channels[0], *self.channels), sides, self.attention_after)


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
        require(
            self.downsample_blocks <= self.num_blocks,
            f"downsample_blocks is {self.downsample_blocks}, but there are {self.num_blocks} blocks",
        )
        require(
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
    kernel_size: Literal[3, 4, 5] = 3  # of the convolutions of layout "strided"
    first_norm: bool = True  # with batch norm, the first convolution has one too; not in the original DCGAN
    leak: PositiveFloat = 0.1  # slope of leaky_relu below zero, as in StudioGAN

    @property
    def downsample_blocks(self) -> int:
        return self.num_blocks - (self.layout == "paired")

    @model_validator(mode="after")
    def _reaches(self):
        self._check_maps(self.downsample_blocks)
        require(
            (self.layout == "strided" and self.kernel_size % 2 == 1)
            or self.resolution % (1 << self.downsample_blocks) == 0,
            f"resolution {self.resolution} cannot be halved {self.downsample_blocks} times",
        )
        return self


Discriminator = Annotated[ResNetDiscriminator | DCGANDiscriminator, Field(discriminator="architecture")]
