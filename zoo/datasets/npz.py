"""Read an .npz file: `<split>_images` and `<split>_labels`, or `images` and `labels` as `zoo sample` writes them."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from ..common.errors import DataCorruptedError, DataUnavailableError, ZooError
from ..common.files import sha256
from ..common.json_files import open_regular, reason
from ..common.text import cut, visible
from ..schema.bounds import MAX_CLASSES
from .source import Arrays, fingerprint_of_files

if TYPE_CHECKING:
    import numpy as np

_TRAINED_ON = ("all", "unlabeled")  # splits of public data that own pictures do not have
_IN_MEMORY = 256 << 20  # bytes; larger arrays go through the cache, even if their images need no resizing
_SMALL = 256 << 20  # bytes that an array may have at any compression
_DIMENSIONS, _LONGEST = 8, 1 << 40
_PACKED = 200  # compression ratio that a larger array may have; photographs have about 1, drawings up to 50


class Header(NamedTuple):
    """What an array in the file declares."""

    shape: tuple[int, ...]
    dtype: np.dtype
    nbytes: int


class Npz(Arrays):
    """One split of an .npz file. Plain `images` are the requested split, whatever it is; labels may be missing.

    Where the publisher's data set is trained on all of its images, or on unlabelled ones, `train_images` are these.
    """

    def __init__(self, path: Path, split: str, dataset: str = "custom"):
        if not path.is_file():
            problem = "is a pipe, a socket or a device, not a file" if path.exists() else "does not exist"
            raise DataUnavailableError(f"{path} {problem}; give the path of an .npz file with {split}_images")
        self.path, self.split, self.dataset, self.origin = path, split, dataset, visible(str(path.resolve()))

    @property
    def is_own(self) -> bool:
        """False for grey 28x28 images where MNIST is expected."""
        return not (self.dataset == "mnist" and image_shape(self.path, self._prefixes)[1:] in ((28, 28), (28, 28, 1)))

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

    @property
    def _prefixes(self) -> tuple[str, ...]:
        return (f"{self.split}_", "train_", "") if self.split in _TRAINED_ON else (f"{self.split}_", "")

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        images, labels = read_arrays(self.path, self._prefixes)
        return images, np.zeros(len(images), np.int64) if labels is None else labels

    @property
    def pixels(self) -> np.ndarray:
        images = super().pixels
        return images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images

    def ready(self, side: int) -> np.ndarray | None:
        import numpy as np

        shape = image_shape(self.path, self._prefixes)
        if shape[1:3] != (side, side) or shape[3:] == (4,) or math.prod((*shape[:3], 3)) > _IN_MEMORY:
            return None
        images = self.pixels
        return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=3)


def read_arrays(path: Path, prefixes: Sequence[str] = ("",)) -> tuple[np.ndarray, np.ndarray | None]:
    """Read the images (N, H, W, 1, 3 or 4) or (N, H, W) uint8, and the labels (N,) int64 from 0, None if missing.

    Args:
        prefixes: of the names `images` and `labels`; the first one in the file counts.

    Raises:
        DataUnavailableError: the file has no images.
        DataCorruptedError: the file is damaged, declares more than it holds, or holds something else.
    """
    with _opened(path, prefixes) as (archive, prefix):
        found = _header(archive, f"{prefix}images")
        _check_images(path, found)
        labelled = f"{prefix}labels.npy" in archive.namelist()
        if labelled:
            _check_labels(path, _header(archive, f"{prefix}labels"), found.shape[0])
        images = _array(archive, f"{prefix}images")
        labels = _array(archive, f"{prefix}labels") if labelled else None
    return images, labels if labels is None else as_classes(labels, str(path))


def image_shape(path: Path, prefixes: Sequence[str] = ("",)) -> tuple[int, ...]:
    """Return the shape of the images without reading them; raises as `read_arrays` does."""
    with _opened(path, prefixes) as (archive, prefix):
        found = _header(archive, f"{prefix}images")
    _check_images(path, found)
    return found.shape


def as_classes(labels: np.ndarray, origin: str) -> np.ndarray:
    """Convert integer labels to int64; raises DataCorruptedError if a label is not a class."""
    import numpy as np

    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < MAX_CLASSES:
        raise DataCorruptedError(
            f"{origin}: labels are {labels.min()} to {labels.max()}; give each of the {len(labels)} images one "
            f"integer from 0 to {MAX_CLASSES - 1:,}"
        )
    return labels.astype(np.int64)


@contextmanager
def _opened(path: Path, prefixes: Sequence[str]) -> Iterator[tuple[zipfile.ZipFile, str]]:
    """Open the archive; yields it with the prefix of the arrays."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            prefix = next((p for p in prefixes if f"{p}images.npy" in names), None)
            if prefix is None:
                wanted = " and no ".join(f"{p}images" for p in prefixes)
                held = cut(", ".join(name.removesuffix(".npy") for name in names[:20]), 200) or "nothing"
                raise DataUnavailableError(
                    f"{path} has no {wanted}; it has {held}; make a valid file with: zoo sample -o X.npz"
                )
            yield archive, prefix
    except ZooError:
        raise
    except (OSError, ValueError) as error:
        raise DataCorruptedError(f"{path} is damaged or not an .npz file ({reason(error)}); make it again") from None
    except MemoryError:
        raise DataCorruptedError(f"{path} does not fit into memory; make a smaller file") from None
    except Exception as error:  # a damaged file raises a dozen unrelated types of zipfile, zlib and numpy
        raise DataCorruptedError(f"{path} is damaged or not an .npz file ({error}); make it again") from None


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    """Return what an array declares, after checking it against the archive and before allocating memory."""
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as file:
        shape, dtype = _read_header(file)
        start = file.tell()
    if len(shape) > _DIMENSIONS or not all(0 <= length <= _LONGEST for length in shape):
        raise ValueError(f"{name} declares an impossible shape")
    nbytes = math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise ValueError(f"{name} are Python objects, which are not read")
    if start + nbytes != entry.file_size:
        raise ValueError(f"{name} declares {nbytes:,} bytes, the archive has {entry.file_size:,}")
    if nbytes > max(_SMALL, _PACKED * entry.compress_size):
        raise ValueError(f"{name} declares {nbytes:,} bytes, unpacked from {entry.compress_size:,}")
    return Header(shape, dtype, nbytes)


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array has the unknown version {version} of NumPy's format")
    shape, _, dtype = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    return shape, dtype


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read an array whose header was checked."""
    from numpy.lib import format as npy

    with archive.open(f"{name}.npy") as file:
        array = npy.read_array(file, allow_pickle=False)
        file.read(1)  # at the end, zipfile compares the checksum
    return array


def _check_images(path: Path, found: Header) -> None:
    shape = found.shape
    fits = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3, 4))
    if found.dtype != "uint8" or not fits or not all(shape):
        raise DataCorruptedError(
            f"{path}: images are {_described(found)}; make them uint8 (N, H, W, 3) or (N, H, W), values 0 to 255"
        )


def _check_labels(path: Path, found: Header, count: int) -> None:
    if found.shape != (count,) or found.dtype.kind not in "iu":
        raise DataCorruptedError(
            f"{path}: labels are {_described(found)}; give each of the {count} images one integer from 0"
        )


def _described(found: Header) -> str:
    return cut(f"{found.dtype} {found.shape}", 100)
