"""`zoo export`: a model, by any name, as a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..schema import registry
from .model_folder import check, write_folder

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ..sampling.gan import GAN


def export_folder(
    source: GAN | str | os.PathLike,
    out: str | os.PathLike,
    *,
    discriminator: nn.Module | Mapping[str, Tensor] | None = None,
    dtype: str | torch.dtype = "float32",
    force: bool = False,
    repository: str | None = None,
) -> Path:
    """Write a model as a folder that `zoo.load`, `GAN.from_pretrained` and the Hub take; returns the folder.

    Args:
        source: a loaded model, or what `zoo.load` takes: a name, a run folder, `hf://user/repo`.
        out: the folder; it appears when it is complete, or not at all.
        discriminator: written too; None takes the one trained with these weights, if it is available offline.
        dtype: "float32", or "float16" for half the size.
        force: write into a non-empty folder, over files of these names.
        repository: "user/repo", to which the folder will be uploaded.

    Raises:
        ZooError: the folder is not empty, or the precision is unknown.
    """
    from ..sampling.gan import GAN
    from ..sampling.loading import load

    check(Path(out), dtype, force)
    if isinstance(source, GAN):
        model, run = source, None
    else:
        model, run = load(source, device="cpu"), _run_folder(source)
    return write_folder(
        model, out, discriminator=discriminator, dtype=dtype, force=force, run=run, repository=repository
    )


def _run_folder(source: str | os.PathLike) -> Path | None:
    """Return the source if it is a run folder with a record."""
    folder = registry.folder_of(source)
    if folder is None or not (folder / "metrics.jsonl").is_file():
        return None
    return folder if any((folder / "samples").glob("*.png")) else None
