"""Models by their registered names, never by a path; a bounded number of them stays loaded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ..common.errors import WeightsUnavailableError

if TYPE_CHECKING:
    from ..checkpoints.resolve import ResolvedModel
    from ..sampling.gan import GAN


def find_model(name: str) -> ResolvedModel:
    """Return the config and the verified weights of a registered name, "name" or "name@tag".

    `zoo.load` takes folders and addresses too; a name from the network never gets there. Nothing is downloaded: a
    download would hold the device for minutes.

    Raises:
        ZooError: the name is unknown, or its weights are not on this machine.
    """
    from ..checkpoints import weights
    from ..checkpoints.resolve import ResolvedModel
    from ..schema import registry

    base, tag = registry.split_tag(name)
    config = registry.config(base)
    entry = weights.entry(config, tag)
    if not weights.is_local(config, entry):
        raise WeightsUnavailableError(f"{name} is not on this machine; the Models tab says how to get it")
    return ResolvedModel(config, weights.locate(config, entry.tag), entry.tag)


def load(name: str, device: str) -> GAN:
    """Load a registered name as `zoo.load` does."""
    from ..sampling.loading import load_found

    return load_found(find_model(name), name, device)


class ModelCache:
    """Models by name. One thread loads (the device's worker); any may ask for the names."""

    def __init__(self, load: Callable[[str], GAN], bound: int):
        self._load, self._bound = load, bound
        self._models: OrderedDict[str, GAN] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> GAN:
        """Return the model, loaded if necessary; room is made first, so that the bound is never exceeded."""
        with self._lock:
            if name in self._models:
                self._models.move_to_end(name)
                return self._models[name]
            while len(self._models) >= self._bound:
                self._models.popitem(last=False)
        model = self._load(name)
        with self._lock:
            self._models[name] = model
        return model

    def __contains__(self, name: str) -> bool:
        with self._lock:
            return name in self._models

    @property
    def names(self) -> list[str]:
        """Return the names from the least to the most recently used."""
        with self._lock:
            return list(self._models)


class ModelsOnDevice(NamedTuple):
    """The models and the device of a job's work."""

    device: str
    models: ModelCache
