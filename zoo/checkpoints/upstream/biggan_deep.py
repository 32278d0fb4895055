"""Map pytorch-pretrained-BigGAN (github.com/huggingface/pytorch-pretrained-BigGAN, MIT): DeepMind's BigGAN-deep.

The names are those of commit 1e18aed. Its files differ from our networks in three ways:

- The weights are divided by their spectral norm here: the last layer has 128 outputs, of which three are the image, and
  its norm is that of all. The discriminators were never published, so no training could go on from these weights.
- The norms have 51 sets of statistics, measured at truncations 0, 0.02, ... 1. The last one is taken, of truncation 1:
  latents drawn from N(0, 1) between -2 and 2.
- The first map has its channels last, as in TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...common.errors import ConfigError
from ...schema import architecture
from .keymap import KeyMap, Rename, block_positions, with_divided_weights

if TYPE_CHECKING:
    from torch import Tensor

CONTAINER_KEY = "state_dict"


def prepared(state: Mapping[str, Tensor], spec: Any) -> dict[str, Tensor]:
    return with_divided_weights(state)


def generator_keys(spec: architecture.BigGANDeepGenerator) -> KeyMap:
    """Return the library's names of the tensors of a generator, for each of our names."""
    pixels = spec.bottom_width**2
    keys = KeyMap()
    keys.add("embedding.weight", Rename("embeddings.weight", lambda t: t.t()))
    for part in ("weight", "bias"):
        keys.add(
            f"input.{part}",
            Rename(f"generator.gen_z.{part}", lambda t: t.unflatten(0, (pixels, -1)).transpose(0, 1).flatten(0, 1)),
        )
    blocks, attention = block_positions(2 * spec.num_blocks, tuple(2 * block for block in spec.attention_after))
    for i, position in enumerate(blocks):
        for number in range(4):
            norm, their_norm = f"blocks.{i}.norm{number + 1}", f"generator.layers.{position}.bn_{number}"
            keys.layer(f"blocks.{i}.conv{number + 1}", f"generator.layers.{position}.conv_{number}")
            _statistics(keys, f"{norm}.norm", their_norm)
            keys.layer(f"{norm}.gain", f"{their_norm}.scale")
            keys.layer(f"{norm}.bias", f"{their_norm}.offset")
    for block, position in zip(sorted(spec.attention_after), attention, strict=True):
        for name, their_name in (("theta", "theta"), ("phi", "phi"), ("value", "g"), ("output", "o_conv")):
            keys.layer(f"attention.{block}.{name}", f"generator.layers.{position}.snconv1x1_{their_name}")
        keys.add(f"attention.{block}.gain", Rename(f"generator.layers.{position}.gamma", lambda t: t.reshape(())))
    _statistics(keys, "norm", "generator.bn")
    for part in ("weight", "bias"):
        keys.add(f"norm.{part}", Rename(f"generator.bn.{part}"))
        keys.add(f"output.{part}", Rename(f"generator.conv_to_rgb.{part}", lambda t: t[: spec.image_channels]))
    return keys


def discriminator_keys(spec: architecture.Discriminator) -> KeyMap:
    raise ConfigError("discriminators of BigGAN-deep were never published; give the config of a generator")


def _statistics(keys: KeyMap, ours: str, theirs: str) -> None:
    for part, name in (("running_mean", "running_means"), ("running_var", "running_vars")):
        keys.add(f"{ours}.{part}", Rename(f"{theirs}.{name}", lambda t: t[-1]))
