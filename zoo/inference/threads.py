"""The parts of a batch side by side on a CPU, each computed by one thread from beginning to end.

Threads that share every operation wait for each other dozens of times per batch, more so on a busy machine; threads
with their own images do not (benchmarks/README.md has the figures). The result of a part does not depend on the number
of threads either; in a shared operation, the order of libraries' sums does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from typing import TypeVar

import torch

T = TypeVar("T")


def one_thread_each(function: Callable[..., T], parts: Sequence[tuple]) -> list[T]:
    """[function(*part) for part in parts] without gradients, as many at a time as `torch.get_num_threads()` says."""

    def compute(*part) -> T:
        with torch.no_grad():
            return function(*part)

    threads = torch.get_num_threads()
    if threads == 1:
        return [compute(*part) for part in parts]
    with _lock:
        pool = _pool_of(threads)
        futures = [pool.submit(compute, *part) for part in parts]
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_lock = Lock()
_pools: dict[int, ThreadPoolExecutor] = {}  # at most one, by its number of threads


def _forget() -> None:
    """Forget the pools in a forked process, which has none of its parent's threads."""
    global _lock
    _lock = Lock()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _pool_of(threads: int) -> ThreadPoolExecutor:
    if threads not in _pools:
        for other in _pools.values():
            other.shutdown(wait=False)  # when it has done what it was given
        _pools.clear()
        _pools[threads] = _started(threads)
    return _pools[threads]


def _started(threads: int) -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(threads, "zoo", _alone)
    all_here = Barrier(threads + 1)
    try:
        for _ in range(threads):
            pool.submit(all_here.wait)
        all_here.wait()
    except BaseException:
        all_here.abort()
        pool.shutdown(wait=False)
        raise
    finally:
        torch.set_num_threads(threads)  # it also holds for threads yet to come
    return pool


def _alone() -> None:
    torch.get_num_threads()  # a thread's first call takes over the number that was last set anywhere
    torch.set_num_threads(1)
