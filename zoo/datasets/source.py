"""The interface of sources: a sequence of images with labels, and a fingerprint."""

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

    from .picture_files import LeftOut


class DatasetSource:
    """Images of one split before cropping and resizing. Constructing a source reads nothing."""

    origin: str  # where the images are; shown to users, and part of the cache key
    official = False  # True for the publisher's files, of which a full count means the full split
    is_own = False  # True for a user's own pictures, which are prepared alike for every model
    anywhere = False  # True if the user named no path, so that any full split prepared earlier serves

    @cached_property
    def labels(self) -> np.ndarray:
        """Labels (N,) int64."""
        raise NotImplementedError

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of all classes; empty if they have no names."""
        return ()

    @property
    def num_classes(self) -> int:
        return int(self.labels.max(initial=0)) + 1

    def __len__(self) -> int:
        return len(self.labels)

    def fingerprint(self) -> str:
        """Return a text that changes when the source changes; cheap."""
        raise NotImplementedError

    def locate(self) -> Path | None:
        """Return the place of the files of a public data set; None if they are missing, or have no fixed place."""
        return None

    def can_fetch(self) -> bool:
        """Return True if a public data set may be downloaded or extracted to this place."""
        return False

    def content(self) -> str | None:
        """Return a checksum that ignores modification times; None if only the fingerprint is available."""
        return None

    def image(self, i: int) -> Image:
        """Open image i, which is decoded on access; the caller closes it."""
        raise NotImplementedError

    def where(self, i: int) -> str:
        """Return the name of image i for errors."""
        return f"image {i} of {self.origin}"

    def left_out(self) -> tuple[LeftOut, ...]:
        """Return the files that are no pictures of the split, by kind."""
        return ()

    def ready(self, side: int) -> np.ndarray | None:
        """Return all images (N, side, side, 3) uint8 if preparing them is so fast that it needs no cache, else None."""
        return None


class Arrays(DatasetSource):
    """Images that come as one array."""

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return self.read()

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Read images (N, H, W) or (N, H, W, 3 or 4) uint8 and labels (N,) int64."""
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


def is_full_split(dataset: str, split: str, source: DatasetSource) -> bool:
    """Return True if this is the publisher's split with all its images.

    Raises:
        DataCorruptedError: some images are missing, and the user gave no path.
    """
    entry = CATALOGUE.get(dataset)
    expected = entry.splits.get(split) if entry and source.official else None
    if source.anywhere and expected is not None and len(source) != expected:
        raise DataCorruptedError(
            f"{dataset} in {source.origin} has {len(source):,} {split} images instead of {expected:,}; extract its "
            f"archives again, or give its path as the data to use it anyway"
        )
    return len(source) == expected


def fingerprint_of(files: Iterable[tuple[str, int, int]]) -> str:
    """Return the sha256 of names, sizes in bytes and modification times in nanoseconds."""
    digest = hashlib.sha256()
    for name, size, modified in files:
        digest.update(f"{name}\0{size}\0{modified}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def fingerprint_of_files(paths: Iterable[Path]) -> str:
    stats = [(str(path), path.stat()) for path in sorted(paths)]
    return fingerprint_of((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
