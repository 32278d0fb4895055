"""The files of a model card: its text, and the sheet of samples that it shows."""

from __future__ import annotations

from pathlib import Path

from ..common.files import write_atomically
from ..sampling.gan import GAN
from ..sampling.images import Images
from ..sampling.loading import load
from ..schema.config import ModelConfig
from .card import SHEET_SEED, filename, has_sheet, render, sheet_filename


def write(config: ModelConfig, folder: str | Path, model: GAN | None = None) -> None:
    """Write the card and, for bundled weights, the sheet of samples that it shows.

    Both are rendered, never edited by hand, so overwriting loses nothing.

    Args:
        model: the model to sample; None: the registry's model of this name.
    """
    folder = Path(folder)
    write_atomically(folder / filename(config), render(config).encode())
    if has_sheet(config):
        sheet(config, model).save(folder / sheet_filename(config), columns=10 if config.num_classes else 16, force=True)


def sheet(config: ModelConfig, model: GAN | None = None) -> Images:
    """Draw the sheet: ten images of each class (of the first ten), row by row, or 64 without classes."""
    model = model or load(config.name, device="cpu")
    if not model.num_classes:
        return model.sample(64, seed=SHEET_SEED, exact=True)
    rows = min(model.num_classes, 10)
    return model.sample(10 * rows, label=[i // 10 for i in range(10 * rows)], seed=SHEET_SEED, exact=True)
