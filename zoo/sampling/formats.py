"""Formats of `zoo.sampling.bulk` for one file: an .npz, or a .tar in webdataset's layout."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import ZooError
from ..common.files import sha256
from ..common.json_files import UnreadableError, parse_json
from ..common.pictures import encoded
from .images import Images, one_ahead
from .journal import Command, Journal, OutputPart

# zlib at 1 instead of 6: for 128x128 half the time and 5 % more bytes (benchmarks/README.md).
COMPRESSION = 1
_BLOCK = 1 << 20
GetLabels = Callable[[], "np.ndarray | None"]  # makes the labels (n,), which not every format has


class Format:
    """A way to write images. A finished output records the command that made it.

    Attributes:
        out: the folder or file.
        journal: in the same file system.
        images_alone: every image is a separate file, so that an output can grow.
    """

    images_alone = False

    def __init__(self, out: Path, journal: Journal):
        self.out, self.journal = out, journal

    def existing(self, n: int) -> list[Path]:
        """Return the existing files in the places of n images."""
        return [self.out] if os.path.lexists(self.out) else []

    def finished(self) -> Command | None:
        """Return the command that made the existing output; None if there is none, or it is foreign."""
        record = self._record()
        return command_of(record) if record else None

    def is_complete(self, parts: list[range]) -> bool:
        """Return True if the output is, byte for byte, what its command wrote."""
        raise NotImplementedError

    def forget(self) -> None:
        """Remove the record of a finished output, if it is a separate file."""

    def earlier_parts(self, command: Command | None) -> list[OutputPart]:
        """Return the parts of a command whose images are separate files."""
        return []

    def check_room(self, command: Command) -> None:
        """Raise ZooError if the images that `command` replaces may include foreign files."""

    def make_room(self, command: Command) -> None:
        """Remove the parts that `command` replaces."""

    def done(self, command: Command) -> list[OutputPart]:
        """Return the finished parts whose content is intact."""
        return [part for part in self.journal.parts(command) if sha256(self.journal.path(command, part)) == part.sha256]

    def write_part(self, command: Command, part: range, batches: Iterable[Images], pool: Executor) -> Iterator[int]:
        """Write a part; yields the number of images after each batch."""
        digest = hashlib.sha256()
        writing = self.journal.writing(command, f"{part.start}-{part.stop}")
        with writing.open("wb") as file:
            for data, count in self._encoded(batches, pool):
                file.write(data)
                digest.update(data)
                yield count
        writing.replace(self.journal.path(command, OutputPart(part.start, part.stop, digest.hexdigest())))

    def finalize(self, command: Command, parts: list[range], labels: GetLabels, resolution: int) -> None:
        """Join the parts; the output gets its name when it is whole."""
        known = {(part.first, part.stop): part for part in self.journal.parts(command)}
        files = [self.journal.path(command, known[part.start, part.stop]) for part in parts]
        record = command.record | {"images": command.images, "content": _content_of(files)}
        writing = self.journal.writing(command, "whole")
        with writing.open("wb+") as file:
            self._put_together(record, files, labels, resolution, file)
            file.flush()
            os.fsync(file.fileno())
        writing.replace(self.out)

    def _put_together(
        self, record: dict[str, Any], parts: list[Path], labels: GetLabels, resolution: int, file
    ) -> None:
        raise NotImplementedError

    def _record(self) -> dict[str, Any] | None:
        raise NotImplementedError

    def _encoded(self, batches: Iterable[Images], pool: Executor) -> Iterator[tuple[bytes, int]]:
        raise NotImplementedError


class NpzFormat(Format):
    """`images` (N, H, W, 3) uint8, `labels` and `seed`; stored without compression, which hardly helps pixels.

    The record is the comment of the archive, where git keeps a revision.
    """

    def _record(self) -> dict[str, Any] | None:
        try:
            with zipfile.ZipFile(self.out) as archive:
                return parsed(archive.comment)
        except (OSError, ValueError, zipfile.BadZipFile):
            return None

    def is_complete(self, parts: list[range]) -> bool:
        try:
            with zipfile.ZipFile(self.out) as archive, archive.open("images.npy") as images:
                np.lib.format.read_magic(images)
                np.lib.format.read_array_header_1_0(images)
                return _is_content(self._record(), images) and archive.testzip() is None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return False

    def _encoded(self, batches: Iterable[Images], pool: Executor) -> Iterator[tuple[bytes, int]]:
        for batch in batches:
            yield batch.uint8.permute(0, 2, 3, 1).contiguous().numpy().tobytes(), len(batch)

    def _put_together(
        self, record: dict[str, Any], parts: list[Path], labels: GetLabels, resolution: int, file
    ) -> None:
        about = {"descr": "|u1", "fortran_order": False, "shape": (record["images"], resolution, resolution, 3)}
        with zipfile.ZipFile(file, "w") as archive:
            with archive.open(zipfile.ZipInfo("images.npy"), "w", force_zip64=True) as images:
                np.lib.format.write_array_header_1_0(images, about)
                _copy(parts, images)
            for name, array in (("labels", labels()), ("seed", np.asarray(record["seed"], dtype=np.uint64))):
                if array is not None:
                    buffer = io.BytesIO()
                    np.save(buffer, array)
                    archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue())
            archive.comment = json.dumps(record).encode()


class TarFormat(Format):
    """000000.png and, with classes, 000000.cls, and so on, as webdataset reads them.

    The record is the comment of a global header, where git keeps a revision; readers skip it.
    """

    def _record(self) -> dict[str, Any] | None:
        try:
            with tarfile.open(self.out, "r:") as archive:
                return parsed(archive.pax_headers.get("comment", "").encode())
        except (OSError, ValueError, tarfile.TarError):
            return None

    def is_complete(self, parts: list[range]) -> bool:
        try:
            with tarfile.open(self.out, "r:") as archive:
                first = archive.next()
            with self.out.open("rb") as file:
                file.seek(first.offset if first else 0)
                return _is_content(self._record(), file) and not any(any(block) for block in _blocks(file))
        except (OSError, ValueError, tarfile.TarError):
            return False

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

    def _put_together(
        self, record: dict[str, Any], parts: list[Path], labels: GetLabels, resolution: int, file
    ) -> None:
        header = {"comment": json.dumps(record)}
        with tarfile.open(fileobj=file, mode="w:", format=tarfile.PAX_FORMAT, pax_headers=header) as archive:
            archive.offset += _copy(parts, file)  # the blocks that end an archive follow


def png(image: np.ndarray) -> bytes:
    """Encode (H, W, 3) uint8 as a PNG file."""
    from PIL import Image

    return encoded(Image.fromarray(image), compress_level=COMPRESSION)


def _member(name: str, data: bytes) -> bytes:
    """Return one file of a tar archive, without owner or time."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


