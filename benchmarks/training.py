"""Generator steps a second: the engine against a plain eager float32 loop of the same recipe.

    python benchmarks/training.py [--device cuda] [--repeats 3] [NAME ...]

Both run the full-size networks, batch size and number of discriminator updates, on random images, in turns within one
process, so that a ratio means something on a busy machine. The plain loop is what one writes at first
(`plain_loop.py`), and knows SNGAN, InfoMax-GAN, ContraGAN and BigGAN. The engine runs with bfloat16 autocast, and once
more in float32. Peak memory is of the whole process on a CPU (it only grows, so the engine is measured first), and of
each loop's own steps on a GPU.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path[0] = str(Path(__file__).parents[1])  # instead of this folder, where `training` is this file
sys.path.append(str(Path(__file__).parent))

from plain_loop import PlainLoop

from training.data import Batches
from training.engine import Engine
from training.graph import GraphedEngine
from training.networks import Networks
from training.precision import set_precision
from zoo import datasets
from zoo.schema import registry

NAMES = ("sngan/cifar10", "infomax-gan/cifar10", "contragan/cifar10")


def engine(config, device, precision):
    config = config.updated({"training.precision": precision})
    torch.manual_seed(0)
    one = Engine(config, Networks.build(config, device))
    return GraphedEngine(one) if device.type == "cuda" else one


def seconds(loop, batches, step, steps, device) -> float:
    drawn = [batches.of_step(step + i) for i in range(steps)] if device.type == "cpu" else None
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for i in range(steps):
        loop.step(*(drawn[i] if drawn else batches.of_step(step + i)), step + i)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / steps


def memory(device) -> float:
    """GB at most so far, since the last reset on a GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.set_num_threads(arguments.threads)
    set_precision("float32")
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {arguments.threads} threads"
    print(f"{where}, torch {torch.__version__}; medians of {arguments.repeats} turns\n")
    print(f"{'model':<22}{'loop':<18}{'steps/s':>10}{'ms/step':>10}{'ratio':>8}{'peak GB':>9}")
    medians: dict[tuple[str, str], float] = {}
    for name in arguments.names:
        config = registry.config(name)
        side, classes = config.data.resolution, max(config.num_classes, 1)
        images = torch.randint(0, 256, (2048, 3, side, side), dtype=torch.uint8)
        data = datasets.Dataset(images, torch.arange(2048) % classes, classes)
        batches = Batches(config, data, 0, device)
        makers = {
            "engine, bfloat16": lambda c=config: engine(c, device, "bfloat16"),
            "engine, float32": lambda c=config: engine(c, device, "float32"),
            "plain, float32": lambda c=config: PlainLoop(c, device),
        }
        loops, peaks = {}, {}
        for label, make in makers.items():
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            loops[label] = make()
            seconds(loops[label], batches, 0, 5 if device.type == "cuda" else 1, device)  # warm-up and capture
            peaks[label] = memory(device)
        times: dict[str, list[float]] = {label: [] for label in loops}
        for turn in range(arguments.repeats):
            for label, loop in loops.items():
                times[label].append(seconds(loop, batches, 5 + turn, 20 if device.type == "cuda" else 1, device))
        plain = statistics.median(times["plain, float32"])
        for label in loops:
            median = medians[name, label] = statistics.median(times[label])
            print(
                f"{name:<22}{label:<18}{1 / median:>10.3f}{1e3 * median:>10.1f}{plain / median:>8.2f}"
                f"{peaks[label]:>9.2f}",
                flush=True,
            )
    if {"sngan/cifar10", "infomax-gan/cifar10"} <= set(arguments.names):
        for label in ("engine, bfloat16", "plain, float32"):
            more = medians["infomax-gan/cifar10", label] / medians["sngan/cifar10", label] - 1
            print(f"\nInfoMax over SNGAN ({label}): {100 * more:+.1f} % time a step", end="")
        print()


if __name__ == "__main__":
    main()
