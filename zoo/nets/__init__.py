"""The networks. Torch modules only: no files, no downloads, no choice of device."""

from __future__ import annotations

from torch import nn

from .. import architecture
from .batch_norm import concatenated_batches, synchronise, untracked_statistics
from .biggan import BigGANGenerator
from .dcgan import DCGANDiscriminator, DCGANGenerator
from .heads import DiscriminatorOutput
from .layers import SpectralNorm, keep_iterating, settle_spectral_norm
from .power_iteration import iterate_together
from .resample import fold_resampling
from .resnet import ResNetDiscriminator, ResNetGenerator

__all__ = [
    "BigGANGenerator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "DiscriminatorOutput",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "SpectralNorm",
    "build_discriminator",
    "build_generator",
    "concatenated_batches",
    "fold_resampling",
    "iterate_together",
    "keep_iterating",
    "settle_spectral_norm",
    "synchronise",
    "untracked_statistics",
]

_GENERATORS = {"resnet": ResNetGenerator, "biggan": BigGANGenerator, "dcgan": DCGANGenerator}
_DISCRIMINATORS = {"resnet": ResNetDiscriminator, "dcgan": DCGANDiscriminator}


def build_generator(spec: architecture.Generator) -> nn.Module:
    """An untrained generator from `config.generator`, in training mode, on the CPU.

    Call it with z (N, latent_dim) ~ N(0, 1), and labels (N,) int64 if `spec.num_classes`; it returns images
    (N, image_channels, resolution, resolution).
    """
    return _GENERATORS[spec.architecture](spec)


def build_discriminator(spec: architecture.Discriminator) -> nn.Module:
    """An untrained discriminator from `config.discriminator`; see `DiscriminatorOutput` for what it returns."""
    return _DISCRIMINATORS[spec.architecture](spec)
