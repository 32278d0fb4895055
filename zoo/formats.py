"""How `zoo.bulk` writes images: PNGs in a folder, one .npz, one .tar in webdataset's layout."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from . import files
from .images import Images, one_ahead

# zlib at 1 instead of 6: for 128x128 half the time and 5 % more bytes (benchmarks/README.md).
COMPRESSION = 1
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_BLOCK = 1 << 20


class Format:
    """A way to write images.

    Attributes:
        out: the folder or file.
        work: a folder of this run's own on the same file system, removed in the end.
        images_alone: every image is a file of its own, so that parts need not be put together.
    """

    images_alone = False

    def __init__(self, out: Path, work: Path):
        self.out, self.work = out, work

    def targets(self, n: int) -> list[Path]:
        """The files that n images end up in."""
        return [self.out]

    def missing(self, part: range, force: bool) -> list[int]:
        """The images of a part that are not there yet."""
        return [] if self._path(part).is_file() else list(part)

    def write_part(self, part: range, batches: Iterable[Images], missing: set[int], pool: Executor) -> Iterator[int]:
        """Write a part, and tell after each batch how many images it was."""
        with files.replacing(self._path(part)) as temporary, temporary.open("wb") as file:
            for data, count in self._encoded(batches, pool):
                file.write(data)
                yield count

    def finish(self, parts: list[range], labels: np.ndarray | None, seed: int, resolution: int) -> None:
        """Put the parts together."""
        raise NotImplementedError

    def _encoded(self, batches: Iterable[Images], pool: Executor) -> Iterator[tuple[bytes, int]]:
        raise NotImplementedError

    def _path(self, part: range) -> Path:
        return self.work / f"{part.start:06d}-{part.stop:06d}.part"

    def _copy_parts(self, parts: list[range], file) -> None:
        for part in parts:
            with self._path(part).open("rb") as source:
                shutil.copyfileobj(source, file, _BLOCK)


class Folder(Format):
    """000000.png and so on."""

    images_alone = True

    def targets(self, n: int) -> list[Path]:
        return [self._image(i) for i in range(n)]

    def missing(self, part: range, force: bool) -> list[int]:
        return list(part) if force else [i for i in part if not _is_whole(self._image(i))]

    def write_part(self, part: range, batches: Iterable[Images], missing: set[int], pool: Executor) -> Iterator[int]:
        for pending in one_ahead(self._submitted(batches, missing, pool)):
            for image in pending:
                image.result()
            yield len(pending)

    def _submitted(self, batches: Iterable[Images], missing: set[int], pool: Executor) -> Iterator[list]:
        for batch in batches:
            pixels = batch.uint8.permute(0, 2, 3, 1).contiguous().numpy()
            numbered = ((batch.start + i, image) for i, image in enumerate(pixels))
            yield [pool.submit(self._write, i, image) for i, image in numbered if i in missing]

    def _write(self, i: int, image: np.ndarray) -> None:
        temporary = self.work / f"{i:06d}.png"
        temporary.write_bytes(png(image))
        temporary.replace(self._image(i))

    def _image(self, i: int) -> Path:
        return self.out / f"{i:06d}.png"

    def finish(self, parts: list[range], labels: np.ndarray | None, seed: int, resolution: int) -> None:
        pass


class Npz(Format):
    """`images` (N, H, W, 3) uint8, and `labels` and `seed`; stored as they are, for pixels hardly compress."""

    def _encoded(self, batches: Iterable[Images], pool: Executor) -> Iterator[tuple[bytes, int]]:
        for batch in batches:
            yield batch.uint8.permute(0, 2, 3, 1).contiguous().numpy().tobytes(), len(batch)

    def finish(self, parts: list[range], labels: np.ndarray | None, seed: int, resolution: int) -> None:
        about = {"descr": "|u1", "fortran_order": False, "shape": (parts[-1].stop, resolution, resolution, 3)}
        with files.replacing(self.out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            with archive.open(zipfile.ZipInfo("images.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array_header_1_0(file, about)
                self._copy_parts(parts, file)
            for name, array in (("labels", labels), ("seed", np.asarray(seed, dtype=np.uint64))):
                if array is not None:
                    buffer = io.BytesIO()
                    np.save(buffer, array)
                    archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue())


class Tar(Format):
    """000000.png and, with classes, 000000.cls, and so on: what webdataset reads."""

    def _encoded(self, batches: Iterable[Images], pool: Executor) -> Iterator[tuple[bytes, int]]:
        for pending in one_ahead(self._submitted(batches, pool)):
            yield b"".join(sample.result() for sample in pending), len(pending)

    def _submitted(self, batches: Iterable[Images], pool: Executor) -> Iterator[list]:
        for batch in batches:
            pixels = batch.uint8.permute(0, 2, 3, 1).contiguous().numpy()
            labels = [None] * len(batch) if batch.labels is None else batch.labels.tolist()
            yield [
                pool.submit(self._sample, batch.start + i, *one)
                for i, one in enumerate(zip(pixels, labels, strict=True))
            ]

    @staticmethod
    def _sample(i: int, image: np.ndarray, label: int | None) -> bytes:
        sample = _member(f"{i:06d}.png", png(image))
        return sample if label is None else sample + _member(f"{i:06d}.cls", str(label).encode())

    def finish(self, parts: list[range], labels: np.ndarray | None, seed: int, resolution: int) -> None:
        with files.replacing(self.out) as temporary, temporary.open("wb") as file:
            self._copy_parts(parts, file)
            file.write(bytes(2 * tarfile.BLOCKSIZE))  # the end of an archive
            file.write(bytes(-file.tell() % tarfile.RECORDSIZE))


FORMATS: dict[str, type[Format]] = {"": Folder, ".npz": Npz, ".tar": Tar}


def png(image: np.ndarray) -> bytes:
    """(H, W, 3) uint8 as a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=COMPRESSION)
    return buffer.getvalue()


def _is_whole(path: Path) -> bool:
    """Whether a PNG is there with its end: a power cut can leave a file without its content."""
    try:
        with path.open("rb") as file:
            file.seek(-len(_PNG_END), os.SEEK_END)
            return file.read() == _PNG_END
    except OSError:  # not there, or shorter
        return False


def _member(name: str, data: bytes) -> bytes:
    """One file of a tar archive, without owner or time."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)
