"""Schema of the networks: the `generator` and `discriminator` parts of a config.

Every entry is a constructor argument of the module of the same name in `zoo.nets`; nothing is implicit. Sizes are
lists, so one class serves every resolution. Block numbers start at 1, as in the papers' tables.
"""

from __future__ import annotations

from .discriminator_specs import (
    ClassifierHead,
    ContrastiveHead,
    DCGANDiscriminator,
    Discriminator,
    Head,
    InfoMaxCritics,
    PlainHead,
    ProjectionHead,
    ResNetDiscriminator,
)
from .generator_specs import BigGANDeepGenerator, BigGANGenerator, DCGANGenerator, Generator, ResNetGenerator
from .network_parts import ConfigPart, halved

__all__ = [
    "BigGANDeepGenerator",
    "BigGANGenerator",
    "ClassifierHead",
    "ConfigPart",
    "ContrastiveHead",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "Discriminator",
    "Generator",
    "Head",
    "InfoMaxCritics",
    "PlainHead",
    "ProjectionHead",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "halved",
]
