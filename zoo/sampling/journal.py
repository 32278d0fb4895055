"""The journal of `bulk`: a hidden folder beside the images, so that an output never mixes two commands.

    command.json                                the command; removed when its output is whole
    <command>.<first>-<stop>.<content>.part     a finished part; empty if every image is a separate file
    <command>.<first>-<stop>.<content>.gone     a part of an earlier command that is being removed
    <command>.<name>.writing                    a file that is being written
    lock                                        held by the writing process

The names contain digests of the command and of the content of the part, so that neither the output of another command
nor a truncated file is taken for a part.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..common.errors import ZooError
from ..common.json_files import UnreadableError, parse_json, read_bytes
from ..common.locks import locked

_COMMAND, _LOCK = "command.json", "lock"
_PART = re.compile(r"([0-9a-f]{16})\.(\d{6,18})-(\d{6,18})\.([0-9a-f]{64})\.(part|gone)")
_AS_TEXT = re.compile(r"(\d{6,18})-(\d{6,18}) ([0-9a-f]{64})")
_WRITING = re.compile(r"[0-9a-f]{16}\.[0-9a-z.-]+\.writing")


@dataclass(frozen=True)
class Command:
    """What the images depend on, and what existed when the command began.

    Attributes:
        record: what the images depend on, including the seed; see `bulk._record`.
        images: number of images.
        forced: the command may overwrite foreign files.
        replaces: parts of earlier commands to be removed, as `Part` writes them.
    """

    record: dict[str, Any]
    images: int
    forced: bool = False
    replaces: tuple[str, ...] = ()
    digest: str = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "replaces", tuple(self.replaces))  # JSON only has lists
        text = json.dumps(self.record, sort_keys=True)
        object.__setattr__(self, "digest", hashlib.sha256(text.encode()).hexdigest()[:16])

    @property
    def replaced(self) -> list[OutputPart]:
        """The parts that this command replaces."""
        return [part for part in map(OutputPart.parse, self.replaces) if part]

    def makes(self, record: dict[str, Any]) -> bool:
        """Return True if this command makes the images of a record; a record without a seed fits any seed."""
        wanted = {"seed": self.record.get("seed")} if record["seed"] is None else {}
        return self.record == record | wanted

    @classmethod
    def parse(cls, text: bytes) -> Command | None:
        """Parse a `command.json`; returns None if it is foreign, truncated or changed."""
        try:
            about = parse_json(text)
            digest = about.pop("digest")
            command = cls(**about)
            return command if command.digest == digest and type(command.images) is int else None
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


@dataclass(frozen=True)
class OutputPart:
    """Finished images first ... stop - 1, and the sha256 of their content."""

    first: int
    stop: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.first:06d}-{self.stop:06d} {self.sha256}"

    @classmethod
    def parse(cls, text: object) -> OutputPart | None:
        match = _AS_TEXT.fullmatch(text) if isinstance(text, str) else None
        return match and cls(int(match[1]), int(match[2]), match[3])


class Journal:
    """The journal in one folder, which this class makes and removes; foreign files in it are not touched."""

    def __init__(self, folder: Path):
        self.folder = folder

    @contextmanager
    def locked(self, out: Path) -> Iterator[None]:
        """Hold the lock, so that no other process on this machine writes to `out`."""
        if self.folder.is_symlink() or self.folder.is_file():
            raise ZooError(f"{self.folder} is not a folder of this program; remove it, or give another path")
        with self._lock(out):
            try:
                yield
            finally:
                if not (self.folder / _COMMAND).exists():  # nothing has begun, or all is done
                    self._clear()
                    (self.folder / _LOCK).unlink(missing_ok=True)
                    with suppress(OSError):  # not empty, with foreign files
                        self.folder.rmdir()

    def _lock(self, out: Path) -> ExitStack:
        """Acquire the lock, in a folder that still exists."""
        refusal = f"another process is writing {out}; wait for it, or give another path"
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            held = ExitStack()
            with suppress(FileNotFoundError):  # another process has finished and removed the folder
                held.enter_context(locked(self.folder / _LOCK, refusal=refusal))
                if (self.folder / _LOCK).exists():
                    return held
            held.close()

    def begun(self) -> Command | None:
        """Return the command whose output is not whole yet."""
        try:
            return Command.parse(read_bytes(self.folder / _COMMAND))
        except (OSError, UnreadableError):
            return None

    def begin(self, command: Command) -> None:
        """Record the command as begun, and remove the leftovers of other commands."""
        writing = self.writing(command, _COMMAND)
        writing.write_text(json.dumps(asdict(command), indent=2) + "\n")
        writing.replace(self.folder / _COMMAND)
        self._clear(but=command)

    def end(self) -> None:
        """Record that the output is whole."""
        (self.folder / _COMMAND).unlink(missing_ok=True)

    def writing(self, command: Command, name: str) -> Path:
        """Return the temporary path of a file, before it is renamed."""
        return self.folder / f"{command.digest}.{name}.writing"

    def path(self, command: Command, part: OutputPart, state: str = "part") -> Path:
        """Return the file of a part, or, with state "gone", of a part that the command replaces."""
        return self.folder / f"{command.digest}.{part.first:06d}-{part.stop:06d}.{part.sha256}.{state}"

    def parts(self, command: Command) -> list[OutputPart]:
        """Return the finished parts of this command."""
        matches = [_PART.fullmatch(path.name) for path in sorted(self.folder.glob("*.part"))]
        return [OutputPart(int(m[2]), int(m[3]), m[4]) for m in matches if m and m[1] == command.digest]

    def _clear(self, but: Command | None = None) -> None:
        """Remove the files of this class; with `but`, only those of other commands and unfinished ones."""
        for path in list(self.folder.iterdir()):
            part = _PART.fullmatch(path.name)
            stale = part[1] != (but and but.digest) if part else _WRITING.fullmatch(path.name)
            if stale and path.is_file() and not path.is_symlink():
                path.unlink(missing_ok=True)
