"""The files of a .zip or a .tar by name, read where they are: nothing is extracted."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import tempfile
import threading
import weakref
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from ..common.cache_roots import data_root
from ..common.errors import DataCorruptedError, DataUnavailableError, ZooError
from ..common.json_files import open_regular

_PACKED = 200  # compression ratio of an archive; photographs have about 1
_SMALL = 256 << 20  # bytes that an archive may have at any compression
_COMPRESSIONS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


class ArchiveFiles(Protocol):
    """The files of one or several archives."""

    sizes: dict[str, int]  # bytes, by name
    folders: list[str]
    links: list[str]  # and other things that are no files

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; libraries raise a dozen unrelated types on damaged ones."""
        ...

    def where(self, name: str) -> str:
        """Return the name of a file for errors."""
        ...


def opened(paths: Sequence[Path]) -> ArchiveFiles:
    """Open an archive, or several as one.

    Raises:
        DataCorruptedError: an archive is damaged, or none.
    """
    return _opened(paths[0]) if len(paths) == 1 else Shards(paths)


def _opened(path: Path) -> Zip | Tar:
    try:
        open_regular(path).close()  # a pipe would block
        return Zip(path) if path.name.lower().endswith(".zip") else Tar(path)
    except (MemoryError, ZooError):
        raise
    except Exception as error:  # a damaged file raises a dozen unrelated types of zipfile, tarfile, zlib and lzma
        if isinstance(error, OSError) and error.errno:  # of the system, not of a library
            raise DataUnavailableError(f"{path} cannot be read ({error.strerror}); check it") from None
        why = error if str(error) else "it is cut short"
        raise DataCorruptedError(f"{path} is damaged or not an archive ({why}); make it again") from None


class Shards:
    """The files of several archives; the number of its archive begins each name, as names may occur in several."""

    def __init__(self, paths: Sequence[Path]):
        self.sizes: dict[str, int] = {}
        self.folders: list[str] = []
        self.links: list[str] = []
        self._places: dict[str, tuple[Zip | Tar, str]] = {}
        for i, path in enumerate(paths):
            shard = _opened(path)
            for name, size in shard.sizes.items():
                folder, slash, base = name.rpartition("/")
                numbered = f"{folder}{slash}{base if base.startswith('.') else f'{i:05}-{base}'}"
                self.sizes[numbered], self._places[numbered] = size, (shard, name)
            self.folders += shard.folders
            self.links += shard.links

    def read(self, name: str) -> bytes:
        shard, inside = self._places[name]
        return shard.read(inside)

    def where(self, name: str) -> str:
        shard, inside = self._places[name]
        return shard.where(inside)


class Zip:
    """The files of a .zip; pictures are read under a lock, and decoded by several threads."""

    def __init__(self, path: Path):
        self._path = path
        self._file = zipfile.ZipFile(path)
        entries = {_name_in_zip(entry): entry for entry in self._file.infolist()}
        self._entries = {name: entry for name, entry in entries.items() if not entry.is_dir()}
        self.sizes = {name: entry.file_size for name, entry in self._entries.items()}
        self.folders = [name for name, entry in entries.items() if entry.is_dir()]
        self.links: list[str] = []

    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            ValueError: it is encrypted.
            zipfile.BadZipFile, zlib.error, NotImplementedError: it is damaged, or compressed in another way.
        """
        if self._entries[name].flag_bits & 1:
            raise ValueError("it is encrypted")
        return self._file.read(self._entries[name])

    def where(self, name: str) -> str:
        return f"{name} in {self._path}"


def _name_in_zip(entry: zipfile.ZipInfo) -> str:
    """Return the name; many tools write UTF-8 without saying so, and zipfile reads it as the code page of DOS."""
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


class _Place(NamedTuple):
    start: int
    size: int


class Tar:
    """The files of a .tar, by their places; a compressed one is unpacked into a temporary file first."""

    def __init__(self, path: Path):
        self._path = path
        self._file: IO[bytes] = _unpacked(path)
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}
        self.links: list[str] = []
        self.folders: list[str] = []
        with tarfile.open(fileobj=self._file, mode="r:") as archive:
            for entry in archive:
                if entry.isreg() and not entry.issparse():
                    self._places[entry.name] = _Place(entry.offset_data, entry.size)
                elif entry.islnk() and entry.linkname in self._places:
                    self._places[entry.name] = self._places[entry.linkname]
                else:
                    (self.folders if entry.isdir() else self.links).append(entry.name)
            self._file.seek(archive.offset)  # behind a damaged or missing header, tarfile just ends
        if self._file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise ValueError("it is cut short")
        self.sizes = {name: place.size for name, place in self._places.items()}

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        place = self._places[name]
        with self._lock:
            self._file.seek(place.start)
            return self._file.read(place.size)

    def where(self, name: str) -> str:
        return f"{name} in {self._path}"


def _unpacked(path: Path) -> IO[bytes]:
    """Open a .tar; a compressed one as a file without a name, in the folder of data if there is one."""
    with path.open("rb") as file:
        start = file.read(6)
    opener = next((opener for magic, opener in _COMPRESSIONS.items() if start.startswith(magic)), None)
    if opener is None:
        return path.open("rb")
    try:
        return _decompressed(opener, path)
    except OSError as error:
        if not error.errno:  # of gzip
            raise
        raise ZooError(
            f"{path} cannot be unpacked into {data_root()} or a temporary folder ({error.strerror}); free some space, "
            f"or set ZOO_DATA to a folder on another disk"
        ) from None


def _decompressed(opener: Callable, path: Path) -> IO[bytes]:
    most = max(_SMALL, _PACKED * path.stat().st_size)
    unpacked = tempfile.TemporaryFile(dir=data_root() if data_root().is_dir() else None)  # noqa: SIM115 (returned)
    try:
        with opener(path) as packed:
            while block := packed.read(1 << 20):
                unpacked.write(block)
                if unpacked.tell() > most:
                    raise ValueError(f"it unpacks to more than {most:,} bytes")
        unpacked.seek(0)
    except BaseException:
        unpacked.close()
        raise
    return unpacked
