"""A zoo of GANs: load by name, sample, check against the numbers their authors published.

    import zoo
    zoo.load("contragan/digits").sample(64, label=3).save("threes.png")

Nothing heavy is imported until it is used: `import zoo` needs neither torch nor gradio.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from .common.errors import (
    ConfigError,
    DataCorruptedError,
    DataUnavailableError,
    LabelError,
    UnknownModelError,
    WeightsCorruptedError,
    WeightsUnavailableError,
    ZooError,
)
from .common.version import __version__ as __version__

if TYPE_CHECKING:
    from . import nets
    from .checkpoints import upstream
    from .checkpoints.availability import list_models
    from .evaluation import Alignment, Report, align, compare, evaluate, verify
    from .sampling.gan import GAN
    from .sampling.images import Images
    from .sampling.loading import load
    from .schema.config import ModelConfig
    from .schema.registry import register

__all__ = [
    "GAN",
    "Alignment",
    "ConfigError",
    "DataCorruptedError",
    "DataUnavailableError",
    "Images",
    "LabelError",
    "ModelConfig",
    "Report",
    "UnknownModelError",
    "WeightsCorruptedError",
    "WeightsUnavailableError",
    "ZooError",
    "align",
    "compare",
    "evaluate",
    "info",
    "list_models",
    "load",
    "nets",
    "register",
    "upstream",
    "verify",
]

_LAZY = {
    "GAN": "sampling.gan",
    "load": "sampling.loading",
    "Images": "sampling.images",
    "ModelConfig": "schema.config",
    "Alignment": "evaluation",
    "Report": "evaluation",
    "align": "evaluation",
    "compare": "evaluation",
    "evaluate": "evaluation",
    "verify": "evaluation",
    "list_models": "checkpoints.availability",
    "register": "schema.registry",
}

_MODULES = {"datasets": "datasets", "nets": "nets", "registry": "schema.registry", "upstream": "checkpoints.upstream"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = importlib.import_module(f".{_MODULES[name]}", __name__)
    elif name in _LAZY:
        value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    else:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def info(name: str | os.PathLike) -> ModelConfig:
    """The config of a model, or of an exported folder: architecture, data, training, weights, published scores.

    Args:
        name: a name in any spelling, a folder, or `hf://user/repo[@revision]`.

    Raises:
        UnknownModelError: nothing has this name; the message names the nearest.
        WeightsUnavailableError: the model has no weights with the tag of `name@tag`.
    """
    from .checkpoints import hub
    from .schema import registry

    place = hub.local_folder(name, with_weights=False)
    return registry.exported(place) or registry.config(os.fspath(place))
