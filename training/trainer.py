"""One run in one folder: config.json, metrics.jsonl, sheets of fixed latents over time, and the generator.

The folder is a model: `zoo.load("runs/x")` samples from it while it trains and after.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from zoo import datasets, weights
from zoo.config import ModelConfig
from zoo.errors import ZooError
from zoo.images import Images
from zoo.model import GAN, pick_device

from .data import Batches
from .engine import Engine, Networks
from .noise import CountedNoise


@dataclass(frozen=True)
class Options:
    """How to run, as opposed to what to train, which is the config's."""

    out: Path
    data: Path | None = None  # .npz file or torchvision folder
    seed: int = 0
    device: str = "auto"
    precision: str = "float32"  # or "bfloat16": autocast with float32 master weights
    log_every: int = 50  # generator steps
    save_every: int = 1000  # generator steps


def train(config: ModelConfig, options: Options) -> Path:
    """Train a config and export its generator; returns the run folder.

    Raises:
        ZooError: the folder holds a run already.
        DataUnavailableError: the data set is not here.
    """
    out = options.out
    if options.precision not in ("float32", "bfloat16"):
        raise ZooError(f'precision "{options.precision}" is not known; give float32 or bfloat16')
    device = pick_device(options.device)
    if (out / "config.json").exists():
        raise ZooError(f"{out} holds a run already; give another folder, or remove it")
    dataset = datasets.load(config.data.dataset, config.data.split, config.data.resolution, options.data)
    _check_classes(config, dataset)
    torch.manual_seed(options.seed)  # of the initial weights; batches and latents are counted, not drawn
    engine = Engine(
        config,
        Networks.build(config, device),
        torch.bfloat16 if options.precision == "bfloat16" else None,
        CountedNoise(options.seed, device),
    )
    batches = Batches(config, dataset, options.seed, device)
    out.mkdir(parents=True, exist_ok=True)
    weights.write_atomically(out / "config.json", _run_config(config).to_json().encode())
    total, started = config.training.steps, time.monotonic()
    with _stop_on_signal() as stopped, (out / "metrics.jsonl").open("a", encoding="utf-8") as log:
        for step, metrics in _steps(engine, batches, total):
            done = step + 1
            last = done == total or stopped()
            if done % options.log_every == 0 or last:
                seconds = round(time.monotonic() - started, 1)
                record = {"step": done, "seconds": seconds} | {k: round(float(v), 5) for k, v in metrics.items()}
                print(json.dumps(record), file=log, flush=True)
                print(_progress(record, total), flush=True)
            if done % options.save_every == 0 or last:
                export(engine.networks, config, options, done)
            if last:
                break
    return out


def _steps(engine: Engine, batches: Batches, total: int) -> Iterator[tuple[int, dict]]:
    """Every generator step with its metrics. Real and fake batches are numbered, so step k never depends on luck."""
    training, networks = engine.config.training, engine.networks
    per_step = training.discriminator_steps
    for step in range(total):
        decay = 1 - step / total if training.lr_decay == "linear" else 1.0
        for group in networks.generator_optimizer.param_groups:
            group["lr"] = training.optimizer.generator_lr * decay
        for group in networks.discriminator_optimizer.param_groups:
            group["lr"] = training.optimizer.discriminator_lr * decay
        metrics: dict = {}
        for k in range(step * per_step, (step + 1) * per_step):
            metrics = engine.discriminator_step(*batches.real(k), *batches.fake(2 * k))
        metrics |= engine.generator_step(*batches.fake(2 * step * per_step + 1), step)
        yield step, metrics


def export(networks: Networks, config: ModelConfig, options: Options, step: int) -> None:
    """Write the sampling generator as float16 model.safetensors with provenance, and a sheet of fixed latents."""
    sampler = networks.sampler()
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in sampler.state_dict().items()
    }
    provenance = {
        "name": config.name,
        "step": str(step),
        "seed": str(options.seed),
        "precision": options.precision,
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if next(sampler.parameters()).is_cuda else "CPU",
    }
    weights.save(options.out / "model.safetensors", tensors, provenance)
    sheet(sampler, config).save(options.out / "samples" / f"{step:07d}.png", columns=10, force=True)


def sheet(generator: torch.nn.Module, config: ModelConfig, rows: int = 10) -> Images:
    """rows x 10 images of seed 0 from a generator in eval mode; a column a class where there are up to ten."""
    n = rows * 10
    labels = [i % min(config.num_classes, 10) for i in range(n)] if config.conditional else None
    return GAN(config, generator, device=next(generator.parameters()).device).sample(n, labels, seed=0)


def _run_config(config: ModelConfig) -> ModelConfig:
    """The run's own config: nothing that belongs to other weights goes with it."""
    return config.model_copy(update={"weights": (), "default_tag": None, "published": ()})


def _check_classes(config: ModelConfig, dataset: datasets.Dataset) -> None:
    if config.conditional and dataset.num_classes != config.num_classes:
        raise ZooError(
            f"{config.name} has {config.num_classes} classes, the data has {dataset.num_classes}; give data with "
            f"{config.num_classes} classes, or change generator.num_classes and discriminator.num_classes"
        )


@contextmanager
def _stop_on_signal():
    """SIGINT and SIGTERM end the run after the current step, with everything saved."""
    received: list[int] = []
    handlers = {s: signal.signal(s, lambda number, _: received.append(number)) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _progress(record: dict, total: int) -> str:
    rate = record["step"] / max(record["seconds"], 1e-9)
    left = (total - record["step"]) / max(rate, 1e-9)
    parts = "  ".join(f"{key} {value:.3f}" for key, value in record.items() if "/" in key)
    return f"step {record['step']}/{total}  {rate:.2f} steps/s  {left / 60:.0f} min left  {parts}"
