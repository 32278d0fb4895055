"""Loads, samples, switches between models and threads without end: does anything grow, is anything wrong?

python tests/programs/siege.py --only leaks
"""

from __future__ import annotations

import ctypes
import gc
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

import zoo
from zoo.demo.models import ModelCache

_NAMES = ("contragan/digits", "infomax-gan/digits", "contragan/cifar10-small")
_THREADS = 16


def besiege(seconds: float, seed: int) -> dict:
    """A quarter of the time for each; growth in MB per 1,000 calls, over the second half of the calls."""
    torch.set_num_threads(1)
    model = zoo.load("contragan/digits", device="cpu")
    cache = ModelCache(lambda name: zoo.load(name, device="cpu"), 2)
    before = _descriptors()
    calls = {
        "loads": lambda i: zoo.load("contragan/digits", device="cpu"),
        "samples": lambda i: model.sample(8, seed=seed + i),
        "switches": lambda i: cache.get(_NAMES[i % len(_NAMES)]).sample(1, seed=i),
    }
    figures: dict = {}
    for name, call in calls.items():
        figures |= {f"{name}{key}": value for key, value in _growth(call, seconds / 4).items()}
    rounds, wrong = _threads(model, seconds / 4, seed)
    figures |= {"calls of 16 threads": rounds * _THREADS, "descriptors more": _descriptors() - before}
    return figures | {"faults": wrong}


def _growth(call: Callable[[int], object], seconds: float) -> dict[str, float]:
    end, sizes = time.monotonic() + seconds, []
    while time.monotonic() < end or len(sizes) < 20:
        call(len(sizes))
        sizes.append(_resident())
    half = len(sizes) // 2
    per_thousand = (min(sizes[-5:]) - min(sizes[half : half + 5])) / max(1, len(sizes) - half) * 1000
    return {"": len(sizes), ", MB per 1,000": round(per_thousand, 2)}


def _resident() -> float:
    """MB that this process holds once what is free has gone back to the system."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _threads(model: zoo.GAN, seconds: float, seed: int) -> tuple[int, list[str]]:
    """Sixteen threads sample one model at once: each must get the images of its seed."""
    wanted = [model.sample(3, seed=seed + i).uint8 for i in range(_THREADS)]
    rounds, wrong, end = 0, [], time.monotonic() + seconds
    with ThreadPoolExecutor(_THREADS) as pool:
        while time.monotonic() < end or rounds == 0:
            found = list(pool.map(lambda i: model.sample(3, seed=seed + i).uint8, range(_THREADS)))
            wrong += [f"thread {i}" for i in range(_THREADS) if not torch.equal(found[i], wanted[i])]
            rounds += 1
    return rounds, wrong
