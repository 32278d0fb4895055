"""Convert published checkpoints of other libraries: their networks to our specs, their tensors to our names.

ours = zoo.upstream.convert(torch.load("netG.pth", weights_only=True), source="mimicry", config=config.generator)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...common.errors import ConfigError, WeightsCorruptedError
from ..tensor_names import unwrapped
from . import biggan_deep, biggan_pytorch, keymap, mimicry, mmagic, studiogan

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["biggan_deep", "biggan_pytorch", "convert", "keymap", "mimicry", "mmagic", "studiogan"]

_SOURCES: dict[str, Any] = {
    "mimicry": mimicry,
    "studiogan": studiogan,
    "mmagic": mmagic,
    "mmagic-rgb": mmagic.RGB,
    "biggan-pytorch": biggan_pytorch,
    "biggan-deep": biggan_deep,
}


def convert(state_dict: Mapping[str, Any], source: str, config: Any) -> dict[str, Tensor]:
    """Convert another library's state dict to ours, every tensor by name, shapes checked, the function unchanged.

    The result is float32 whatever the defaults of the process.

    Args:
        state_dict: the other library's, or the checkpoint that holds it; prefixes of wrapped networks come off.
        source: the library; "mmagic-rgb" for what mmagic converted from others, whose channels are not BGR.
        config: the network of the state dict: a ModelConfig (its generator), or a generator or discriminator spec.

    Raises:
        WeightsCorruptedError: tensors are missing, left over or of another shape, or values are not finite; the message
            names them.
    """
    return convert_file(state_dict, source, config, f"this {source} state dict")


def convert_file(
    state_dict: Mapping[str, Any], source: str, config: Any, origin: str | os.PathLike
) -> dict[str, Tensor]:
    """Convert as `convert` does; errors begin with `origin`, the name of the file."""
    import torch

    from ... import nets
    from ...common.torch_defaults import fresh_defaults
    from ..state_dicts import check_finite

    if source not in _SOURCES:
        raise ConfigError(f'unknown source "{source}"; give one of: {", ".join(_SOURCES)}')
    library = _SOURCES[source]
    spec: Any = getattr(config, "generator", config)
    is_generator = hasattr(spec, "latent_dim")
    if not isinstance(state_dict, Mapping):
        raise WeightsCorruptedError(
            f"{origin} is of type {type(state_dict).__name__}; give the state dict of a network"
        )
    state = state_dict.get(library.CONTAINER_KEY, state_dict)
    if not isinstance(state, Mapping):
        state = {library.CONTAINER_KEY: state}
    wrong = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if wrong:
        raise WeightsCorruptedError(
            f"{origin}: {wrong[0]!s:.80} is not a tensor; give the state dict of a network, or the {source} checkpoint "
            f"that holds it"
        )
    network = (nets.build_generator if is_generator else nets.build_discriminator)(spec, device="meta")
    keys = library.generator_keys(spec) if is_generator else library.discriminator_keys(spec)
    with fresh_defaults():
        check_finite(state, origin)
        tensors = unwrapped(state, origin)
        if prepare := getattr(library, "prepared", None):
            tensors = prepare(tensors, spec)
        converted = keys.apply(tensors, network.state_dict(), origin)
        check_finite(converted, origin)  # a float64 may have no place in float32
    return converted
