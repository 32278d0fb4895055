"""The recipes whose steps are timed, and the loops that take them: plain, the engine's, and the engine's compiled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from plain_loop import PlainLoop

from training.data import Batches
from training.engine import Engine
from training.graph import GraphedEngine
from training.networks import Networks
from training.run import trainer
from zoo import datasets
from zoo.schema import registry
from zoo.schema.config import ModelConfig

from .page import Setting

PLAIN, EAGER, COMPILED = KINDS = ("plain", "engine", "compiled")
PRECISION = {PLAIN: "float32", EAGER: "bfloat16", COMPILED: "bfloat16"}
_IMAGES = 4096
_WARM_UP = 5  # steps: three eager ones, the capture, a replay


@dataclass(frozen=True)
class Recipe:
    name: str
    why: str  # it is among the four
    changes: dict[str, Any] = field(default_factory=dict)

    def config(self, setting: Setting) -> ModelConfig:
        config = registry.config(self.name).updated(self.changes)
        return config.at_width(8).updated({"training.batch_size": 4}) if setting.rehearse else config


RECIPES = (
    Recipe("contragan-snresgan/cifar10", "small operations: 32 pixels, two updates, nearest upsampling, EMA, classes"),
    Recipe("infomax-gan/cifar10", "five updates, bilinear upsampling, the critics of InfoMax"),
    Recipe("sngan/celeba64", "64 pixels and 1,024 channels: more arithmetic and more weights an operation"),
    Recipe(
        "biggan/tiny-imagenet",
        "attention, class-conditional norms, spectral norm in both networks, a large batch "
        "(256 of the recipe's 1,024, which the plain loop has no memory for)",
        {"training.batch_size": 256},
    ),
)
PROFILED = tuple(recipe.name for recipe in RECIPES[:2])


def recipe_of(name: str) -> Recipe:
    return next(recipe for recipe in RECIPES if recipe.name == name)


def no_compiled_step() -> str | None:
    """Why there is none in this version; None where there is."""
    known = "compile" in {option.name for option in fields(trainer.Options)}
    return None if known else "this version has no compiled step"


class Loop:
    """A training loop and its batches, warmed up."""

    def __init__(self, kind: str, config: ModelConfig, setting: Setting):
        self.kind, self.setting = kind, setting
        allocated = _allocated(setting)
        start = time.perf_counter()
        with trained_precision(PRECISION[kind]):
            self.batches, self.done = _random_batches(config, setting), 0
            self.loop = _loop(kind, config, setting)
            self.run(_WARM_UP if setting.on_gpu else 1)
            setting.wait()
        self.ready = time.perf_counter() - start  # seconds
        self.peak = (torch.cuda.max_memory_allocated(setting.device) - allocated) / 1e9 if setting.on_gpu else None

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.metrics = self.loop.step(*self.batches.of_step(self.done), self.done)
            self.done += 1

    def seconds(self, steps: int) -> float:
        """A step, over so many further ones, batches included."""
        with trained_precision(PRECISION[self.kind]):
            return self.setting.seconds(lambda: self.run(steps)) / steps


@contextmanager
def trained_precision(precision: str) -> Iterator[None]:
    """The switches as training sets them; afterwards they are what they were."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, cudnn.benchmark, matmul.allow_tf32
    trainer.set_precision(precision)
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.benchmark, matmul.allow_tf32 = before


def _loop(kind: str, config: ModelConfig, setting: Setting) -> PlainLoop | Engine | GraphedEngine:
    if kind == PLAIN:
        return PlainLoop(config, setting.device)
    torch.manual_seed(0)
    config = config.updated({"training.precision": PRECISION[kind]})
    engine = Engine(config, Networks.build(config, setting.device))
    if kind == COMPILED:
        from training.compiling import keep_compiled_code  # earlier versions have none

        keep_compiled_code()
        engine.compile("aot_eager" if setting.rehearse else "inductor")
    return GraphedEngine(engine) if setting.on_gpu else engine


def _random_batches(config: ModelConfig, setting: Setting) -> Batches:
    side, classes = config.data.resolution, max(config.num_classes, 1)
    images = torch.randint(0, 256, (64 if setting.rehearse else _IMAGES, 3, side, side), dtype=torch.uint8)
    return Batches(config, datasets.Dataset(images, torch.arange(len(images)) % classes, classes), 0, setting.device)


def _allocated(setting: Setting) -> int:
    if not setting.on_gpu:
        return 0
    torch.cuda.reset_peak_memory_stats(setting.device)
    return torch.cuda.memory_allocated(setting.device)


def compile_for_later(name: str, device: str, rehearse: bool) -> None:
    """For a process of its own: leaves the compiler's cache warm, and prints the seconds that it took."""
    setting = Setting(torch.device(device), rehearse)
    print(Loop(COMPILED, recipe_of(name).config(setting), setting).ready)
