"""Format of `zoo.sampling.bulk` for a folder: one PNG per image."""

from __future__ import annotations

import hashlib
import json
import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from ..common.errors import ZooError
from ..common.json_files import UnreadableError, parse_json, read_bytes
from .formats import Format, GetLabels, command_of, is_record, parsed, png
from .images import Images, one_ahead
from .journal import Command, OutputPart

_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_IMAGE = re.compile(r"(\d{6,18})\.png")


class DamagedRecordError(ZooError):
    """The record of the command of the images cannot be read; `path` is its file."""

    def __init__(self, path: Path):
        super().__init__(f"{path} is damaged; remove it")
        self.path = path


class PngFolder(Format):
    """000000.png and so on, and sample.json, which describes them and is written last."""

    images_alone = True

    def existing(self, n: int) -> list[Path]:
        return _within(self._images(), 0, n) if self.out.is_dir() else []

    def finished(self) -> Command | None:
        """Read sample.json; raises ZooError if it is foreign, DamagedRecordError if it is truncated or garbled."""
        try:
            record = parse_json(read_bytes(self.record_path))
        except FileNotFoundError:
            return None
        except (OSError, UnreadableError):
            raise DamagedRecordError(self.record_path) from None
        if not is_record(record):
            raise ZooError(f"{self.record_path} was not written by this program; give another folder")
        return command_of(record)

    def is_complete(self, parts: list[range]) -> bool:
        recorded = {(part.first, part.stop): part.sha256 for part in self._recorded()}
        return all(recorded.get((part.start, part.stop)) == self._digest(part) for part in parts)

    def done(self, command: Command) -> list[OutputPart]:
        self._place_parts(command)
        return [part for part in self._known(command) if self._is_there(part)]

    def earlier_parts(self, command: Command | None) -> list[OutputPart]:
        if command is None:  # sample.json's
            return self._recorded()
        self._place_parts(command)
        return [*command.replaced, *self.journal.parts(command)]

    def check_room(self, command: Command) -> None:
        there = self._images()
        for part in command.replaced:
            others = _within(there, max(part.first, command.images), part.stop)
            if others and not self._is_going(command, part):
                raise ZooError(
                    f"{others[0]} to {others[-1].name} have changed since they were written, so they are not removed; "
                    f"move your files away, or give another path"
                )

    def make_room(self, command: Command) -> None:
        there = self._images()
        for part in command.replaced:
            gone = self.journal.path(command, part, "gone")
            # Images that will be made again are removed only at first: later they may be this command's.
            first = max(part.first, command.images) if gone.exists() else part.first
            if self._is_going(command, part):
                gone.touch()
                for path in _within(there, first, part.stop):
                    path.unlink(missing_ok=True)  # parts of several commands may overlap

    def forget(self) -> None:
        self.record_path.unlink(missing_ok=True)

    def _is_going(self, command: Command, part: OutputPart) -> bool:
        """Return True if the images that are not removed yet are those that were written."""
        return self.journal.path(command, part, "gone").exists() or self._is_there(part)

    def write_part(self, command: Command, part: range, batches: Iterable[Images], pool: Executor) -> Iterator[int]:
        """Write a part; images get their names after the journal knows the part, so that all of them are on record."""
        digests: list[bytes] = []
        for pending in one_ahead(self._submitted(command, batches, pool)):
            digests += [image.result() for image in pending]
            yield len(pending)
        content = hashlib.sha256(b"".join(digests)).hexdigest()
        self.journal.path(command, OutputPart(part.start, part.stop, content)).touch()
        self._place(command, part)

    def _submitted(self, command: Command, batches: Iterable[Images], pool: Executor) -> Iterator[list]:
        for batch in batches:
            pixels = batch.uint8.permute(0, 2, 3, 1).contiguous().numpy()
            yield [pool.submit(self._write, command, batch.start + i, image) for i, image in enumerate(pixels)]

    def _write(self, command: Command, i: int, image: np.ndarray) -> bytes:
        """Write one image into the journal; returns its sha256."""
        data = png(image)
        self.journal.writing(command, self._image(i).name).write_bytes(data)
        return hashlib.sha256(data).digest()

    def _place_parts(self, command: Command) -> None:
        for part in self.journal.parts(command):
            self._place(command, range(part.first, part.stop))

    def _place(self, command: Command, images: range) -> None:
        """Move images of a part from the journal to their places, unless they are in place already.

        A file that this command may not overwrite must have the same content.
        """
        for i in images:
            writing, path = self.journal.writing(command, self._image(i).name), self._image(i)
            if not writing.exists():
                continue
            if os.path.lexists(path) and self._is_kept(path, writing.read_bytes(), command):
                writing.unlink()
            else:
                writing.replace(path)

    @staticmethod
    def _is_kept(path: Path, data: bytes, command: Command) -> bool:
        if command.forced or not _has_end(path):  # a power failure can leave a file without its content
            return False
        if path.read_bytes() == data:
            return True
        raise ZooError(
            f"{path} exists and differs from the image of this command; give another path, or force=True (--force) "
            f"to overwrite it"
        )

    @property
    def record_path(self) -> Path:
        return self.out / "sample.json"

    def _image(self, i: int) -> Path:
        return self.out / f"{i:06d}.png"

    def _images(self) -> list[tuple[int, Path]]:
        """Return the existing image files, by number; a record may list more than exist."""
        found = ((int(match[1]), path) for path in self.out.iterdir() if (match := _IMAGE.fullmatch(path.name)))
        return sorted((i, path) for i, path in found if path == self._image(i))

    def _is_there(self, part: OutputPart) -> bool:
        return self._digest(range(part.first, part.stop)) == part.sha256

    def _digest(self, images: range) -> str | None:
        """Return the sha256 of the images' sha256; None if an image is missing."""
        digest = hashlib.sha256()
        for i in images:
            try:
                digest.update(hashlib.sha256(self._image(i).read_bytes()).digest())
            except OSError:
                return None
        return digest.hexdigest()

    def _recorded(self) -> list[OutputPart]:
        """Return the parts that sample.json lists."""
        try:
            record = parsed(read_bytes(self.record_path))
        except (OSError, UnreadableError):
            return []
        parts = (record or {}).get("parts")
        return [part for part in map(OutputPart.parse, parts if isinstance(parts, list) else []) if part]

    def _known(self, command: Command) -> list[OutputPart]:
        return [*self._recorded(), *self.journal.parts(command)]

    def finalize(self, command: Command, parts: list[range], labels: GetLabels, resolution: int) -> None:
        known = {(part.first, part.stop): part.sha256 for part in self._known(command)}
        digests = [known.get((part.start, part.stop)) or self._digest(part) or "" for part in parts]
        listed = [str(OutputPart(part.start, part.stop, sha)) for part, sha in zip(parts, digests, strict=True)]
        record = command.record | {"images": command.images, "parts": listed}
        writing = self.journal.writing(command, self.record_path.name)
        writing.write_text(json.dumps(record, indent=2) + "\n")
        writing.replace(self.record_path)


def _within(images: list[tuple[int, Path]], first: int, stop: int) -> list[Path]:
    """Return the paths of images first ... stop - 1."""
    begin, end = (bisect_left(images, number, key=lambda image: image[0]) for number in (first, stop))
    return [path for _, path in images[begin:end]]


def _has_end(path: Path) -> bool:
    """Return True if a PNG file has its end."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_PNG_END)))
        return file.read() == _PNG_END
