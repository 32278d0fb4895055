"""The files of a model card: its text, and the sheet of samples that it shows."""

from __future__ import annotations

from pathlib import Path

from ..common.files import write_atomically
from ..sampling.gan import GAN
from ..sampling.images import Images
from ..sampling.loading import load
from ..schema.config import ModelConfig
from .card import SHEET_SEED, filename, has_sheet, pictures_dir, render, sheet_filename


def write(config: ModelConfig, folder: str | Path, model: GAN | None = None, place: str | None = None) -> None:
    """Write the card and, for bundled weights and models outside the registry, the sheet of samples that it shows.

    Both are rendered, never edited by hand, so overwriting loses nothing.

    Args:
        model: the model to sample; None: the registry's model of this name, or the one at `place`.
        place: what `zoo.load` takes for this model; None: its name.
    """
    folder = Path(folder)
    own = config.origin is not None and (model is not None or place is not None)
    if own and model is None:
        model = load(place or config.name, device="cpu")
    text = render(config, place=place, step=step_of(model), sheet=own or None)
    write_atomically(folder / filename(config), text.encode())
    if has_sheet(config) or own:
        write_sheet(config, folder, model)


def write_sheet(config: ModelConfig, folder: Path, model: GAN | None = None) -> None:
    """Write the sheet of samples of a card; arguments as in `write`."""
    sheet(config, model).save(folder / sheet_filename(config), columns=10 if config.num_classes else 16, force=True)


def sheet(config: ModelConfig, model: GAN | None = None) -> Images:
    """Draw the sheet: ten images of each class (of the first ten), row by row, or 64 without classes."""
    model = model or load(config.name, device="cpu")
    if not model.num_classes:
        return model.sample(64, seed=SHEET_SEED, exact=True)
    rows, labels = min(model.num_classes, 10), "aligned" if model.alignment else "trained"
    return model.sample(
        10 * rows, label=[i // 10 for i in range(10 * rows)], seed=SHEET_SEED, exact=True, labels=labels
    )


def committed_sheet(config: ModelConfig, tag: str | None) -> Path | None:
    """Return the sheet that ships with the package for these weights of a registered model; None if there is none."""
    shipped = tag is not None and tag == config.default_tag and has_sheet(config)
    path = pictures_dir() / sheet_filename(config)
    return path if shipped and path.is_file() else None


def step_of(model: GAN | None) -> int | None:
    """Return the step of its training that a model's weights are of, as their file says."""
    step = model.provenance.get("step", "") if model is not None else ""
    return int(step) if step.isdecimal() else None
