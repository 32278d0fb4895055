"""Weights that a visitor asks to download: the demo fetches them once, in the background, and says how far it is."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..checkpoints import cache, weights
from ..common.errors import WeightsUnavailableError, ZooError
from ..common.files import as_size
from ..common.text import one_line
from ..schema import registry
from . import logs

if TYPE_CHECKING:
    from ..schema.config import ModelConfig

_LOOK = 0.3  # seconds between two looks at the file that grows
_running: dict[str, asyncio.Task] = {}  # on the server's event loop alone


async def fetch(name: str, report: Callable[[float, str], object], most: int = 2) -> None:
    """Download the weights of a registered name, "name" or "name@tag"; a second caller waits for the first's download.

    A caller who goes leaves the download running.

    Args:
        report: called from time to time with the share that is done, 0 while it is unknown, and a line.
        most: downloads at once.

    Raises:
        ZooError: they cannot be downloaded; or others are being downloaded.
    """
    base, tag = registry.split_tag(name)
    config = registry.config(base)
    entry = weights.entry(config, tag)
    task = _running.get(name)
    if task is None:
        if len(_running) >= most:
            raise ZooError(f"{' and '.join(_running)} are being downloaded; try again in a while")
        task = asyncio.create_task(asyncio.to_thread(weights.locate, config, entry.tag))
        _running[name] = task
        task.add_done_callback(partial(_ended, name))
        logs.event("download", model=name)
    total = entry.upstream.size if entry.upstream else None
    while not (await asyncio.wait([task], timeout=_LOOK))[0]:
        report(*progress(config, entry.tag, total))
    task.result()


def by_hand(name: str, error: WeightsUnavailableError) -> str:
    """Return why a download failed, and how to get the file without it, as HTML."""
    base, tag = registry.split_tag(name)
    config = registry.config(base)
    entry = weights.entry(config, tag)
    reason = one_line(str(error).removeprefix(f"{name}@{entry.tag} is not on this machine: ").split(". ")[0], 160)
    told = f"<p>It could not be downloaded: {html.escape(reason)}.</p>"
    for source in weights.sources_of(entry, discriminator=False)[:1]:
        address = html.escape(source.address)
        told += (
            f'<p>By hand: get <a href="{address}" target="_blank" rel="noopener">{html.escape(source.filename)}</a>, '
            f"then run <code>zoo import {html.escape(config.name)}@{entry.tag} --from FILE</code></p>"
        )
    return f'<div class="zoo-notice" role="status">{told}</div>'


def progress(config: ModelConfig, tag: str, total: int | None) -> tuple[float, str]:
    """Return the share of a download that is on the disk, and the same in words."""
    folder = cache.root_of(None) / "partial" / f"{config.slug}@{tag}"
    done = sum(_size(path) for path in folder.rglob("*")) if folder.is_dir() else 0
    if total is None:
        return 0.0, f"{as_size(done)} so far" if done else "asking the server"
    return min(done / total, 1.0), f"{as_size(done)} of {as_size(total)}" if done < total else "converting it"


def _ended(name: str, task: asyncio.Task) -> None:
    _running.pop(name, None)
    error = None if task.cancelled() else task.exception()  # looked at, though nobody may wait for it
    logs.event("downloaded", model=name, outcome="done" if error is None else str(error))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # renamed meanwhile
        return 0
