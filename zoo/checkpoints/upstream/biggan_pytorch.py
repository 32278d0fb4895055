"""Map BigGAN-PyTorch (github.com/ajbrock/BigGAN-PyTorch, MIT): state dicts to ours.

The names are those of commit 9845943, for its default layers: `SNConv2d`, `SNLinear` and PyTorch's batch norm, shared
class embeddings and hierarchical latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
    _convolutions(keys, spec.num_blocks)
    for i in range(spec.num_blocks):
        for number in (1, 2):
            ours, theirs = f"blocks.{i}.norm{number}", f"blocks.{i}.0.bn{number}"
            _statistics(keys, f"{ours}.norm", theirs)
            keys.layer(f"{ours}.gain", f"{theirs}.gain")
            keys.layer(f"{ours}.bias", f"{theirs}.bias")
    _attention(keys, spec.attention_after)
    _statistics(keys, "norm", "output_layer.0")
    keys.add("norm.weight", Rename("output_layer.0.gain"))
    keys.add("norm.bias", Rename("output_layer.0.bias"))
    keys.layer("output", "output_layer.2")
    return keys


def discriminator_keys(spec: architecture.ResNetDiscriminator) -> KeyMap:
    """Return the library's names of the tensors of a discriminator, for each of our names."""
    keys = KeyMap()
    _convolutions(keys, spec.num_blocks)
    _attention(keys, spec.attention_after)
    keys.layer("heads.logit", "linear")
    keys.layer("heads.embedding", "embed")
    return keys


def _convolutions(keys: KeyMap, num_blocks: int) -> None:
    for i in range(num_blocks):
        for ours, theirs in (("conv1", "conv1"), ("conv2", "conv2"), ("shortcut", "conv_sc")):
            keys.layer(f"blocks.{i}.{ours}", f"blocks.{i}.0.{theirs}")


def _attention(keys: KeyMap, after: tuple[int, ...]) -> None:
    for block in after:
        theirs = f"blocks.{block - 1}.1"
        for name, their_name in (("theta", "theta"), ("phi", "phi"), ("value", "g"), ("output", "o")):
            keys.layer(f"attention.{block}.{name}", f"{theirs}.{their_name}")
        keys.add(f"attention.{block}.gain", Rename(f"{theirs}.gamma"))


def _statistics(keys: KeyMap, ours: str, theirs: str) -> None:
    keys.add(f"{ours}.running_mean", Rename(f"{theirs}.stored_mean"))
    keys.add(f"{ours}.running_var", Rename(f"{theirs}.stored_var"))
