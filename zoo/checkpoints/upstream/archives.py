"""Take one file out of a zip archive of checkpoints; a name in an archive never becomes a path."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ...common.errors import WeightsCorruptedError
from ...common.json_files import open_regular
from ...common.text import first_line
from .pickles import MAX_BYTES, ZIP, check_directory

_PACKED = 16  # compression ratio of a checkpoint; trained weights have about 1
_SMALL = 1 << 20  # bytes that a checkpoint may have at any compression
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, RuntimeError,
    ValueError, OverflowError,
)  # fmt: skip


def is_archive(path: Path) -> bool:
    """Return True for a zip archive, but not for the zip archive that torch.save makes of one checkpoint."""
    try:
        with open_regular(path) as file:
            if file.read(len(ZIP)) != ZIP:
                return False
        return not any(_is_program(entry.filename) for entry in _entries(path, str(path)))
    except WeightsCorruptedError:
        return False  # reading it as a checkpoint says what is wrong


def _is_program(name: str) -> bool:
    folder, _, leaf = name.rpartition("/")
    return leaf == "data.pkl" and bool(folder) and "/" not in folder


def names(path: Path, described: str) -> list[str]:
    """Return the names of the files in an archive, which errors call `described`.

    Raises:
        WeightsCorruptedError: it is damaged, or no zip archive.
    """
    return [entry.filename for entry in _entries(path, described) if not entry.is_dir()]


def extract(path: Path, name: str, target: Path, described: str) -> None:
    """Write the file of this name, the only one, in the archive to `target`.

    Raises:
        WeightsCorruptedError: it is damaged, encrypted, or unpacks to more than a checkpoint would.
    """
    entry = next(entry for entry in _entries(path, described) if entry.filename == name)
    if entry.flag_bits & 1:
        raise _refusal(described, f"{name} in it is encrypted")
    if entry.file_size > min(MAX_BYTES, max(_SMALL, _PACKED * entry.compress_size)):
        raise _refusal(described, f"{name} in it unpacks to {entry.file_size:,} bytes, more than a checkpoint would")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(entry) as packed, target.open("wb") as file:
            _copy(packed, file)
    except _DAMAGE as error:
        raise _refusal(described, f"{name} in it is damaged ({_reason(error)})") from None
    except OSError as error:
        if error.errno is not None:  # of the disk, not of a decompressor
            raise
        raise _refusal(described, f"{name} in it is damaged ({_reason(error)})") from None


def _copy(packed: IO[bytes], file: IO[bytes]) -> None:
    while block := packed.read(1 << 20):  # zipfile stops at the stated size, and compares the checksum
        file.write(block)


def _entries(path: Path, described: str) -> Sequence[zipfile.ZipInfo]:
    try:
        check_directory(path, described)
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except _DAMAGE as error:
        raise _refusal(described, _reason(error)) from None


def _reason(error: Exception) -> str:
    return first_line(error).rstrip(".")


def _refusal(described: str, reason: str) -> WeightsCorruptedError:
    return WeightsCorruptedError(
        f"{described} cannot be opened as an archive of checkpoints: {reason}; download it again"
    )
