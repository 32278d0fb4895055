"""File locks: one process at a time downloads, prepares or trains. A lock ends with its process and is never stale.

The file of a released lock stays. If it were removed, a process that waits for the removed file and a process that
makes a new one would both continue.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ZooError

try:
    import fcntl
except ImportError:  # Windows, where the leftovers of a killed process stay
    fcntl = None

CAN_LOCK_OPEN_FILES = fcntl is not None


@contextmanager
def locked(path: Path, wait_for: str | None = None, patience: float = 0, refusal: str | None = None) -> Iterator[None]:
    """Hold the lock at this path, whose folder exists.

    Args:
        wait_for: what the other process is doing, printed on standard error after `patience` seconds of waiting.
        refusal: message of a ZooError that is raised instead of waiting.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        if refusal:
            raise ZooError(refusal) from None
        if wait_for:
            print(f"zoo: another process is {wait_for}; waiting for it", file=sys.stderr, flush=True)
        lock.acquire()
    except NotImplementedError:
        raise ZooError(
            f"the file system of {path.parent} has no file locks; set ZOO_CACHE, ZOO_DATA or the run's folder to a "
            f"local disk"
        ) from None
    try:
        yield
    finally:
        lock.release()


def lock_open_file(descriptor: int) -> None:
    """Lock an open file until it is closed or this process ends; raises OSError if another process holds the lock.

    Unlike `locked`, this serves for a foreign file, which must be examined before it is changed.
    """
    assert fcntl is not None  # see CAN_LOCK_OPEN_FILES
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
