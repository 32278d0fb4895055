"""How `zoo.bulk` writes images into a folder: a PNG each."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ZooError
from .formats import Format, command_of, parsed, png
from .images import Images, one_ahead
from .journal import Command, Part
from .json_files import UnreadableError, read_bytes

_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_IMAGE = re.compile(r"(\d{6,18})\.png")
_PART = re.compile(r"(\d{6,18})-(\d{6,18}) ([0-9a-f]{64})")


class DamagedRecordError(ZooError):
    """What says of which command the images are cannot be read; holds its path."""

    def __init__(self, path: Path):
        super().__init__(f"{path} is damaged; remove it")
        self.path = path


class PngFolder(Format):
    """000000.png and so on, and sample.json, which says what they are and is written last."""

    images_alone = True

    def targets(self, n: int) -> list[Path]:
        return [self._image(i) for i in range(n)]

    def finished(self) -> Command | None:
        record = self._record()
        command = record and command_of(record)
        if command is None and self.record_path.exists():
            raise DamagedRecordError(self.record_path)
        return command

    def is_whole(self, parts: list[range]) -> bool:
        recorded = self._recorded()
        return all(recorded.get((part.start, part.stop)) == self._digest(part) for part in parts)

    def make_room(self, images: int) -> None:
        self._remove(range(images))
        self.record_path.unlink(missing_ok=True)

    def done(self, command: Command) -> list[Part]:
        return [
            Part(*images, digest)
            for images, digest in self._known(command).items()
            if self._digest(range(*images)) == digest
        ]

    def write_part(self, command: Command, part: range, batches: Iterable[Images], pool: Executor) -> Iterator[int]:
        digests: list[bytes] = []
        for pending in one_ahead(self._submitted(command, batches, pool)):
            digests += [image.result() for image in pending]
            yield len(pending)
        content = hashlib.sha256(b"".join(digests)).hexdigest()
        self.journal.path(command, Part(part.start, part.stop, content)).touch()

    def _submitted(self, command: Command, batches: Iterable[Images], pool: Executor) -> Iterator[list]:
        for batch in batches:
            pixels = batch.uint8.permute(0, 2, 3, 1).contiguous().numpy()
            yield [pool.submit(self._write, command, batch.start + i, image) for i, image in enumerate(pixels)]

    def _write(self, command: Command, i: int, image: np.ndarray) -> bytes:
        """Write one image; returns its sha256. A file that is not this command's to overwrite must be the same."""
        data, path = png(image), self._image(i)
        if not (path.exists() and self._is_kept(path, data, command)):
            writing = self.journal.writing(command, path.name)
            writing.write_bytes(data)
            writing.replace(path)
        return hashlib.sha256(data).digest()

    @staticmethod
    def _is_kept(path: Path, data: bytes, command: Command) -> bool:
        if command.forced or not _has_end(path):  # a power cut can leave a file without its content
            return False
        if path.read_bytes() == data:
            return True
        raise ZooError(
            f"{path} is there, and not the image that this command makes; give another path, or force=True (--force) "
            f"to overwrite it"
        )

    @property
    def record_path(self) -> Path:
        return self.out / "sample.json"

    def _image(self, i: int) -> Path:
        return self.out / f"{i:06d}.png"

    def _remove(self, images: range) -> None:
        """Remove the files of these images, which a record claims; it may claim more than there are."""
        for path in list(self.out.iterdir()):
            number = _IMAGE.fullmatch(path.name)
            if number and int(number[1]) in images and path == self._image(int(number[1])):
                path.unlink()

    def _digest(self, images: range) -> str | None:
        """The sha256 of the images' sha256; None if one is missing."""
        digest = hashlib.sha256()
        for i in images:
            try:
                digest.update(hashlib.sha256(self._image(i).read_bytes()).digest())
            except OSError:
                return None
        return digest.hexdigest()

    def _record(self) -> dict[str, Any] | None:
        try:
            return parsed(read_bytes(self.record_path))
        except (OSError, UnreadableError):
            return None

    def _recorded(self) -> dict[tuple[int, int], str]:
        """The sha256 of the parts that sample.json tells of."""
        parts = (self._record() or {}).get("parts")
        found = [_PART.fullmatch(part) for part in (parts if isinstance(parts, list) else []) if isinstance(part, str)]
        return {(int(part[1]), int(part[2])): part[3] for part in found if part}

    def _known(self, command: Command) -> dict[tuple[int, int], str]:
        return self._recorded() | {(part.first, part.stop): part.sha256 for part in self.journal.parts(command)}

    def finish(self, command: Command, parts: list[range], labels: np.ndarray | None, resolution: int) -> None:
        known = self._known(command)
        digests = [f"{p.start:06d}-{p.stop:06d} {known.get((p.start, p.stop)) or self._digest(p)}" for p in parts]
        self._remove(range(command.images, command.claimed))
        record = command.record | {"images": command.images, "parts": digests}
        writing = self.journal.writing(command, self.record_path.name)
        writing.write_text(json.dumps(record, indent=2) + "\n")
        writing.replace(self.record_path)


def _has_end(path: Path) -> bool:
    """Whether a PNG is there with its end."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_PNG_END)))
        return file.read() == _PNG_END
