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
    """A quarter of the time for each; growth in MB per 1,000 calls, over the second half of the calls.

    A fault: an image of another seed, a descriptor left open, more than 30 MB in a thousand calls and 20 MB in all.
    """
    torch.set_num_threads(1)
    model = zoo.load("contragan/digits", device="cpu")
    cache = ModelCache(lambda name: zoo.load(name, device="cpu"), 2)
    before = _descriptors()
    calls = {
        "loads": lambda i: zoo.load("contragan/digits", device="cpu"),
        "samples": lambda i: model.sample(8, seed=seed + i),
        "switches": lambda i: cache.get(_NAMES[i % len(_NAMES)]).sample(1, seed=i),
    }
    figures, faults = {}, []
    for name, call in calls.items():
        count, grown, per_thousand = _growth(call, seconds / 4)
        figures |= {name: count, f"{name}, MB per 1,000": per_thousand}
        faults += [f"{name}: {grown:.0f} MB"] if per_thousand > 30 and grown > 20 else []
    rounds, wrong = _threads(model, seconds / 4, seed)
    left = _descriptors() - before
    figures |= {"calls of 16 threads": rounds * _THREADS, "descriptors more": left}
    return figures | {"faults": faults + wrong + ([f"{left} descriptors stay open"] if left > 0 else [])}


def _growth(call: Callable[[int], object], seconds: float) -> tuple[int, float, float]:
    """(calls, MB that the second half of them has added, the same for a thousand)."""
    end, sizes = time.monotonic() + seconds, []
    while time.monotonic() < end or len(sizes) < 12:
        call(len(sizes))
        sizes.append(_resident())
    half = len(sizes) // 2
    grown = min(sizes[-5:]) - min(sizes[half : half + 5])
    return len(sizes), grown, round(grown / (len(sizes) - half) * 1000, 2)


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
