"""The files of a model card: its text, and the sheet of samples that it shows."""

from __future__ import annotations

from pathlib import Path

from ..common.files import write_atomically
from ..sampling.gan import GAN
from ..sampling.loading import load
from ..schema.config import ModelConfig
from .card import filename, has_sheet, render
from .sheet import step_of, write_sheet


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
        write_sheet(config, folder, model or load(config.name, device="cpu"))
