"""Refuse what cannot fit in memory before it is asked for: the system would end the process without a word."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .errors import ZooError

_SMALL = 64 << 20  # bytes: the system is not asked about less
_MEMINFO = Path("/proc/meminfo")
_OWN_GROUP = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
_FILES = {  # of a control group: limit, use, and the line of memory.stat with the part that can be freed
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def refuse_if_too_large(n_bytes: int, what: str, instead: str) -> None:
    """Raise ZooError if an allocation cannot fit in the memory that is free.

    Args:
        what: in the plural, such as "1,000 images of 32x32".
        instead: what to do, after a semicolon.
    """
    free = available() if n_bytes > _SMALL else None
    if free is not None and n_bytes > free:
        raise ZooError(f"{what} take {_gib(n_bytes)}, this machine has {_gib(free)} free; {instead}")


def available() -> int | None:
    """Return the bytes that this process could still use, within the limits of its control group; None if unknown."""
    found = [free for free in (_of_machine(), *_of_groups()) if free is not None]
    return max(0, min(found)) if found else None


def _of_machine() -> int | None:
    """Return the free memory and swap space of Linux; elsewhere all memory, where the system tells it."""
    with suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines() if ":" in line)
        return sum(int(lines[key].split()[0]) << 10 for key in ("MemAvailable", "SwapFree"))
    with suppress(AttributeError, OSError, ValueError):  # Windows has no sysconf
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_groups() -> Iterator[int | None]:
    """Yield what the limit of each control group around this process leaves."""
    try:
        lines = _OWN_GROUP.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, version = _GROUPS, 2
        elif "memory" in controllers.split(","):
            root, version = _GROUPS / "memory", 1
        else:
            continue
        inner = root / path.lstrip("/")
        # In a container, the path may be that of the host, and the limit is that of the root that is seen here.
        for folder in (inner, *inner.parents):
            yield _left(folder, version)
            if folder == root:
                break


def _left(folder: Path, version: int) -> int | None:
    limit, use, freeable = _FILES[version]
    try:
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        used = int((folder / use).read_text()) - int(stat[freeable])
        return int((folder / limit).read_text()) - used
    except (OSError, ValueError, KeyError):  # no such group, or its limit is "max"
        return None


def _gib(n_bytes: int) -> str:
    size = n_bytes / 2**30
    return f"{size:,.0f} GiB" if size >= 10 else f"{size:,.2g} GiB"
