"""An .npz file: `<split>_images` and `<split>_labels`, or `images` and `labels` as `zoo sample -o x.npz` writes."""

from __future__ import annotations

import math
import zipfile
import zlib
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataCorruptedError, DataUnavailableError
from ..weights import sha256
from .source import Arrays, fingerprint_of_files

if TYPE_CHECKING:
    import numpy as np

_IN_MEMORY = 256 << 20  # bytes; beyond it, even images that fit as they are go through the cache


class Npz(Arrays):
    """One split of an .npz file. One with plain `images` is the split that is asked for; labels may be missing."""

    def __init__(self, path: Path, split: str):
        if not path.is_file():
            raise DataUnavailableError(f"{path} does not exist; give the path of an .npz file with {split}_images")
        self.path, self.split, self.origin = path, split, str(path.resolve())

    def fingerprint(self) -> str:
        return self._before_reading

    @cached_property
    def _before_reading(self) -> str:
        return fingerprint_of_files([self.path])

    def content(self) -> str:
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        return sha256(self.path)

    @contextmanager
    def _opened(self):
        """The archive and the prefix of the split's arrays."""
        import numpy as np

        try:
            with zipfile.ZipFile(self.path):  # np.load would take other formats for what they are not
                archive = np.load(self.path, allow_pickle=False)
            with archive:
                prefix = next((p for p in (f"{self.split}_", "") if f"{p}images" in archive), None)
                if prefix is None:
                    raise DataUnavailableError(
                        f"{self.path} has no {self.split}_images and no images; it holds {', '.join(archive.files)}"
                    )
                yield archive, prefix
        except DataUnavailableError:
            raise
        except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError) as error:
            raise DataCorruptedError(f"{self.path} is damaged or not an .npz file ({error}); make it again") from None

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        with self._opened() as (archive, prefix):
            images = archive[f"{prefix}images"]
            labels = archive[f"{prefix}labels"] if f"{prefix}labels" in archive else np.zeros(len(images), np.int64)
        self._check(images, labels)
        return images, labels.astype(np.int64)

    def _shape(self) -> tuple[int, ...]:
        """Of the images, which are not read."""
        from numpy.lib import format as npy

        with self._opened() as (archive, prefix), archive.zip.open(f"{prefix}images.npy") as file:
            read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
            return read_header[npy.read_magic(file)](file)[0]

    def _check(self, images: np.ndarray, labels: np.ndarray) -> None:
        fits = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3, 4))
        if images.dtype != "uint8" or not fits or not len(images):
            raise DataCorruptedError(
                f"{self.path}: images are {images.dtype} {images.shape}; make them uint8 (N, H, W, 3) or (N, H, W)"
            )
        if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or (labels < 0).any():
            raise DataCorruptedError(
                f"{self.path}: labels are {labels.dtype} {labels.shape}; make them one integer from 0 for each of the "
                f"{len(images)} images"
            )

    @property
    def pixels(self) -> np.ndarray:
        images = super().pixels
        return images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images

    def ready(self, side: int) -> np.ndarray | None:
        import numpy as np

        shape = self._shape()
        if shape[1:3] != (side, side) or shape[3:] == (4,) or math.prod((*shape[:3], 3)) > _IN_MEMORY:
            return None
        images = self.pixels
        return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=3)
