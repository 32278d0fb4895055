"""What a run leaves at each save: both networks in float16, a sheet of fixed latents, the plot of its losses."""

from __future__ import annotations

from pathlib import Path

import torch

from zoo.checkpoints import weights
from zoo.common import files
from zoo.common.errors import WeightsCorruptedError, ZooError
from zoo.release import run_plots
from zoo.sampling.gan import GAN
from zoo.sampling.images import Images
from zoo.schema.config import ModelConfig

from ..networks import Networks
from .run_folder import RunFolder

_NAMES = ("model.safetensors", "discriminator.safetensors")


def export(folder: RunFolder, config: ModelConfig, networks: Networks, provenance: dict[str, str], step: int) -> None:
    """Write the sampling generator and the discriminator as float16 safetensors with their provenance.

    Raises:
        ZooError: a file cannot be written.
    """
    sampler, path = networks.sampler(), folder.path
    generator_name, discriminator_name = _NAMES
    try:
        files.save(path / discriminator_name, half(networks.discriminator), provenance)
        files.save(path / generator_name, half(sampler), provenance)
        sheet(sampler, config).save(path / "samples" / f"{step:07d}.png", columns=10, force=True)
        if records := folder.records():
            files.write_atomically(path / "losses.png", run_plots.losses(records))
    except OSError as error:
        raise ZooError(
            f"{error.filename or path} cannot be written ({error.strerror}); the checkpoint of step {step} is saved. "
            f"Make room, then continue with --resume"
        ) from None


def steps_of(folder: RunFolder) -> set[int | None]:
    """Return the steps whose weights the exported files hold; None among them for a missing or damaged one."""
    return {_step_of(folder.path / name) for name in _NAMES}


def _step_of(path: Path) -> int | None:
    """Return the step whose weights a file holds; None if it is missing or damaged."""
    try:
        return int(weights.read_metadata(path)["step"])
    except (WeightsCorruptedError, KeyError, ValueError):
        return None


def sheet(generator: torch.nn.Module, config: ModelConfig, rows: int = 10) -> Images:
    """rows x 10 images of seed 0 from a generator in eval mode; one column per class, for up to ten classes."""
    n = rows * 10
    labels = [i % min(config.num_classes, 10) for i in range(n)] if config.conditional else None
    return GAN(config, generator, device=next(generator.parameters()).device).sample(n, labels, seed=0, exact=True)


def half(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the state of a network with its floats in float16."""
    return {name: t.half() if t.is_floating_point() else t for name, t in network.state_dict().items()}
