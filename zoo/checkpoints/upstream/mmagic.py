"""Map the GANs of mmagic (github.com/open-mmlab/mmagic, Apache-2.0; MMGeneration before 2023): state dicts to ours.

The names are those of commit 0a560bb. A checkpoint holds all networks of a model, each under its own prefix; where a
moving average of the generator exists, the published scores are its. What mmagic trained draws BGR, as OpenCV reads
images; what it converted from other libraries (`mmagic-rgb`) draws RGB.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ...common.errors import ConfigError
from ...schema import architecture
from .keymap import KeyMap, Rename, block_positions, with_singular_vectors

if TYPE_CHECKING:
    from torch import Tensor

CONTAINER_KEY = "state_dict"
_NETWORKS = ("generator_ema.", "generator.")  # the first that a checkpoint has


def prepared(state: Mapping[str, Tensor], spec: Any) -> dict[str, Tensor]:
    """Return the tensors of the generator alone, with torch's names of spectral norm."""
    for network in _NETWORKS:
        part = {name.removeprefix(network): tensor for name, tensor in state.items() if name.startswith(network)}
        if part:
            return with_singular_vectors(part)
    return with_singular_vectors(state)


def generator_keys(spec: architecture.Generator, bgr: bool = True) -> KeyMap:
    """Return mmagic's names of the tensors of a generator, for each of our names."""
    keys = KeyMap()
    keys.ignore(re.compile("steps"))  # updates of the moving average
    if spec.architecture == "dcgan":
        _dcgan(keys, spec)
    elif spec.architecture == "biggan-deep":
        raise ConfigError("BigGAN-deep of mmagic is converted as pytorch-pretrained-BigGAN's")
    else:
        _residual(keys, spec)
    if bgr and spec.image_channels == 3:
        _reverse_colours(keys, axis=1 if spec.architecture == "dcgan" else 0)
    return keys


def discriminator_keys(spec: architecture.Discriminator, bgr: bool = True) -> KeyMap:
    raise ConfigError("discriminators of mmagic are not converted; give the config of a generator")


def _residual(keys: KeyMap, spec: architecture.ResNetGenerator | architecture.BigGANGenerator) -> None:
    """Map SNGAN, SAGAN and BigGAN: both families of names, of which a file has one."""
    keys.layer("input", "noise2feat")
    keys.layer("embedding", "shared_embedding")
    blocks, attention = block_positions(spec.num_blocks, spec.attention_after)
    for i, position in enumerate(blocks):
        theirs = f"conv_blocks.{position}"
        for ours, names in (
            ("conv1", ("conv_1", "conv1")),
            ("conv2", ("conv_2", "conv2")),
            ("shortcut", ("shortcut",)),
        ):
            for name in names:
                keys.layer(f"blocks.{i}.{ours}", f"{theirs}.{name}.conv")
        for number in (1, 2):
            ours = f"blocks.{i}.norm{number}"
            keys.batch_norm(f"{ours}.norm", f"{theirs}.norm_{number}.norm", affine=False)
            keys.batch_norm(f"{ours}.norm", f"{theirs}.bn{number}.bn", affine=False)
            for part, name in (("gain", "weight"), ("bias", "bias")):
                _embedding(keys, spec, f"{ours}.{part}", f"{theirs}.norm_{number}.{name}_embedding")
                if spec.architecture == "biggan":
                    keys.layer(f"{ours}.{part}", f"{theirs}.bn{number}.{part}")
                else:
                    _embedding(keys, spec, f"{ours}.{part}", f"{theirs}.bn{number}.{part}")
    for block, position in zip(sorted(spec.attention_after), attention, strict=True):
        for name, their_name in (("theta", "theta"), ("phi", "phi"), ("value", "g"), ("output", "o")):
            keys.layer(f"attention.{block}.{name}", f"conv_blocks.{position}.{their_name}.conv")
        keys.add(f"attention.{block}.gain", Rename(f"conv_blocks.{position}.gamma"))
    for last in ("to_rgb", "output_layer"):
        keys.batch_norm("norm", f"{last}.bn")
        keys.layer("output", f"{last}.conv")


def _embedding(keys: KeyMap, spec: Any, ours: str, theirs: str) -> None:
    """Map an embedding (classes, channels), which is our weight transposed; so u and v change places.

    Every published model adds 1 to its gains. Where ours does not, the 1 is part of the weight.
    """
    offset = 1 if ours.endswith("gain") and getattr(spec, "norm_gain_offset", 1) == 0 else 0
    for name in ("weight_orig", "weight"):
        keys.add(f"{ours}.weight", Rename(f"{theirs}.{name}", lambda t: t.t() + offset))
    keys.add(f"{ours}.u", Rename(f"{theirs}.weight_v"))
    keys.add(f"{ours}.v", Rename(f"{theirs}.weight_u"))


def _dcgan(keys: KeyMap, spec: architecture.DCGANGenerator) -> None:
    """Map DCGAN, whose first layer is a transposed convolution of one pixel, and which has no bias before a norm."""
    keys.add("input.weight", Rename("noise2feat.conv.weight", lambda t: t.movedim(0, -1).flatten(0, -2)))
    keys.zero("input.bias")
    keys.batch_norm("input_norm", "noise2feat.bn")
    for i in range(spec.num_blocks):
        keys.layer(f"blocks.{i}.conv", f"upsampling.{i}.conv")
        keys.zero(f"blocks.{i}.conv.bias")
        keys.batch_norm(f"blocks.{i}.norm", f"upsampling.{i}.bn")
    keys.layer("output", "output_layer.conv")


def _reverse_colours(keys: KeyMap, axis: int) -> None:
    """Make the last convolution draw RGB: `axis` of its weight is that of the output channels."""
    for part, dim in (("weight", axis), ("bias", 0), ("u", 0)):
        name = f"output.{part}"
        keys.sources[name] = [Rename(source.name, partial(_flipped, axis=dim)) for source in keys.sources[name]]


def _flipped(tensor: Tensor, axis: int) -> Tensor:
    return tensor.flip(axis)


RGB = SimpleNamespace(
    CONTAINER_KEY=CONTAINER_KEY,
    prepared=prepared,
    generator_keys=partial(generator_keys, bgr=False),
    discriminator_keys=partial(discriminator_keys, bgr=False),
)
