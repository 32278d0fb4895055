"""A model as a folder: config.json, model.safetensors and a card. The same shape as a repository on the Hub."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..common import files
from ..common.errors import ConfigError, WeightsCorruptedError, ZooError
from ..schema import registry
from ..schema.config import ModelConfig
from . import card

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..sampling.gan import GAN

CONFIG, WEIGHTS, DISCRIMINATOR, CARD = "config.json", "model.safetensors", "discriminator.safetensors", "README.md"


def export_folder(
    source: GAN | str | os.PathLike,
    out: str | os.PathLike,
    *,
    discriminator: nn.Module | Mapping[str, Tensor] | None = None,
    dtype: str = "float32",
    force: bool = False,
) -> Path:
    """Write a model as a folder that `zoo.load`, `GAN.from_pretrained` and the Hub take; returns the folder.

    Args:
        source: a loaded model, or what `zoo.load` takes: a name, a run folder, `hf://user/repo`.
        out: the folder; it appears when it is complete, or not at all.
        discriminator: written too; None takes the one that was trained with these weights, where it is here.
        dtype: "float32", or "float16" for half the size.
        force: write into a folder that holds something, over files of these names.

    Raises:
        ZooError: the folder holds something, or the precision is unknown.
    """
    out = Path(out)
    if dtype not in ("float32", "float16"):
        raise ZooError(f'dtype "{dtype}" is not known; give float32 or float16')
    _check_room(out, force)
    model, discriminator = _load(source, discriminator)
    run = _run_folder(source)
    with files.building(out) as folder:
        _write(folder, model, discriminator, dtype, run)
        _move(folder, out)
    return out


def _load(source, discriminator) -> tuple[GAN, Mapping[str, Tensor] | None]:
    from torch import nn

    from ..sampling.gan import GAN
    from ..sampling.loading import load

    model = source if isinstance(source, GAN) else load(source, device="cpu", fuse=False)
    if discriminator is None and model.has_discriminator:
        try:
            discriminator = model.discriminator
        except WeightsCorruptedError as error:
            print(f"zoo: the discriminator is left out: {error}", file=sys.stderr)
    return model, discriminator.state_dict() if isinstance(discriminator, nn.Module) else discriminator


def _run_folder(source) -> Path | None:
    """The source, if it is a folder that training has written and that has something to show."""
    from ..sampling.gan import GAN

    folder = None if isinstance(source, GAN) else registry.folder_of(source)
    if folder is None or not (folder / "metrics.jsonl").is_file():
        return None
    return folder if any((folder / "samples").glob("*.png")) else None


def _write(folder: Path, model: GAN, discriminator: Mapping[str, Tensor] | None, dtype: str, run: Path | None) -> None:
    files.save(
        folder / WEIGHTS, _as(dtype, model.generator.state_dict()), {"name": model.config.name, **model.provenance}
    )
    config = _config_of(model, files.sha256(folder / WEIGHTS))
    (folder / CONFIG).write_text(config.to_json(), encoding="utf-8")
    has_record = run is not None and _write_record(run, folder, config)
    (folder / CARD).write_text(card.render(config, record=has_record), encoding="utf-8")
    if discriminator is not None:
        files.save(folder / DISCRIMINATOR, _as(dtype, discriminator), {"name": config.name, **model.provenance})


def _write_record(run: Path, folder: Path, config: ModelConfig) -> bool:
    """Whether the log and the pictures of a run could be kept beside its card."""
    from training.run.record import write_record

    try:
        write_record(run, folder, config)
    except ZooError as error:
        print(f"zoo: the record of the run is left out: {error}", file=sys.stderr)
        return False
    return True


def _config_of(model: GAN, weights_sha256: str) -> ModelConfig:
    """The model's config, with the weights that go with it and no others, and with the alignment of its labels."""
    own = tuple(
        entry.model_copy(update={"alignment": None}) for entry in model.config.weights if entry.tag == model.tag
    )
    alignment = model.alignment and model.alignment.of_weights(weights_sha256)
    changes = {"weights": own, "default_tag": model.tag if own else None, "alignment": alignment}
    return model.config.model_copy(update=changes)


def _as(dtype: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    import torch

    wanted = getattr(torch, dtype)
    return {name: t.to(wanted) if t.is_floating_point() else t for name, t in tensors.items()}


def _check_room(out: Path, force: bool) -> None:
    """Raise before any work where an export would meet what it may not replace."""
    if out.is_file() or (not force and out.is_dir() and any(out.iterdir())):
        raise ZooError(f"{out} exists; give another folder, or force (--force)")
    for name in (CONFIG, WEIGHTS, DISCRIMINATOR, CARD):
        if (out / name).is_dir():
            raise ZooError(f"{out / name} is a folder; give another folder for the export")
    if any((out / name).exists() for name in ("checkpoints", "environment.json")):
        raise ZooError(f"{out} is a training run; give another folder for the export")


def _earlier_files(out: Path) -> set[str]:
    """The names of what an earlier export has written into a folder."""
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
