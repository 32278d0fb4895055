"""The layers of mmagic's networks by their names, in both of its families: SNGAN and SAGAN, and BigGAN."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .keymap import KeyMap, Rename

if TYPE_CHECKING:
    from torch import Tensor


def head_first(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the state with the first block, which SNGAN's discriminator calls `from_rgb`, as the first of the list."""
    if not any(name.startswith("from_rgb.") for name in state):
        return state

    def renamed(name: str) -> str:
        later = re.sub(r"^conv_blocks\.(\d+)", lambda found: f"conv_blocks.{int(found[1]) + 1}", name)
        return later.replace("from_rgb.", "conv_blocks.0.", 1) if name.startswith("from_rgb.") else later

    return {renamed(name): tensor for name, tensor in state.items()}


def convolutions(keys: KeyMap, positions: Sequence[int]) -> None:
    """Map the convolutions of residual blocks; `positions` are theirs in the list of blocks and attention layers."""
    for i, position in enumerate(positions):
        for layer in ("conv1", "conv2", "shortcut"):
            for name in (layer, layer.replace("conv", "conv_")):
                keys.layer(f"blocks.{i}.{layer}", f"conv_blocks.{position}.{name}.conv")


def attention(keys: KeyMap, after: Iterable[int], positions: Sequence[int]) -> None:
    for block, position in zip(sorted(after), positions, strict=True):
        for name, their_name in (("theta", "theta"), ("phi", "phi"), ("value", "g"), ("output", "o")):
            keys.layer(f"attention.{block}.{name}", f"conv_blocks.{position}.{their_name}.conv")
        keys.add(f"attention.{block}.gain", Rename(f"conv_blocks.{position}.gamma"))


def conditional_norm(keys: KeyMap, spec: Any, ours: str, block: str, number: int) -> None:
    """Map the first or second norm of a generator's block."""
    keys.batch_norm(f"{ours}.norm", f"{block}.norm_{number}.norm", affine=False)
    keys.batch_norm(f"{ours}.norm", f"{block}.bn{number}.bn", affine=False)
    for part, name in (("gain", "weight"), ("bias", "bias")):
        _embedding(keys, spec, f"{ours}.{part}", f"{block}.norm_{number}.{name}_embedding")
        if spec.architecture == "biggan":
            keys.layer(f"{ours}.{part}", f"{block}.bn{number}.{part}")
        else:
            _embedding(keys, spec, f"{ours}.{part}", f"{block}.bn{number}.{part}")


def _embedding(keys: KeyMap, spec: Any, ours: str, theirs: str) -> None:
    """Map an embedding (classes, channels), which is our weight transposed; so u and v change places.

    Every published model adds 1 to its gains. Where ours does not, the 1 is part of the weight.
    """
    offset = 1 if ours.endswith("gain") and getattr(spec, "norm_gain_offset", 1) == 0 else 0
    for name in ("weight_orig", "weight"):
        keys.add(f"{ours}.weight", Rename(f"{theirs}.{name}", lambda t: t.t() + offset))
    keys.add(f"{ours}.u", Rename(f"{theirs}.weight_v"))
    keys.add(f"{ours}.v", Rename(f"{theirs}.weight_u"))


def convolution(keys: KeyMap, ours: str, theirs: str, norm: bool = True) -> None:
    """Map a block of DCGAN, which has no bias before a norm."""
    keys.layer(f"{ours}.conv", f"{theirs}.conv")
    if norm:
        keys.zero(f"{ours}.conv.bias")
        keys.batch_norm(f"{ours}.norm", f"{theirs}.bn")


def reverse_outputs(keys: KeyMap, layer: str, axis: int) -> None:
    """Make a layer draw RGB instead of BGR: `axis` of its weight is that of the output channels."""
    for part, dim in (("weight", axis), ("bias", 0), ("u", 0)):
        if part != "u" or f"{layer}.u" in keys.sources:
            _then(keys, f"{layer}.{part}", partial(_flipped, axis=dim))


def reverse_inputs(keys: KeyMap, layer: str) -> None:
    """Make a convolution read RGB instead of BGR."""
    _then(keys, f"{layer}.weight", partial(_flipped, axis=1))
    _then(keys, f"{layer}.v", lambda v: v.unflatten(0, (3, -1)).flip(0).flatten())


def transposed_convolution(keys: KeyMap, ours: str, theirs: str) -> None:
    """Map a transposed 3x3 convolution of stride 1, which is our convolution with its weight turned round."""
    keys.add(f"{ours}.weight", Rename(f"{theirs}.weight", lambda t: t.transpose(0, 1).flip(2, 3)))


def _then(keys: KeyMap, ours: str, change: Callable[[Tensor], Tensor]) -> None:
    keys.sources[ours] = [Rename(source.name, partial(_both, source.reshape, change)) for source in keys.sources[ours]]


def _both(first: Callable[[Tensor], Tensor] | None, then: Callable[[Tensor], Tensor], tensor: Tensor) -> Tensor:
    return then(tensor if first is None else first(tensor))


def _flipped(tensor: Tensor, axis: int) -> Tensor:
    return tensor.flip(axis)
