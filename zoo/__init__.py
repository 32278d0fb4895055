"""A zoo of GANs: load by name, sample, check against the numbers their authors published.

    import zoo
    zoo.load("contragan/digits").sample(64, label=3).save("threes.png")

Nothing heavy is imported until it is used: `import zoo` needs neither torch nor gradio.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from .errors import (
    ConfigError,
    DataCorruptedError,
    DataUnavailableError,
    LabelError,
    UnknownModelError,
    WeightsCorruptedError,
    WeightsUnavailableError,
    ZooError,
)

if TYPE_CHECKING:
    from . import nets, upstream
    from .config import ModelConfig
    from .evaluation import Alignment, Report, align, evaluate, verify
    from .images import Images
    from .loading import load
    from .model import GAN
    from .registry import list_models, register

__version__ = "0.1.0"

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
    "GAN": "model",
    "load": "loading",
    "Images": "images",
    "ModelConfig": "config",
    "Alignment": "evaluation",
    "Report": "evaluation",
    "align": "evaluation",
    "evaluate": "evaluation",
    "verify": "evaluation",
    "list_models": "registry",
    "register": "registry",
    "nets": None,
    "upstream": None,
    "datasets": None,
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    home = _LAZY[name]
    value = importlib.import_module(f".{home or name}", __name__)
    if home:
        value = getattr(value, name)
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
    """
    from . import hub, registry

    place = hub.local_folder(name, with_weights=False)
    return registry.exported(place) or registry.config(os.fspath(place))
