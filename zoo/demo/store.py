"""Files of results, in this server's own folder, limited in bytes and removed with the server.

A server that was killed leaves its folder behind; the next start removes it. It removes a folder
only if this module could have named it, it is a folder (not a link) of this user that no other user may enter, and it
holds an owner file that names the folder itself and that no living process has locked.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..common.errors import ZooError
from ..common.files import as_size
from ..common.locks import CAN_LOCK_OPEN_FILES, lock_open_file
from . import logs

_PREFIX, _NAME = "zoo-demo-", re.compile(r"zoo-demo-[a-z0-9_]{8}")  # as mkdtemp completes it
_OWNER, _PROGRAM = "owner.json", "zoo demo"
_BLOCK = 4096  # bytes of a disk block


@dataclass
class StoredResult:
    """The files of one result.

    Attributes:
        size: bytes on the disk.
        made: when, on the monotonic clock.
        readers: downloads in progress.
    """

    folder: Path
    names: tuple[str, ...]
    size: int
    made: float
    readers: int = 0


class Store:
    """Keeps the latest results, up to `limit` bytes; the oldest are removed first, but none that is being read.

    Attributes:
        root: the folder in which results lie, a folder for each.
        gone: called with the paths of files that were removed.
    """

    def __init__(self, limit: int):
        remove_orphans()
        self._own = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
        self._owner = _claim(self._own)
        self.root = self._own / "files"
        self.root.mkdir()
        self.limit, self.gone = limit, lambda paths: None
        self._results: OrderedDict[Path, StoredResult] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._size

    def keep(self, files: Mapping[str, bytes]) -> list[str]:
        """Write the files of a result into its own folder; returns their paths in order.

        Raises:
            ZooError: they exceed the limit of all results, there is no room now, or the disk refuses them.
        """
        size = _BLOCK + sum(_BLOCK * -(-len(data) // _BLOCK) for data in files.values())
        if size > self.limit:
            raise ZooError(f"the result takes {as_size(size)}, the server keeps {as_size(self.limit)}; ask for less")
        result = StoredResult(self.root / secrets.token_hex(16), tuple(files), size, time.monotonic(), readers=1)
        with self._lock:
            self._make_room(size)
            self._results[result.folder] = result
            self._size += size
        try:
            result.folder.mkdir()
            for name, data in files.items():
                (result.folder / name).write_bytes(data)
        except OSError as error:
            with self._lock:
                self._remove(result)
            raise ZooError(f"the server cannot write the result ({error.strerror}); try again later") from None
        with self._lock:
            result.readers -= 1
        return [str(result.folder / name) for name in files]

    @contextmanager
    def reading(self, path: str) -> Iterator[bool]:
        """Yield True if this is the path of a result's file; the file stays while the context lasts."""
        found = Path(path)
        with self._lock:
            result = self._results.get(found.parent)
            if result is not None and (found.name not in result.names or str(found) != path):
                result = None
            if result is not None:
                result.readers += 1
        try:
            yield result is not None
        finally:
            if result is not None:
                with self._lock:
                    result.readers -= 1

    def expire(self, seconds: float) -> None:
        """Remove results older than this."""
        with self._lock:
            for result in list(self._results.values()):
                if result.readers == 0 and time.monotonic() - result.made > seconds:
                    self._remove(result)

    def close(self) -> None:
        """Remove everything, the folder too."""
        with self._lock:
            self._results.clear()
            self._size = 0
        shutil.rmtree(self._own, ignore_errors=True)
        if self._owner is not None:
            os.close(self._owner)
            self._owner = None

    def _make_room(self, size: int) -> None:
        for result in list(self._results.values()):
            if self._size + size <= self.limit:
                return
            if result.readers == 0:
                self._remove(result)
        if self._size + size > self.limit:
            raise ZooError("other results are being fetched and there is no room for another; try again in a moment")

    def _remove(self, result: StoredResult) -> None:
        paths = [result.folder / name for name in result.names]
        for path in paths:
            path.unlink(missing_ok=True)
        if result.folder.is_dir():
            result.folder.rmdir()
        del self._results[result.folder]
        self._size -= result.size
        self.gone([str(path) for path in paths])


def _claim(folder: Path) -> int | None:
    """Write and lock the owner file; returns its descriptor, which holds the lock while this process lives."""
    if not CAN_LOCK_OPEN_FILES:
        return None
    descriptor = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    lock_open_file(descriptor)  # before it is written: an empty owner file belongs to no server
    os.write(descriptor, json.dumps({"program": _PROGRAM, "pid": os.getpid(), "folder": str(folder)}).encode())
    return descriptor


def remove_orphans() -> None:
    """Remove the folders of servers of this user that were killed."""
    if not CAN_LOCK_OPEN_FILES:
        return
    for folder in Path(tempfile.gettempdir()).resolve().iterdir():
        if _NAME.fullmatch(folder.name):
            _remove_orphan(folder)


def _remove_orphan(folder: Path) -> None:
    try:
        about = folder.lstat()
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
            return
        descriptor = os.open(folder / _OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # removed meanwhile, or not ours
        return
    try:
        owner = os.fstat(descriptor)
        if not stat.S_ISREG(owner.st_mode) or owner.st_uid != os.getuid():
            return
        lock_open_file(descriptor)
        found = json.loads(os.read(descriptor, _BLOCK))
        if not isinstance(found, dict) or (found.get("program"), found.get("folder")) != (_PROGRAM, str(folder)):
            return
        shutil.rmtree(folder)
        logs.event("removed what a killed server left", folder=str(folder), pid=found.get("pid"))
    except (OSError, ValueError, RecursionError):  # locked by a living server, or no owner file of ours
        return
    finally:
        os.close(descriptor)
