"""What every kind of source is to the builder: a sequence of images with labels, and a fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import DataCorruptedError
from .catalogue import CATALOGUE

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


class Source:
    """Images of one split before cropping and resizing. Making one reads nothing; a kind fills in the rest."""

    origin: str  # where the images are, for people and for the name of the cache
    official = False  # the publisher's files, so that a full count means the full split
    anywhere = False  # the user named no path: a full split prepared earlier will do, wherever it came from

    @cached_property
    def labels(self) -> np.ndarray:
        """(N,) int64."""
        raise NotImplementedError

    @property
    def class_names(self) -> tuple[str, ...]:
        """As many as there are classes; empty where they have no names."""
        return ()

    @property
    def num_classes(self) -> int:
        return int(self.labels.max(initial=0)) + 1

    def __len__(self) -> int:
        return len(self.labels)

    def fingerprint(self) -> str:
        """Changes when the source changes; cheap."""
        raise NotImplementedError

    def locate(self) -> Path | None:
        """Where the files of a public data set are; None if they are not there, or have no place of their own."""
        return None

    def can_fetch(self) -> bool:
        """Whether this is a place to download or extract a public data set to."""
        return False

    def content(self) -> str | None:
        """A checksum that tells whether only times have changed; None where the fingerprint has to do."""
        return None

    def image(self, i: int) -> Image:
        """Image i, which is decoded as it is used; to be closed by who asked for it."""
        raise NotImplementedError

    def where(self, i: int) -> str:
        """What to call image i in an error."""
        return f"image {i} of {self.origin}"

    def ready(self, side: int) -> np.ndarray | None:
        """All images (N, side, side, 3) uint8 if that takes no work worth keeping, else None."""
        return None


class Arrays(Source):
    """Images that come as one array."""

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return self.read()

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, H, W) or (N, H, W, 3 or 4) uint8 and labels (N,) int64."""
        raise NotImplementedError

    @property
    def pixels(self) -> np.ndarray:
        return self._arrays[0]

    @cached_property
    def labels(self) -> np.ndarray:
        return self._arrays[1]

    def image(self, i: int) -> Image:
        from PIL import Image

        return Image.fromarray(self.pixels[i])


def is_full_split(dataset: str, split: str, source: Source) -> bool:
    """Whether this is the publisher's split with all its images.

    Raises:
        DataCorruptedError: it is a part of it, and nobody has asked for that.
    """
    entry = CATALOGUE.get(dataset)
    expected = entry.splits.get(split) if entry and source.official else None
    if source.anywhere and expected is not None and len(source) != expected:
        raise DataCorruptedError(
            f"{dataset} in {source.origin} has {len(source):,} {split} images instead of {expected:,}; extract its "
            f"archives again, or give its path as the data to use it as it is"
        )
    return len(source) == expected


def fingerprint_of(files: Iterable[tuple[str, int, int]]) -> str:
    """sha256 of names, sizes in bytes and modification times in nanoseconds."""
    digest = hashlib.sha256()
    for name, size, modified in files:
        digest.update(f"{name}\0{size}\0{modified}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def fingerprint_of_files(paths: Iterable[Path]) -> str:
    stats = [(str(path), path.stat()) for path in sorted(paths)]
    return fingerprint_of((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
