"""Map BigGAN-PyTorch (github.com/ajbrock/BigGAN-PyTorch, MIT): state dicts to ours.

The names are those of commit 9845943, for its default layers: `SNConv2d`, `SNLinear` and PyTorch's batch norm, shared
class embeddings and hierarchical latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...common.errors import ConfigError
from ...schema import architecture
from .keymap import KeyMap, Rename, with_singular_vectors

if TYPE_CHECKING:
    from torch import Tensor

CONTAINER_KEY = "state_dict"  # each network has a file of its own


def prepared(state: Mapping[str, Tensor], spec: Any) -> dict[str, Tensor]:
    return with_singular_vectors(state)


def generator_keys(spec: architecture.BigGANGenerator) -> KeyMap:
    """Return the library's names of the tensors of a generator, for each of our names."""
    keys = KeyMap()
    keys.layer("input", "linear")
    keys.layer("embedding", "shared")
    for i in range(spec.num_blocks):
        for ours, theirs in (("conv1", "conv1"), ("conv2", "conv2"), ("shortcut", "conv_sc")):
            keys.layer(f"blocks.{i}.{ours}", f"blocks.{i}.0.{theirs}")
        for number in (1, 2):
            ours, theirs = f"blocks.{i}.norm{number}", f"blocks.{i}.0.bn{number}"
            _statistics(keys, f"{ours}.norm", theirs)
            keys.layer(f"{ours}.gain", f"{theirs}.gain")
            keys.layer(f"{ours}.bias", f"{theirs}.bias")
    for block in spec.attention_after:
        theirs = f"blocks.{block - 1}.1"
        for name, their_name in (("theta", "theta"), ("phi", "phi"), ("value", "g"), ("output", "o")):
            keys.layer(f"attention.{block}.{name}", f"{theirs}.{their_name}")
        keys.add(f"attention.{block}.gain", Rename(f"{theirs}.gamma"))
    _statistics(keys, "norm", "output_layer.0")
    keys.add("norm.weight", Rename("output_layer.0.gain"))
    keys.add("norm.bias", Rename("output_layer.0.bias"))
    keys.layer("output", "output_layer.2")
    return keys


def discriminator_keys(spec: architecture.Discriminator) -> KeyMap:
    raise ConfigError("discriminators of BigGAN-PyTorch are not converted; give the config of a generator")


def _statistics(keys: KeyMap, ours: str, theirs: str) -> None:
    keys.add(f"{ours}.running_mean", Rename(f"{theirs}.stored_mean"))
    keys.add(f"{ours}.running_var", Rename(f"{theirs}.stored_var"))
