"""Images a second: the plain network, ours fused, in bfloat16, and into an .npz."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import torch

from zoo import GAN, nets
from zoo.sampling import bulk
from zoo.schema import registry

from .page import Clock, Figure, Found, Setting, guarded

MODELS = ("contragan-snresgan/cifar10", "biggan/tiny-imagenet", "sngan/celeba128")
TURNS = 3
_OF_A_MODEL = 8  # seconds
_PLAIN_BATCH = 64


@dataclass
class Speed(Figure):
    """Images a second: medians over turns of so many images."""

    COLUMNS = ("model, random weights", "way", "images/s", "x plain", "images a turn", "turns")
    model: str
    way: str
    images_a_second: float
    times_plain: float
    images: int
    turns: int

    def row(self):
        speeds = f"{self.images_a_second:,.0f}", f"{self.times_plain:.2f}"
        return f"`{self.model}`", self.way, *speeds, f"{self.images:,}", str(self.turns)


def section(setting: Setting, clock: Clock) -> Iterator[Found]:
    for name in MODELS:
        if left_out := clock.lacks(f"sampling of {name}", 0.8 * _OF_A_MODEL):
            yield left_out
            continue
        yield from guarded(f"sampling of {name}", partial(speeds, name, setting))


def speeds(name: str, setting: Setting) -> Iterator[Speed]:
    n, turns = (8, 1) if setting.rehearse else (4096, TURNS)
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        made = ways(name, n, Path(folder), setting)
        for turn in range(turns + 1):
            for way, make in made.items():
                taken = setting.seconds(make)
                if turn:  # the first fuses, captures and warms up
                    times.setdefault(way, []).append(taken)
    rates = {way: n / statistics.median(taken) for way, taken in times.items()}
    for way, rate in rates.items():
        yield Speed(name, way, rate, rate / rates["plain"], n, turns)


def ways(name: str, n: int, folder: Path, setting: Setting) -> dict[str, Callable[[], object]]:
    """What is timed: each makes n images, all but the plain network from drawing latents to uint8 on the CPU."""
    config = registry.config(name)
    config = config.at_width(8) if setting.rehearse else config
    torch.manual_seed(0)
    weights = nets.build_generator(config.generator).state_dict()

    def model(dtype: str | None = None) -> GAN:
        generator = nets.build_generator(config.generator)
        generator.load_state_dict(weights)
        return GAN(config, generator, device=setting.device, dtype=dtype)

    plain, fused, half = model().generator, model(), model("bfloat16")
    z = fused.latents(min(n, _PLAIN_BATCH), seed=0).to(setting.device)
    y = torch.arange(len(z), device=setting.device) % fused.num_classes if fused.num_classes else None

    seeds = count()  # what is there already is not made again

    @torch.no_grad()
    def of_the_network() -> None:
        for _ in range(-(-n // len(z))):
            plain(z, y)

    return {
        "plain": of_the_network,
        "fused": lambda: fused.sample(n, seed=0),
        "bfloat16": lambda: half.sample(n, seed=0),
        "fused, to .npz": lambda: write(fused, folder / "fused.npz", n, next(seeds)),
        "bfloat16, to .npz": lambda: write(half, folder / "half.npz", n, next(seeds)),
    }


def write(model: GAN, path: Path, n: int, seed: int) -> None:
    made = bulk.write(model, path, n, seed=seed, force=True).images
    if made != n:
        raise RuntimeError(f"{made} of {n} images were made, the others were there already")
