"""Runs of the trainer inside a study or a sweep: each is started, resumed or already finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zoo.checkpoints import weights
from zoo.schema.config import ModelConfig

from ..run import own_data
from ..run.run_folder import RunFolder
from ..run.trainer import Hook, Options, train


def is_finished(config: ModelConfig, options: Options) -> bool:
    """Return True if the run folder holds the exported model of the last step of this config.

    Raises:
        ZooError: the folder holds a run of another config.
    """
    folder = RunFolder(options.out)
    if not folder.exists():
        return False
    folder.check_same(own_data.on_data(config, options.data, folder.config().data.dataset, options.classes))
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
