"""One builder, or one download, at a time; a lock dies with its process, so there are no stale ones."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path

from ..errors import ZooError


@contextmanager
def locked(path: Path, wait_for: str | None = None):
    """Hold the lock of this path; `wait_for` is said on standard error if another process holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if wait_for:
            print(f"another process is {wait_for}; waiting for it", file=sys.stderr, flush=True)
        lock.acquire()
    except NotImplementedError:
        raise ZooError(
            f"the file system of {path.parent} has no file locks; set ZOO_DATA to a folder on a local disk"
        ) from None
    try:
        yield
    finally:
        lock.release()
