"""Decode, crop and resize all images of a source on all cores, and write them in order."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from ..common.errors import DataCorruptedError
from ..common.numbers import evenly_spaced
from ..common.progress import Progress, ProgressCallback
from .preparation import Preparation, UnfitError
from .reader import naming
from .source import DatasetSource

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 32  # images per task


class WrittenPixels(NamedTuple):
    """The pixels of a file, and the images that they were made of."""

    sha256: str
    sizes: Counter[tuple[int, int]]  # how many images of each (width, height)


def write_pixels(
    source: DatasetSource, how: Preparation, side: int, file: BinaryIO, progress: bool | ProgressCallback
) -> WrittenPixels:
    """Write (N, side, side, 3) uint8, image after image.

    Threads suffice, as Pillow releases Python's lock while it decodes and resizes.

    Raises:
        DataCorruptedError: an image cannot be read; the message names the first one.
    """
    digest, sizes = hashlib.sha256(), Counter[tuple[int, int]]()
    with Progress(progress) as bar:
        advance = bar.task("preparing images", len(source))
        for found, block in _blocks(source, how, side):
            sizes.update(found)
            file.write(block.data)
            digest.update(block.data)
            advance(len(block))
    return WrittenPixels(digest.hexdigest(), sizes)


def _blocks(source: DatasetSource, how: Preparation, side: int) -> Iterator[tuple[list[tuple[int, int]], np.ndarray]]:
    """Yield sizes and pixels (up to 32, side, side, 3) uint8 in order, while the next blocks are prepared."""
    import numpy as np

    def prepared(start: int) -> tuple[list[tuple[int, int]], np.ndarray]:
        found = [_prepared(source, i, how, side) for i in range(start, min(start + _CHUNK, len(source)))]
        return [size for size, _ in found], np.stack([pixels for _, pixels in found])

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


def _prepared(source: DatasetSource, i: int, how: Preparation, side: int) -> tuple[tuple[int, int], np.ndarray]:
    """Return (width, height) of image i, and its prepared pixels."""
    with naming(source.where(i)), source.image(i) as image:
        size = image.size
        try:
            return size, how.apply(image, side, i)
        except UnfitError as problem:
            raise DataCorruptedError(f"{source.where(i)}: {problem}") from None


def sampled_sizes(source: DatasetSource, n: int = 16) -> list[tuple[int, int]]:
    """Return (width, height) of n evenly spaced images."""
    sizes = []
    for i in evenly_spaced(n, len(source)):
        with naming(source.where(i)), source.image(i) as image:
            sizes.append(image.size)
    return sizes
