"""Map the GANs of mmagic (github.com/open-mmlab/mmagic, Apache-2.0; MMGeneration before 2023): state dicts to ours.

The names are those of commit 0a560bb. A checkpoint holds all networks of a model, each under its own prefix; where a
moving average of the generator exists, the published scores are its. What mmagic trained draws and judges BGR, as
OpenCV reads images; what it converted from other libraries (`mmagic-rgb`) draws RGB.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ...common.errors import ConfigError
from ...schema import architecture
from . import mmagic_dcgan
from . import mmagic_layers as layers
from .keymap import KeyMap, block_positions, with_singular_vectors

if TYPE_CHECKING:
    from torch import Tensor

CONTAINER_KEY = "state_dict"
_GENERATORS, _DISCRIMINATORS = ("generator_ema.", "generator."), ("discriminator.",)  # the first that a file has


def prepared(state: Mapping[str, Tensor], spec: Any) -> dict[str, Tensor]:
    """Return the tensors of one network alone, with torch's names of spectral norm."""
    for network in _GENERATORS if hasattr(spec, "latent_dim") else _DISCRIMINATORS:
        part = {name.removeprefix(network): tensor for name, tensor in state.items() if name.startswith(network)}
        if part:
            state = part
            break
    return with_singular_vectors(layers.head_first(state))


def generator_keys(spec: architecture.Generator, bgr: bool = True) -> KeyMap:
    """Return mmagic's names of the tensors of a generator, for each of our names."""
    keys = KeyMap()
    keys.ignore(re.compile("steps"))  # updates of the moving average
    if spec.architecture == "dcgan":
        mmagic_dcgan.generator(keys, spec)
    elif spec.architecture == "biggan-deep":
        raise ConfigError("BigGAN-deep of mmagic is converted as pytorch-pretrained-BigGAN's")
    else:
        _residual_generator(keys, spec)
    if bgr and spec.image_channels == 3:
        layers.reverse_outputs(keys, "output", axis=1 if getattr(spec, "output_upsamples", False) else 0)
    return keys


def discriminator_keys(spec: architecture.Discriminator, bgr: bool = True) -> KeyMap:
    """Return mmagic's names of the tensors of a discriminator, for each of our names."""
    keys = KeyMap()
    if spec.architecture == "dcgan":
        mmagic_dcgan.discriminator(keys, spec)
    else:
        blocks, attention = block_positions(spec.num_blocks, spec.attention_after)
        layers.convolutions(keys, blocks)
        layers.attention(keys, spec.attention_after, attention)
        keys.layer("heads.logit", "decision")
        keys.layer("heads.embedding", "proj_y")
    if bgr and spec.image_channels == 3:
        for first in ("conv",) if spec.architecture == "dcgan" else ("conv1", "shortcut"):
            layers.reverse_inputs(keys, f"blocks.0.{first}")
    return keys


def _residual_generator(keys: KeyMap, spec: architecture.ResNetGenerator | architecture.BigGANGenerator) -> None:
    """Map SNGAN, SAGAN and BigGAN: both families of names, of which a file has one."""
    keys.layer("input", "noise2feat")
    keys.layer("embedding", "shared_embedding")
    blocks, attention = block_positions(spec.num_blocks, spec.attention_after)
    layers.convolutions(keys, blocks)
    for i, position in enumerate(blocks):
        for number in (1, 2):
            layers.conditional_norm(keys, spec, f"blocks.{i}.norm{number}", f"conv_blocks.{position}", number)
    layers.attention(keys, spec.attention_after, attention)
    for last in ("to_rgb", "output_layer"):
        keys.batch_norm("norm", f"{last}.bn")
        keys.layer("output", f"{last}.conv")


RGB = SimpleNamespace(
    CONTAINER_KEY=CONTAINER_KEY,
    prepared=prepared,
    generator_keys=partial(generator_keys, bgr=False),
    discriminator_keys=partial(discriminator_keys, bgr=False),
)
