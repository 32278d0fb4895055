"""Convert published checkpoints of other libraries: their networks to our specs, their tensors to our names.

ours = zoo.upstream.convert(torch.load("netG.pth", weights_only=True), source="mimicry", config=config.generator)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...common.errors import ConfigError, WeightsCorruptedError
from . import keymap, mimicry, studiogan

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert", "keymap", "mimicry", "studiogan"]

_SOURCES = {"mimicry": mimicry, "studiogan": studiogan}


def convert(state_dict: Mapping[str, Any], source: str, config: Any) -> dict[str, Tensor]:
    """Convert another library's state dict to ours, every tensor by name, shapes checked, values unchanged.

    Args:
        state_dict: the other library's, or the checkpoint that holds it; prefixes of DataParallel are accepted.
        source: "mimicry" or "studiogan".
        config: the network of the state dict: a ModelConfig (its generator), or a generator or discriminator spec.

    Raises:
        WeightsCorruptedError: tensors are missing, left over or of another shape; the message lists them.
    """
    import torch

    from ... import nets

    if source not in _SOURCES:
        raise ConfigError(f'unknown source "{source}"; give one of: {", ".join(_SOURCES)}')
    library = _SOURCES[source]
    spec: Any = getattr(config, "generator", config)
    is_generator = hasattr(spec, "latent_dim")
    state = state_dict.get(library.CONTAINER_KEY, state_dict)
    state = {_without_prefix(name): tensor for name, tensor in state.items()}
    wrong = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if wrong:
        raise WeightsCorruptedError(
            f"{wrong[0]} is not a tensor; give the state dict of a network, or the {source} checkpoint that holds it"
        )
    with torch.device("meta"):
        network = nets.build_generator(spec) if is_generator else nets.build_discriminator(spec)
    keys = library.generator_keys(spec) if is_generator else library.discriminator_keys(spec)
    return keys.apply(state, network.state_dict(), source)


def _without_prefix(name: str) -> str:
    return name.removeprefix("module.")
