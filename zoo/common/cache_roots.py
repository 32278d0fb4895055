"""Folders of files that can be fetched or made again. An empty environment variable counts as unset."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import ZooError

NO_HOME = Path(os.devnull)


def cache_root() -> Path:
    """Return $ZOO_CACHE, else $XDG_CACHE_HOME/contrastive-gan-zoo, else ~/.cache/contrastive-gan-zoo."""
    if os.environ.get("ZOO_CACHE"):
        return user_folder(os.environ["ZOO_CACHE"])
    return cache_home() / "contrastive-gan-zoo"


def data_root() -> Path:
    """Return $ZOO_DATA, else $XDG_CACHE_HOME/contrastive-gan-zoo/data, else ~/.cache/contrastive-gan-zoo/data."""
    if os.environ.get("ZOO_DATA"):
        return user_folder(os.environ["ZOO_DATA"])
    return cache_home() / "contrastive-gan-zoo" / "data"


def hub_root() -> Path:
    """Return $HF_HUB_CACHE, else hub in $HF_HOME, else in $XDG_CACHE_HOME/huggingface, else in ~/.cache/huggingface."""
    home = os.environ.get("HF_HOME") or cache_home() / "huggingface"
    chosen = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or Path(home) / "hub"
    return user_folder(os.path.expandvars(chosen))


def torch_hub_root() -> Path:
    """Return the folder of torch.hub; PyTorch itself reads an empty variable as the working directory."""
    import torch

    folder = Path(torch.hub.get_dir())
    if not folder.is_absolute() and "" in (os.environ.get("TORCH_HOME"), os.environ.get("XDG_CACHE_HOME")):
        return cache_home() / "torch" / "hub"
    return folder


def user_folder(name: str | os.PathLike) -> Path:
    """Return the path that a variable or a user names, with "~" expanded; raises ZooError if there is no home."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise ZooError(f"{name} cannot be expanded ({error}); set HOME, or give the whole path") from None


def cache_home() -> Path:
    """Return $XDG_CACHE_HOME, else ~/.cache; for a user without a home, a path below which nothing can exist."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return NO_HOME / ".cache"
