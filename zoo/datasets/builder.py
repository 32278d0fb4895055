"""Decode, crop and resize all images of a source on all cores, and write them in order."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from ..common.errors import DataCorruptedError
from ..common.progress import Progress
from .preparation import Preparation
from .source import DatasetSource

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 32  # images per task


def write_pixels(source: DatasetSource, how: Preparation, side: int, file: BinaryIO, progress: bool) -> str:
    """Write (N, side, side, 3) uint8, image after image; returns the sha256 of the written bytes.

    Threads suffice, as Pillow releases Python's lock while it decodes and resizes.

    Raises:
        DataCorruptedError: an image cannot be read; the message names the first one.
    """
    digest = hashlib.sha256()
    with Progress(progress) as bar:
        advance = bar.task("preparing images", len(source))
        for block in _blocks(source, how, side):
            file.write(block.data)
            digest.update(block.data)
            advance(len(block))
    return digest.hexdigest()


def _blocks(source: DatasetSource, how: Preparation, side: int) -> Iterator[np.ndarray]:
    """Yield (up to 32, side, side, 3) uint8 in order, while the next blocks are prepared."""
    import numpy as np

    def prepared(start: int) -> np.ndarray:
        return np.stack([_prepared(source, i, how, side) for i in range(start, min(start + _CHUNK, len(source)))])

    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pending: deque[Future] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for start in range(0, len(source), _CHUNK):
                pending.append(pool.submit(prepared, start))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:  # on an error, a signal or a full disk, tasks that have not begun are cancelled
            pool.shutdown(wait=True, cancel_futures=True)


def _prepared(source: DatasetSource, i: int, how: Preparation, side: int) -> np.ndarray:
    with _opened(source, i) as image:
        return how.apply(image, side)


def sampled_sizes(source: DatasetSource, n: int = 16) -> list[tuple[int, int]]:
    """Return (width, height) of n evenly spaced images."""
    sizes = []
    for i in range(min(n, len(source))):
        with _opened(source, i * len(source) // min(n, len(source))) as image:
            sizes.append(image.size)
    return sizes


@contextmanager
def _opened(source: DatasetSource, i: int):
    try:
        with source.image(i) as image:
            yield image
    except MemoryError:
        raise
    except Exception as error:  # on damaged files Pillow raises anything from SyntaxError to struct.error
        raise DataCorruptedError(
            f"{source.where(i)} cannot be read as an image ({error}); repair or remove it"
        ) from error
