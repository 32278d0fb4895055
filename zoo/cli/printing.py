"""Print tables and pages."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

UNFOLDED = 100_000  # columns of a pipe into which a table goes with one line a row
PAGE = 160  # columns of a pipe into which paragraphs go
_END = re.compile(r"(?: |\x1b\[[\d;]*m)+$", re.MULTILINE)  # blanks, and where a style begins or ends


def width() -> int | None:
    """Return the columns of the terminal; None where standard output is a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def show(*parts: RenderableType, piped: int = UNFOLDED, least: int = 0, highlight: bool = False) -> None:
    """Print parts as wide as the terminal is, or at most `piped` columns wide; lines end without blanks.

    Args:
        least: columns that a narrower terminal gets all the same, so that nothing is cut.
    """
    from rich.console import Console

    # Without a height rich takes every dumb terminal for one of 80 columns.
    console = Console(width=max(width() or piped, least), height=25, highlight=highlight)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    sys.stdout.write(_END.sub(lambda end: end[0].replace(" ", ""), captured.get()))
