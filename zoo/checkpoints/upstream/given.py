"""Find the published checkpoint in what a user downloaded: a file, a folder, or a zip archive."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...common.errors import WeightsUnavailableError, ZooError
from ...schema.entries import Upstream
from . import archives, download, matching


def checkpoint(given: Path, sources: Sequence[Upstream]) -> Path:
    """Return the file that was given, or the one of a folder that has the name of a source or of its archive.

    Raises:
        WeightsUnavailableError: there is none, or several; the message names them.
    """
    if given.is_file():
        return given
    if not given.is_dir():
        problem = "is a pipe, a socket or a device" if given.exists() else "does not exist"
        raise WeightsUnavailableError(f"{given} {problem}; give the downloaded file, or its folder")
    paths = sorted(path.relative_to(given).as_posix() for path in given.rglob("*") if path.is_file())
    return given / matching.only(_patterns(sources), paths, str(given), remedy="; give the path of the file")


@contextmanager
def opened(path: Path, sources: Sequence[Upstream], member: str | None) -> Iterator[download.Original]:
    """Yield the checkpoint that a file is or has; what is taken out of an archive is a temporary file.

    Args:
        member: its name in the archive; None: that of one of the sources.

    Raises:
        WeightsUnavailableError: none or several files of the archive have the name.
        WeightsCorruptedError: the archive is damaged, or unpacks to more than a checkpoint would.
    """
    if not archives.is_archive(path):
        if member:
            raise ZooError(f"{path} is not a zip archive of checkpoints, so it has no {member}; leave out --member")
        yield download.Original(path, path.name, str(path))
        return
    patterns = [member] if member else [source.path for source in sources if source.archive]
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        remedy = "; name the one that is meant with --member"
        yield download.member(path, patterns or _patterns(sources), Path(folder), str(path), remedy)


def source_of(original: download.Original, sources: Sequence[Upstream]) -> Upstream:
    """Return the source that a downloaded file is most likely from, by its name and size; the first in doubt."""
    size = (original.archive or original.path).stat().st_size

    def likeness(source: Upstream) -> tuple[bool, bool, bool]:
        from_archive = bool(source.archive) == bool(original.archive)
        return bool(matching.fitting([source.filename], [original.name])), from_archive, source.size == size

    return max(sources, key=likeness)


def _patterns(sources: Sequence[Upstream]) -> list[str]:
    return [pattern for source in sources for pattern in (source.filename, source.archive) if pattern]
