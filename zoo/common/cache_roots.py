"""Where files are kept that can be fetched or made again. A variable that is empty counts as one that is not set."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import ZooError

NO_HOME = Path(os.devnull)


def cache_root() -> Path:
    """$ZOO_CACHE, else $XDG_CACHE_HOME/contrastive-gan-zoo, else ~/.cache/contrastive-gan-zoo."""
    if os.environ.get("ZOO_CACHE"):
        return user_folder(os.environ["ZOO_CACHE"])
    return cache_home() / "contrastive-gan-zoo"


def data_root() -> Path:
    """$ZOO_DATA, else $XDG_CACHE_HOME/contrastive-gan-zoo/data, else ~/.cache/contrastive-gan-zoo/data."""
    if os.environ.get("ZOO_DATA"):
        return user_folder(os.environ["ZOO_DATA"])
    return cache_home() / "contrastive-gan-zoo" / "data"


def hub_root() -> Path:
    """$HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub."""
    home = os.environ.get("HF_HOME") or cache_home() / "huggingface"
    chosen = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or Path(home) / "hub"
    return user_folder(os.path.expandvars(chosen))


def torch_hub_root() -> Path:
    """The folder of torch.hub; PyTorch itself takes an empty variable for the working directory."""
    import torch

    folder = Path(torch.hub.get_dir())
    if not folder.is_absolute() and "" in (os.environ.get("TORCH_HOME"), os.environ.get("XDG_CACHE_HOME")):
        return cache_home() / "torch" / "hub"
    return folder


def user_folder(name: str | os.PathLike) -> Path:
    """A path from a variable or a user, "~" spelled out. Raises ZooError where that has no meaning."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise ZooError(f"{name} has no meaning ({error}); set HOME, or give the whole path") from None


def cache_home() -> Path:
    """$XDG_CACHE_HOME, else ~/.cache; for a user without a home a place below which there is never anything."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return NO_HOME / ".cache"
