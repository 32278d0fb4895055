"""A discriminator trained alone, on images and by terms that a study chooses; stopped and resumed like any run."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from zoo.common.devices import pick_device
from zoo.common.errors import ZooError
from zoo.inference.renderer import eval_mode
from zoo.nets import Discriminator
from zoo.schema.config import ModelConfig

from ..data import Real
from ..engine import Engine
from ..networks import Networks
from ..noise import CountedNoise
from ..objectives import Batch
from ..precision import set_precision
from ..run import checkpoint
from ..run.metrics_log import MetricsLog
from ..run.run_folder import RunFolder
from ..run.run_progress import RunProgress
from ..run.stopping import RunStoppedError, stop_signals
from .infomax_form import infomax_form

_SAVE_EVERY = 500  # steps
_SHOWN = 4  # numbers in a progress line; metrics.jsonl has all


class DiscriminatorRun:
    """Trains the config's discriminator for `config.training.steps` updates, in a run folder.

    The generator is built, so that the initial weights are those of a GAN of this seed, and is not changed.

    Args:
        terms: the objective: losses of real images, by name.
        batch_of: returns the images and labels of a step, from its number alone.
        probe: called after each step, with the discriminator in eval mode (`measured`) or as it is; returns numbers for
            the log, or None.
        data: identifies the images in the checkpoint, so that others are refused.
    """

    def __init__(
        self,
        config: ModelConfig,
        folder: Path,
        terms: Mapping[str, Callable[[Batch], Tensor]],
        batch_of: Callable[[int], Real],
        probe: Callable[[Discriminator, int], dict[str, float] | None],
        data: str,
        seed: int = 0,
        device: str = "auto",
    ):
        self.config, self.folder, self.batch_of, self.probe = config, RunFolder(folder), batch_of, probe
        self.device = pick_device(device)
        set_precision(config.training.precision)
        self.networks = Networks.build(config, self.device, seed)
        self.engine = Engine(config, self.networks, CountedNoise(seed, self.device))
        self.terms = terms
        self.identity = {
            "name": config.name,
            "config": checkpoint.config_digest(config.to_json()),
            "seed": str(seed),
            "data": data,
            "terms": " + ".join(terms),
        }

    def train_remaining(self) -> list[dict[str, float]]:
        """Run all steps that remain in the folder; returns the records of the probes.

        Raises:
            ZooError: the folder is of another config, seed, objective or data.
            RunStoppedError: SIGINT or SIGTERM came; everything is saved.
        """
        total = self.config.training.steps
        with self.folder.locked():
            step = self._begin()
            if step < total:
                self._train(step, total)
        return self.folder.records()

    def _begin(self) -> int:
        if not self.folder.exists():
            self.folder.create(self.config)
            return 0
        self.folder.check_same(self.config)
        path = checkpoint.newest(self.folder.checkpoints)
        step = 0
        if path:
            header = checkpoint.load(path, self.networks)
            other = [key for key, value in self.identity.items() if header.get(key) != value]
            if other:
                raise ZooError(f"{path} was made with another {' and '.join(other)}; give the study another folder")
            step = int(header["step"])
        self.folder.rewind(step)
        return step

    def _train(self, step: int, total: int) -> None:
        discriminator = self.networks.discriminator
        with ExitStack() as stack:
            stopped = stack.enter_context(stop_signals())
            progress = stack.enter_context(RunProgress(step, total, self.config.training.batch_size, True))
            log = stack.enter_context(MetricsLog(self.folder, step, True))
            while step < total:
                self.engine.prepare(step)
                metrics = self.engine.discriminate(self.batch_of(step), self.terms)
                step += 1
                with self.engine.autocast():
                    noted = self.probe(discriminator, step)
                if noted is not None:
                    values = {name: value.item() for name, value in metrics.items()} | noted
                    log.write(step, values, progress.rate(step))
                    progress.report(step, dict(list(values.items())[:_SHOWN]))
                if step % _SAVE_EVERY == 0 or step == total or stopped():
                    checkpoint.save(self.folder.checkpoints, step, self.networks, self.identity)
                    checkpoint.prune(self.folder.checkpoints, keep=1)
                if stopped() and step < total:
                    raise RunStoppedError(
                        stopped() or signal.SIGTERM, f"stopped after step {step}, saved; continue with --resume"
                    )
                progress.advance(step)


def in_eval(measure: Callable[[Discriminator, int], dict[str, float]], steps: set[int]):
    """Make a probe that measures after the given steps, in eval mode and without gradients."""

    def probe(discriminator: Discriminator, step: int) -> dict[str, float] | None:
        if step not in steps:
            return None
        with torch.no_grad(), eval_mode(discriminator):
            return measure(discriminator, step)

    return probe


def described(config: ModelConfig) -> dict[str, str]:
    """Describe the settings of such a run for a report, with the paper's where they may differ."""
    training, discriminator, infomax = config.training, config.discriminator, config.discriminator.infomax
    assert infomax is not None
    adam, side = training.optimizer, config.data.resolution
    return {
        "images": f"CIFAR-10, {side}x{side}" + ("" if side == 32 else " (paper: 32x32)"),
        "discriminator": f"ResNet, channels {list(discriminator.channels)} (paper: 128 in all)"
        + ("" if discriminator.spectral_norm else ", without spectral norm"),
        "InfoMax": infomax_form(config),
        "R": f"{infomax.projection_dim} (paper: 1024)",
        "updates": f"{training.steps:,} of batch {training.batch_size}, {training.precision}",
        "optimiser": f"Adam {adam.discriminator_lr:g}, betas {adam.beta1:g}, {adam.beta2:g}",
    }
