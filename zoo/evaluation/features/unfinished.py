"""Features of what has not ended, so that after Ctrl-C the same command continues where it was.

    <cache>/features/<key>/about.json                          what they are features of
    <cache>/features/<key>/000000000-000004096.safetensors     of images 0 ... 4095, all layers

The key is a checksum of everything that makes them: weights, sampling, seed, count, extractor, versions. A block is
written whole every few seconds. The folder is removed when the evaluation has ended, or when nobody continues it for a
week.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from ...checkpoints import cache
from ...common import ranks
from ...common.errors import StoppedError
from ...common.files import read_safetensors, write_atomically
from ...common.signals import before_forced_end
from ...common.version import __version__

_EVERY = 10.0  # seconds of work that a killed process may lose
_FORGOTTEN = 7 * 24 * 3600  # seconds


class UnfinishedFeatures:
    """The features of one source by one extractor, in blocks.

    Attributes:
        count: images whose features are on disk.
        problem: why they cannot be kept.
    """

    def __init__(self, about: dict, cache_dir: str | os.PathLike | None = None):
        self._about = about | {"zoo": __version__, "torch": torch.__version__}
        home = cache.root_of(cache_dir) / "features"
        self._folder = home / hashlib.sha256(json.dumps(self._about, sort_keys=True).encode()).hexdigest()[:24]
        self.count = 0
        self.problem: str | None = None
        self._pending: list[tuple[int, dict[str, Tensor]]] = []
        self._since = time.monotonic()
        _remove_forgotten(home, self._folder)

    def blocks(self, start: int, layers: tuple[str, ...]) -> Iterator[tuple[int, dict[str, Tensor]]]:
        """Yield (first image, features by layer) of the blocks that follow one another from an image on."""
        found = sorted(self._folder.glob("*-*.safetensors")) if self._folder.is_dir() else []
        for path in found:
            first, stop = map(int, path.stem.split("-"))
            if first != start or (block := _read(path, stop - first, layers)) is None:
                continue
            self.count += stop - first
            yield first, block
            start = stop

    def add(self, start: int, features: dict[str, Tensor]) -> None:
        """Take the features of a batch that follows the last one; they must not change afterwards."""
        self._pending.append((start, features))
        if time.monotonic() - self._since >= _EVERY:
            self.flush()

    def flush(self) -> None:
        """Write what has not been written yet."""
        from safetensors.torch import save

        pending, self._pending = self._pending, []
        if pending and self.problem is None:
            start = pending[0][0]
            block = {layer: torch.cat([features[layer] for _, features in pending]) for layer in pending[0][1]}
            count = len(next(iter(block.values())))
            try:
                if not self.count:
                    about = json.dumps(self._about, indent=1).encode()
                    write_atomically(self._folder / "about.json", about + b"\n")
                write_atomically(self._folder / f"{start:09d}-{start + count:09d}.safetensors", save(block))
                self.count += count
            except OSError as error:
                self.problem = f"{self._folder.parent}: {error.strerror or error}"
        self._since = time.monotonic()

    def remove(self) -> None:
        """Forget the features: the evaluation has ended."""
        self._pending, self.count = [], 0
        shutil.rmtree(self._folder, ignore_errors=True)


def _read(path: Path, count: int, layers: tuple[str, ...]) -> dict[str, Tensor] | None:
    """Read a block; None if it is damaged or has other layers."""
    from safetensors import SafetensorError

    try:
        block = read_safetensors(path)
    except (OSError, SafetensorError):
        return None
    fits = set(block) == set(layers) and all(len(values) == count for values in block.values())
    return block if fits else None


def _remove_forgotten(home: Path, mine: Path) -> None:
    for folder in home.iterdir() if home.is_dir() else ():
        try:
            forgotten = time.time() - folder.stat().st_mtime > _FORGOTTEN
        except OSError:  # another process has just removed it
            continue
        if forgotten and folder != mine:
            shutil.rmtree(folder, ignore_errors=True)


class UnfinishedWork:
    """All that one call extracts: kept by Ctrl-C and by the end of the process, removed by any other end."""

    def __init__(self, cache_dir: str | os.PathLike | None = None):
        self._cache_dir = cache_dir
        self._features: list[UnfinishedFeatures] = []

    def of(self, about: dict) -> UnfinishedFeatures:
        """Return the place of features, from what identifies them."""
        self._features.append(UnfinishedFeatures(about, self._cache_dir))
        return self._features[-1]

    @contextmanager
    def kept(self) -> Iterator[UnfinishedWork]:
        """Work on it; raises StoppedError, which says what is kept, in place of KeyboardInterrupt."""
        _under_way.append(self)
        try:
            yield self
        except KeyboardInterrupt:
            raise StoppedError(self.stopped()) from None
        except Exception:
            self._remove()
            raise
        finally:
            _under_way.remove(self)
        self._remove()

    def _remove(self) -> None:
        for features in self._features:
            features.remove()

    def stopped(self) -> str:
        """Say what an interruption keeps."""
        problem = next((one.problem for one in self._features if one.problem), None)
        count = sum(one.count for one in self._features)
        if problem:
            return f"stopped; nothing could be kept ({problem})"
        if not count:
            return "stopped before any features were extracted"
        return f"stopped; the features of {count:,} images are kept, and the same command continues there"


_under_way: list[UnfinishedWork] = []


def _say_stopped() -> None:
    """Say what is kept, where the process ends in the middle of a computation."""
    for work in _under_way if ranks.rank() == 0 else ():
        print(f"zoo: {work.stopped()}", file=sys.stderr, flush=True)


before_forced_end(_say_stopped)
