"""The names of tensors in a state dict, without what wrappers of networks add to them.

module.              DataParallel, DistributedDataParallel, AveragedModel (beside its count, `n_averaged`)
_orig_mod.           torch.compile, of the network or of a part of it
_fsdp_wrapped_module., _checkpoint_wrapped_module.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeVar

from ..common.errors import WeightsCorruptedError

_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_AVERAGED = "n_averaged"  # models in an AveragedModel

Value = TypeVar("Value")


def unwrapped(tensors: Mapping[str, Value], origin: str | os.PathLike) -> dict[str, Value]:
    """Return the tensors under the names that the bare network gives them.

    Raises:
        WeightsCorruptedError: two tensors would have one name, or a name is not text; the message begins with `origin`.
    """
    if not isinstance(tensors, Mapping):
        raise WeightsCorruptedError(f"{origin} is of type {type(tensors).__name__}; give the state dict of a network")
    own_names: dict[str, str] = {}
    for name in tensors:
        if not isinstance(name, str):
            raise WeightsCorruptedError(f"{origin} has a tensor called {name!r:.80}; give the state dict of a network")
        *parts, leaf = name.split(".")
        bare = ".".join((*(part for part in parts if part not in _WRAPPERS), leaf))
        if bare in own_names:
            raise WeightsCorruptedError(
                f"{origin} holds two networks: {own_names[bare]} and {name} are both {bare}; keep the tensors of one"
            )
        own_names[bare] = name
    own_names.pop(_AVERAGED, None)
    return {bare: tensors[name] for bare, name in own_names.items()}


def is_batch_count(name: str) -> bool:
    """Return True for the count of batches of a batch norm, which no image depends on."""
    return name.rpartition(".")[2] == "num_batches_tracked"
