"""A model as a folder: config.json, model.safetensors and a card. The same shape as a repository on the Hub."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..checkpoints.state_dicts import check_finite
from ..checkpoints.tensor_names import unwrapped
from ..common import dtypes, files
from ..common.errors import ConfigError, WeightsCorruptedError, ZooError
from ..schema.config import ModelConfig
from . import card
from .run_record import write_record

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ..schema.label_alignment import LabelAlignment

CONFIG, WEIGHTS, DISCRIMINATOR, CARD = "config.json", "model.safetensors", "discriminator.safetensors", "README.md"
PRECISIONS = ("float32", "float16")  # of tensors in a folder


class Exportable(Protocol):
    """The model that a folder is written from; a GAN is one."""

    config: ModelConfig

    @property
    def tag(self) -> str | None: ...
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


def write_folder(
    model: Exportable,
    out: str | os.PathLike,
    *,
    discriminator: nn.Module | Mapping[str, Tensor] | None = None,
    dtype: str | torch.dtype = "float32",
    force: bool = False,
    run: Path | None = None,
) -> Path:
    """Write a loaded model as `export.export_folder` does, with the same arguments and errors.

    Args:
        run: the run folder of the model, whose record goes beside the card.
    """
    out = Path(out)
    check(out, dtype, force)
    if discriminator is None and model.has_discriminator:
        try:
            discriminator = model.discriminator
        except WeightsCorruptedError as error:
            print(f"zoo: the discriminator is left out: {error}", file=sys.stderr)
    name = model.config.name
    generator = _checked(model.generator, f"the generator of {name}", dtype)
    judge = None if discriminator is None else _checked(discriminator, f"the discriminator of {name}", dtype)
    with files.building(out) as folder:
        _write(folder, model, generator, judge, run)
        _move(folder, out)
    return out


def check(out: Path, dtype: str | torch.dtype, force: bool) -> None:
    """Raises ZooError before any work if the precision is unknown, or the folder is not empty."""
    dtypes.named(dtype, PRECISIONS)
    _check_room(out, force)


def _write(
    folder: Path,
    model: Exportable,
    generator: dict[str, Tensor],
    discriminator: dict[str, Tensor] | None,
    run: Path | None,
) -> None:
    files.save(folder / WEIGHTS, generator, {"name": model.config.name, **model.provenance})
    config = _config_of(model, files.sha256(folder / WEIGHTS))
    (folder / CONFIG).write_text(config.to_json(), encoding="utf-8")
    has_record = run is not None and _write_record(run, folder, config)
    (folder / CARD).write_text(card.render(config, record=has_record), encoding="utf-8")
    if discriminator is not None:
        files.save(folder / DISCRIMINATOR, discriminator, {"name": config.name, **model.provenance})


def _write_record(run: Path, folder: Path, config: ModelConfig) -> bool:
    """Write the log and the pictures of a run beside its card; returns True if that worked."""
    try:
        write_record(run, folder, config)
    except ZooError as error:
        print(f"zoo: the record of the run is left out: {error}", file=sys.stderr)
        return False
    return True


def _config_of(model: Exportable, weights_sha256: str) -> ModelConfig:
    """Return the model's config with only its own weights and the alignment of its labels."""
    own = tuple(
        entry.model_copy(update={"alignment": None}) for entry in model.config.weights if entry.tag == model.tag
    )
    alignment = model.alignment and model.alignment.of_weights(weights_sha256)
    if alignment and not model.alignment_holds:
        print(
            "zoo: the alignment of labels is left out: the weights have changed since; measure it with zoo align",
            file=sys.stderr,
        )
        alignment = None
    changes = {"weights": own, "default_tag": model.tag if own else None, "alignment": alignment}
    return model.config.model_copy(update=changes)


def _checked(network: nn.Module | Mapping[str, Tensor], what: str, dtype: str | torch.dtype) -> dict[str, Tensor]:
    """Return the tensors of a network in this precision, under their bare names.

    Raises:
        WeightsCorruptedError: a value is not finite, or has no place in this precision.
    """
    import torch

    tensors = unwrapped(network if isinstance(network, Mapping) else network.state_dict(), what)
    check_finite(tensors, what)
    wanted = getattr(torch, dtypes.named(dtype, PRECISIONS))
    converted = {name: t.to(wanted) if t.is_floating_point() else t for name, t in tensors.items()}
    if wanted != torch.float32:
        try:
            check_finite(converted, what)
        except WeightsCorruptedError:
            raise WeightsCorruptedError(
                f"{what} has weights that are too large for {dtype}; write it as float32"
            ) from None
    return converted


def _check_room(out: Path, force: bool) -> None:
    """Raise before any work if an export would meet a file or folder that it may not replace."""
    if out.is_file() or (not force and out.is_dir() and any(out.iterdir())):
        raise ZooError(f"{out} exists; give another folder, or force (--force)")
    for name in (CONFIG, WEIGHTS, DISCRIMINATOR, CARD):
        if (out / name).is_dir():
            raise ZooError(f"{out / name} is a folder; give another folder for the export")
    if any((out / name).exists() for name in ("checkpoints", "environment.json")):
        raise ZooError(f"{out} is a training run; give another folder for the export")


def _earlier_files(out: Path) -> set[str]:
    """Return the names that an earlier export has written into a folder."""
    try:
        config = ModelConfig.from_file(out / CONFIG)
    except ConfigError:
        return set()
    return {CONFIG, WEIGHTS, DISCRIMINATOR, CARD, card.sheet_filename(config), *card.record_filenames(config)}


def _move(folder: Path, out: Path) -> None:
    """All at once where there is nothing yet; else file by file. The config goes first and comes last: where it is, the
    others belong to it. A folder that was there keeps its owner, its permissions, and what no export has written."""
    if not out.exists():
        folder.rename(out)
        return
    earlier = _earlier_files(out)
    (out / CONFIG).unlink(missing_ok=True)
    for name in earlier:
        (out / name).unlink(missing_ok=True)
    for file in sorted(folder.iterdir(), key=lambda file: file.name == CONFIG):
        file.replace(out / file.name)
