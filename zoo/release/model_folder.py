"""A model as a folder: config.json, model.safetensors and a card. The same shape as a repository on the Hub."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..checkpoints.state_dicts import check_finite
from ..checkpoints.tensor_names import unwrapped
from ..common import dtypes, files
from ..common.errors import ConfigError, WeightsCorruptedError, ZooError
from ..schema import identity, registry
from ..schema.config import ModelConfig
from ..schema.licenses import license_of_model
from ..schema.origin import Origin
from . import card, sheet
from .run_record import write_record

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ..schema.label_alignment import LabelAlignment
    from .sheet import Exportable

CONFIG, WEIGHTS, DISCRIMINATOR, CARD = "config.json", "model.safetensors", "discriminator.safetensors", "README.md"
PRECISIONS = ("float32", "float16")  # of tensors in a folder


def write_folder(
    model: Exportable,
    out: str | os.PathLike,
    *,
    discriminator: nn.Module | Mapping[str, Tensor] | None = None,
    dtype: str | torch.dtype = "float32",
    force: bool = False,
    run: Path | None = None,
    repository: str | None = None,
) -> Path:
    """Write a loaded model as `export.export_folder` does, with the same arguments and errors.

    Args:
        run: the run folder of the model, whose record goes beside the card.
        repository: "user/repo", to which the folder will be uploaded; it gives the model its name.
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
        _write(folder, model, generator, judge, run, f"hf://{repository}" if repository else _as_argument(out))
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
    place: str,
) -> None:
    """Write the files; `place` is what `zoo.load` will take for them."""
    config = _config_of(model, place)
    about = {**model.provenance, "name": config.name}
    files.save(folder / WEIGHTS, generator, about)
    config = config.model_copy(update={"alignment": _alignment_of(model, files.sha256(folder / WEIGHTS))})
    (folder / CONFIG).write_text(config.to_json(), encoding="utf-8")
    if discriminator is not None:
        files.save(folder / DISCRIMINATOR, discriminator, about)
    has_record = run is not None and _write_record(run, folder, config)
    if shipped := sheet.committed_sheet(model.config, model.tag):
        shutil.copyfile(shipped, folder / card.sheet_filename(config))
    else:
        sheet.write_sheet(config, folder, model)
    text = card.render(config, has_record, place=place, step=sheet.step_of(model), sheet=True)
    (folder / CARD).write_text(text, encoding="utf-8", errors="backslashreplace")  # a path may be any bytes


def _as_argument(out: Path) -> str:
    """Return how a folder is given to `zoo.load`; one of an absolute path, from where it lies."""
    return f"./{out.name}" if out.is_absolute() else registry.argument_for(out)


def _write_record(run: Path, folder: Path, config: ModelConfig) -> bool:
    """Write the log and the pictures of a run beside its card; returns True if that worked."""
    try:
        write_record(run, folder, config)
    except ZooError as error:
        print(f"zoo: the record of the run is left out: {error}", file=sys.stderr)
        return False
    return True


def _config_of(model: Exportable, place: str) -> ModelConfig:
    """Return a config that claims nothing of other weights than the model's."""
    config, tag = model.config, model.tag
    if model.is_changed:
        return identity.named(identity.of_changed_weights(config), place)
    if config.origin is not None:
        return identity.named(identity.for_others(config), place)
    own = tuple(entry.model_copy(update={"alignment": None}) for entry in config.weights if entry.tag == tag)
    if not own:  # the user's own: they are said to fit this config, and no more is known of them
        origin = Origin(recipe=config.name)
        return identity.named(identity.without_claims(config).model_copy(update={"origin": origin}), place)
    changes = {
        "weights": own,
        "default_tag": tag,
        "alignment": None,
        "published": tuple(score for score in config.published if score.tag == tag),
    }
    if tag != config.default_tag:  # the notes are of the default weights
        changes |= {"notes": (), "training": config.training.model_copy(update={"notes": ()})}
    config = config.model_copy(update=changes)
    return config.model_copy(update={"license": license_of_model(config)})


def _alignment_of(model: Exportable, weights_sha256: str) -> LabelAlignment | None:
    """Return the alignment of the labels, as of the weights that were written."""
    if model.alignment is None or model.alignment_holds:
        return model.alignment and model.alignment.of_weights(weights_sha256)
    print(
        "zoo: the alignment of labels is left out: the weights have changed since; measure it with zoo align",
        file=sys.stderr,
    )
    return None


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
