"""The sheet of samples that a model card shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..schema.config import ModelConfig
from .card import SHEET_SEED, has_sheet, pictures_dir, sheet_filename

if TYPE_CHECKING:
    from ..sampling.images import Images
    from ..schema.label_alignment import LabelAlignment


class Exportable(Protocol):
    """The model that a folder and a sheet are made of; a GAN is one."""

    config: ModelConfig

    @property
    def num_classes(self) -> int: ...
    @property
    def tag(self) -> str | None: ...
    @property
    def is_changed(self) -> bool: ...
    @property
    def provenance(self) -> dict[str, str]: ...
    @property
    def alignment(self) -> LabelAlignment | None: ...
    @property
    def alignment_holds(self) -> bool: ...
    @property
    def generator(self) -> Any: ...  # a module; of a cached_property a type checker does not see it
    @property
    def has_discriminator(self) -> bool: ...
    @property
    def discriminator(self) -> Any: ...
    def sample(self, n: int, label: Any = ..., *, seed: int, exact: bool, labels: Any = ...) -> Images: ...


def write_sheet(config: ModelConfig, folder: Path, model: Exportable) -> None:
    """Write the sheet of samples that a card shows, of these weights."""
    sheet(model).save(folder / sheet_filename(config), columns=10 if config.num_classes else 16, force=True)


def sheet(model: Exportable) -> Images:
    """Draw the sheet: ten images of each class (of the first ten), row by row, or 64 without classes."""
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


def step_of(model: Exportable | None) -> int | None:
    """Return the step of its training that a model's weights are of, as their file says."""
    step = model.provenance.get("step", "") if model is not None else ""
    return int(step) if step.isdecimal() else None
