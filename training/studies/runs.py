"""Runs of the trainer inside a study or a sweep: each is started, resumed or already finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zoo import datasets
from zoo.checkpoints import weights
from zoo.common.errors import ZooError
from zoo.schema.config import ModelConfig

from ..run import own_data, resuming
from ..run.run_folder import RunFolder
from ..run.trainer import Hook, Options, train


def check_recipe(config: ModelConfig, folder: RunFolder) -> None:
    """Raises ZooError if the folder holds a run of another recipe; its data need not be here."""
    if not folder.exists():
        return
    kept = folder.config()
    networks = {
        part: getattr(config, part).model_copy(update={"num_classes": getattr(kept, part).num_classes})
        for part in ("generator", "discriminator")
    }
    folder.check_same(config.model_copy(update=networks | {"data": kept.data}))


def check_data(options: Options) -> None:
    """Raises ZooError if the folder holds a run of other data than are given; the same may lie elsewhere now."""
    folder = RunFolder(options.out)
    if options.data is None or not folder.exists() or resuming.is_recorded(folder, options.data):
        return
    kept = folder.config()
    seen = kept.origin and kept.origin.data
    if seen is None:
        return
    data = datasets.load_for(kept, root=options.data)
    if options.classes is not None:
        data = datasets.first_classes(data, options.classes)
    if data.checksum != seen.checksum:
        raise ZooError(f"{folder.path} is a run of other data than {options.data}; give its own, or another folder")


def is_finished(config: ModelConfig, options: Options) -> bool:
    """Return True if the run folder holds the exported model of the last step of this config.

    Raises:
        ZooError: the folder holds a run of another config or of other data.
    """
    folder = RunFolder(options.out)
    if not folder.exists():
        return False
    folder.check_same(own_data.on_data(config, options.data, folder.config().data.dataset, options.classes))
    check_data(options)
    model = folder.path / "model.safetensors"
    return model.exists() and weights.read_metadata(model).get("step") == str(config.training.steps)


def train_to_end(config: ModelConfig, options: Options, hooks: Sequence[Hook] = ()) -> list[dict[str, float]]:
    """Start or resume the run unless it is finished; returns the records of its log.

    Raises:
        ZooError: as `trainer.train` does.
    """
    folder = RunFolder(options.out)
    if not is_finished(config, options):
        train(config, replace(options, resume=folder.exists()), hooks)
    return folder.records()
