"""Set damaged auxiliary files aside, so that the main work continues."""

from __future__ import annotations

import itertools
import shutil
import sys
from pathlib import Path


def set_aside(path: Path, why: str, copy: bool = False) -> Path:
    """Rename a damaged file to `<name>.damaged`, or the first free number after it, and say so on standard error.

    Args:
        copy: leave the original file in place, for the caller to replace.
    """
    names = itertools.chain([f"{path.name}.damaged"], (f"{path.name}.damaged-{i}" for i in itertools.count(2)))
    aside = next(there for there in map(path.with_name, names) if not there.exists())
    shutil.copyfile(path, aside) if copy else path.rename(aside)
    print(f"zoo: {path} is damaged: {why}; it is set aside as {aside.name}", file=sys.stderr)
    return aside
