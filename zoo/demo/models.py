"""Loaded models, as many as the bound allows; the least recently used one goes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model import GAN


class ModelCache:
    """Models by name. One thread loads (the device's worker); any may ask for the names."""

    def __init__(self, load: Callable[[str], GAN], bound: int):
        self._load, self._bound = load, bound
        self._models: OrderedDict[str, GAN] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> GAN:
        """The model, loaded if it is not here; room is made first, so that there are never more than the bound."""
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
        """From the least to the most recently used."""
        with self._lock:
            return list(self._models)
