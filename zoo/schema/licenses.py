"""The libraries whose published checkpoints are converted: licence and home page, by `Upstream.source`."""

from __future__ import annotations

from typing import NamedTuple

from .config import ModelConfig
from .entries import Upstream


class Library(NamedTuple):
    """A source of published checkpoints. Its licence is that of all its checkpoints, unless an entry states another."""

    name: str
    license: str  # SPDX id
    home: str


_MMAGIC = Library("MMagic", "Apache-2.0", "https://github.com/open-mmlab/mmagic")
LIBRARIES = {
    "mimicry": Library("Mimicry", "MIT", "https://github.com/kwotsin/mimicry"),
    "studiogan": Library("PyTorch-StudioGAN", "MIT", "https://github.com/POSTECH-CVLab/PyTorch-StudioGAN"),
    "mmagic": _MMAGIC,
    "mmagic-rgb": _MMAGIC,
    "biggan-pytorch": Library("BigGAN-PyTorch", "MIT", "https://github.com/ajbrock/BigGAN-PyTorch"),
    "biggan-deep": Library(
        "pytorch-pretrained-BigGAN", "MIT", "https://github.com/huggingface/pytorch-pretrained-BigGAN"
    ),
}


def license_of(upstream: Upstream) -> str:
    """Return the SPDX id of the licence of a checkpoint."""
    return upstream.license or LIBRARIES[upstream.source].license


def license_of_model(config: ModelConfig) -> str:
    """Return the licence of the default weights of a model, that of its config if they are no published checkpoint."""
    entry = config.default_weights
    return license_of(entry.upstream) if entry and entry.upstream else config.license


def terms(upstream: Upstream) -> str:
    """Return licence and origin of a checkpoint: "MIT, PyTorch-StudioGAN, https://..."."""
    library = LIBRARIES[upstream.source]
    return f"{license_of(upstream)}, {library.name}, {library.home}"


def is_noncommercial(license: str) -> bool:
    """Return True for the licences of Creative Commons that exclude commercial use."""
    return "NC" in license.upper().split("-")
