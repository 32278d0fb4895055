"""One process at a time: one download, one builder, one training run. A lock dies with its process; none is ever stale.

The file of a lock stays when it is released: were it removed, a process that waits for the removed file and one that
makes it anew would both go on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ZooError

try:
    import fcntl
except ImportError:  # Windows, where what a killed process leaves stays
    fcntl = None

CAN_LOCK_OPEN_FILES = fcntl is not None


@contextmanager
def locked(path: Path, wait_for: str | None = None, patience: float = 0, refusal: str | None = None) -> Iterator[None]:
    """Hold the lock of this path, in a folder that exists.

    Args:
        wait_for: what the other process is doing, said on standard error after `patience` seconds of waiting for it.
        refusal: raised as a ZooError instead of waiting.
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
            f"place on a local disk"
        ) from None
    try:
        yield
    finally:
        lock.release()


def lock_open_file(descriptor: int) -> None:
    """Lock an open file, until it is closed or this process ends; raises OSError where another process has it locked.

    For a file that may be somebody else's, which is to be looked at before it is touched.
    """
    assert fcntl is not None  # see CAN_LOCK_OPEN_FILES
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
