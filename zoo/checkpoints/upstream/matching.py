"""Which of the listed files is the published one; a name that leads out of its folder never is."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence

from ...common.errors import WeightsUnavailableError


def fitting(patterns: Iterable[str], paths: Iterable[str]) -> list[str]:
    """Return the paths that fit one of the patterns; a pattern without folders fits in any folder."""
    patterns = list(patterns)
    return [path for path in paths if _is_inside(path) and any(_fits(path, pattern) for pattern in patterns)]


def only(patterns: Iterable[str], paths: Sequence[str], place: str, beside: str | None = None, remedy: str = "") -> str:
    """Return the one path that fits; raises WeightsUnavailableError, which names them, if none or several do.

    Args:
        place: where the files are, for errors.
        beside: path of the generator whose discriminator is wanted. If it is one of the paths, only files in its folder
            fit, and of several those of its step.
        remedy: the end of the error, what to do.
    """
    patterns = list(dict.fromkeys(patterns))
    fits, named = fitting(patterns, paths), " or ".join(patterns)
    if not fits:
        raise WeightsUnavailableError(f"none of the {len(paths)} files in {place} is called {named}{remedy}")
    if beside is not None and beside in paths:
        fits = [path for path in fits if path.rpartition("/")[0] == beside.rpartition("/")[0]]
        if not fits:
            raise WeightsUnavailableError(f"no file beside {beside} in {place} is called {named}{remedy}")
        step = re.search(r"step=\d+", beside)
        of_step = [path for path in fits if step and re.search(rf"{step[0]}(?!\d)", path)]
        fits = of_step if len(fits) > 1 and of_step else fits
    if len(fits) > 1 and len(set(fits)) == 1:  # in an archive
        raise WeightsUnavailableError(
            f"{len(fits)} files in {place} are called {fits[0]}; unpack it, and give the file that is meant"
        )
    if len(fits) > 1:
        shown = ", ".join(fits[:4]) + (", ..." if len(fits) > 4 else "")
        raise WeightsUnavailableError(f"{len(fits)} files in {place} are called {named} ({shown}){remedy}")
    return fits[0]


def _fits(path: str, pattern: str) -> bool:
    return path == pattern or fnmatch.fnmatchcase(path if "/" in pattern else path.rpartition("/")[2], pattern)


def _is_inside(path: str) -> bool:
    return not {"", ".", ".."} & set(re.split(r"[/\\]", path))
