"""One pass over a source: images in batches into an extractor; only the features are kept, on the CPU.

Memory holds one batch of images and the features (4 bytes times their length for each image: 8 KB with Inception),
preallocated. Ranks take contiguous runs of the same batches, so that features are the same bits as one process's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...common import quantise, ranks
from ...common.memory import refuse_if_too_large
from ...common.numbers import whole
from .extractor import Extractor
from .sources import ALIGNMENT, ImageSource
from .unfinished import UnfinishedFeatures


@dataclass
class Features:
    """The features that metrics are computed from.

    Attributes:
        layers: (N, D) float32 on the CPU by layer name.
        labels: (N,) int64, or None.
        first: the first uint8 images, for a sheet.
    """

    layers: dict[str, Tensor]
    labels: Tensor | None = None
    first: Tensor | None = None

    def __len__(self) -> int:
        return len(next(iter(self.layers.values())))


@dataclass
class Timings:
    """Seconds in each part of an evaluation."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, part: str, since: float) -> float:
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - since
        return now


def extract(
    source: ImageSource,
    extractor: Extractor,
    layers: tuple[str, ...],
    batch_size: int,
    *,
    timings: Timings | None = None,
    parts: tuple[str, str] = ("generation", "extraction"),
    advance: Callable[..., object] = lambda count, made=True: None,
    keep_first: int = 0,
    unfinished: UnfinishedFeatures | None = None,
) -> Features | None:
    """Extract the features of all images of a source, on rank 0; returns None on other ranks.

    Args:
        batch_size: images at a time, rounded up to a multiple of 64 (and of the images that share statistics).
        timings: collects the seconds under the names of `parts`.
        advance: called with the images done since the last call, all ranks together; `made=False` for those of an
            interrupted evaluation.
        keep_first: number of uint8 images to keep.
        unfinished: where features are kept that an interruption would lose.
    """
    timings = timings or Timings()
    batch_size = whole_batches(batch_size, source)
    starts = ranks.share(range(0, len(source), batch_size))
    begin, end = (starts[0], min(starts[-1] + batch_size, len(source))) if starts else (0, 0)
    rows = _Rows(end - begin)
    first: list[Tensor] = []
    error = None
    try:
        source.prepare()
        for start, block in unfinished.blocks(begin, layers) if unfinished else ():
            rows.put(start - begin, block)
            advance(len(next(iter(block.values()))) * ranks.world_size(), made=False)
        for start in starts:
            count = min(batch_size, len(source) - start)
            known, shown = start - begin < rows.done, start < keep_first
            if known and not shown:
                continue
            clock = time.perf_counter()
            images = source.batch(start, count)
            clock = timings.add(parts[0], clock)
            if shown:
                first.append(quantise.rounded(images[: keep_first - start]).cpu())
            if known:
                continue
            features = extractor(images, layers)
            timings.add(parts[1], clock)
            rows.put(start - begin, features)
            if unfinished:
                unfinished.add(start, features)
            advance(count * ranks.world_size())
        if unfinished:
            unfinished.flush()
    except KeyboardInterrupt:
        if unfinished:
            unfinished.flush()
        raise
    except Exception as problem:
        error = problem
    ranks.agree(error)
    return _gathered(source, layers, rows.layers, first)


class _Rows:
    """Features of `count` images by layer, allocated when their widths are known and filled from the first row on."""

    def __init__(self, count: int):
        self.layers: dict[str, Tensor] = {}
        self.done = 0
        self._count = count

    def put(self, row: int, features: dict[str, Tensor]) -> None:
        for layer, values in features.items():
            if layer not in self.layers:
                refuse_if_too_large(
                    4 * self._count * values.shape[1],
                    f"the {values.shape[1]:,} features of {self._count:,} images",
                    "evaluate fewer (num_fake=, --num-fake)",
                )
                self.layers[layer] = torch.empty(self._count, values.shape[1])
            self.layers[layer][row : row + len(values)] = values
            self.done = row + len(values)


def _gathered(
    source: ImageSource, layers: tuple[str, ...], kept: dict[str, Tensor], first: list[Tensor]
) -> Features | None:
    widths = ranks.from_first({layer: values.shape[1] for layer, values in kept.items()})
    gathered = {}
    for layer in layers:
        values = ranks.gather(kept.get(layer, torch.empty(0, widths[layer])))
        if values is not None:
            gathered[layer] = values
    if ranks.rank() != 0:
        return None
    return Features(gathered, source.labels(), torch.cat(first) if first else None)


def images_per_batch(device: torch.device, batch_size: int | None) -> int:
    """Return the batch size asked for, else the usual one of the device."""
    usual = 256 if device.type == "cuda" else 64
    return usual if batch_size is None else whole("batch_size", batch_size, 1)


def whole_batches(batch_size: int, source: ImageSource) -> int:
    """Round the batch size up, so that batches begin where the generator's chunks and groups begin."""
    group = getattr(getattr(source, "sampling", None), "batch_size", None) or ALIGNMENT
    return -(-batch_size // group) * group