# -------------------------------------------------------------------------------------------------------- the records


def parsed(text: bytes) -> dict[str, Any] | None:
    """Return the record of a finished output; None if there is none, or it is damaged."""
    try:
        record = parse_json(text)
    except UnreadableError:
        return None
    return record if is_record(record) else None


def is_record(value: Any) -> bool:
    return isinstance(value, dict) and type(value.get("images")) is int and {"model", "weights", "seed"} <= set(value)


def command_of(record: dict[str, Any]) -> Command:
    """Return the command of the record of a finished output."""
    depends = {key: value for key, value in record.items() if key not in ("images", "parts", "content")}
    return Command(depends, record["images"])


def _content_of(parts: list[Path]) -> dict[str, Any]:
    """Return size and sha256 of the bytes of all parts, after verifying each part."""
    whole, size = hashlib.sha256(), 0
    for path in parts:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            for block in _blocks(file):
                digest.update(block)
                whole.update(block)
                size += len(block)
        if not path.name.endswith(f".{digest.hexdigest()}.part"):
            raise ZooError(f"{path} has changed on disk; run the same command again")
    return {"bytes": size, "sha256": whole.hexdigest()}


def _is_content(record: dict[str, Any] | None, file) -> bool:
    """Return True if the next bytes of a file are those of its record."""
    content = (record or {}).get("content")
    if not isinstance(content, dict) or not isinstance(content.get("bytes"), int):
        return False
    digest = hashlib.sha256()
    for block in _blocks(file, content["bytes"]):
        digest.update(block)
    return digest.hexdigest() == content.get("sha256")


def _copy(parts: list[Path], file) -> int:
    """Write all parts; returns their size in bytes."""
    size = 0
    for path in parts:
        with path.open("rb") as part:
            for block in _blocks(part):
                size += file.write(block)
    return size


def _blocks(file, size: int | None = None) -> Iterator[bytes]:
    """Yield the rest of a file, or its next `size` bytes."""
    while block := file.read(_BLOCK if size is None else min(_BLOCK, size)):
        size = None if size is None else size - len(block)
        yield block
