"""What a resumed run takes from its folder: its data, its seed, and its plan, which may be extended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from zoo.checkpoints import weights
from zoo.common.errors import DataUnavailableError, WeightsCorruptedError, ZooError
from zoo.schema.config import ModelConfig

from . import checkpoint
from .run_folder import RunFolder

DATA = "data_path"  # in environment.json


def recorded_data(folder: RunFolder) -> Path | None:
    """Return where the data of the run are; None if none were given to it.

    Raises:
        DataUnavailableError: they have moved.
    """
    known = (start[DATA] for start in reversed(folder.starts()) if isinstance(start.get(DATA), str))
    path = next((Path(text) for text in known), None)
    if path is not None and not os.path.lexists(path):
        raise DataUnavailableError(
            f"{path} is not there any more, and {folder.path} was trained on it; give its new place (--data)"
        )
    return path


def is_recorded(folder: RunFolder, data: Path) -> bool:
    """Return True if the run has begun, or gone on, with data of this place."""
    return str(data.absolute()) in [start.get(DATA) for start in folder.starts()]


def seed_of(folder: RunFolder, asked: int | None) -> int:
    """Return the seed of a run that is resumed: that of its newest checkpoint that can be read, or of its last start.

    Raises:
        ZooError: another one is asked for.
    """
    known = next(_recorded_seeds(folder), None)
    if None not in (known, asked) and known != asked:
        raise ZooError(
            f"{folder.path} was made with seed {known}, not {asked}; leave out --seed, or start another run in another "
            f"folder"
        )
    return next(seed for seed in (known, asked, 0) if seed is not None)


def _recorded_seeds(folder: RunFolder) -> Iterator[int]:
    for step in reversed(checkpoint.steps(folder.checkpoints)):
        with suppress(WeightsCorruptedError, KeyError, ValueError):
            yield int(weights.read_metadata(checkpoint.path_of(folder.checkpoints, step))["seed"])
    for start in reversed(folder.starts()):
        with suppress(KeyError, ValueError, TypeError):
            yield int(start["seed"])


def planned_steps(folder: RunFolder) -> int | None:
    """Return the steps that the run here was to make; None if there is none."""
    return ModelConfig.from_file(folder.path / "config.json").training.steps if folder.exists() else None


def with_steps(config: ModelConfig, steps: int) -> ModelConfig:
    return config.model_copy(update={"training": config.training.model_copy(update={"steps": steps})})


def check_source(header: dict[str, str], asked: str | os.PathLike | None, path: Path) -> None:
    """Raise ZooError if --from names another model than the run of this checkpoint began with."""
    if asked is not None and header.get("from") != str(asked):
        began = f"with {header['from']}" if "from" in header else "with random weights"
        raise ZooError(
            f"{path} is of a run that began {began}, not with {asked}; leave out --from, or begin another run"
        )


def plan(config: ModelConfig, planned: int, step: int) -> list[str]:
    """Return a line on the rest of the run where there is something to say: it is extended, shortened or done.

    Raises:
        ZooError: the run has done as many steps already.
    """
    training = config.training
    steps = training.steps
    if steps == planned:
        return [f"all {step:,} steps are done; --steps with a larger number continues the run"] if step == steps else []
    if steps <= step:
        raise ZooError(f"{step:,} steps are done already; give --steps more than these")
    rates = training.optimizer.generator_lr, training.optimizer.discriminator_lr
    told = f"{steps:,} steps instead of {planned:,}"
    if training.lr_decay == "none":
        return [f"{told}: the learning rates stay {_pair(rates)} (generator and discriminator)"]
    now, before = (_pair(tuple(rate * (1 - step / n) for rate in rates)) for n in (steps, planned))
    return [
        f"{told}: the learning rates (generator and discriminator) go on from {now}, not {before} as planned before, "
        f"and fall linearly to 0 at step {steps:,}"
    ]


def _pair(rates: tuple[float, ...]) -> str:
    return " and ".join(f"{rate:.3g}" for rate in rates)
