"""Print tables and pages."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..common.text import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

UNFOLDED = 100_000  # columns of a pipe into which a table goes with one line a row
PAGE = 160  # columns of a pipe into which paragraphs go
_END = re.compile(r"(?: |\x1b\[[\d;]*m)+$", re.MULTILINE)  # blanks, and where a style begins or ends


def width() -> int | None:
    """Return the columns of the terminal; None where standard output is a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def say(line: str, to_stderr: bool = False) -> None:
    """Print a line in which names and paths stand: what would move the cursor is written as \\x1b and the like."""
    print(visible(line), file=sys.stderr if to_stderr else sys.stdout)


def show(*parts: RenderableType, piped: int = UNFOLDED) -> None:
    """Print parts as wide as the terminal is, or at most `piped` columns wide; lines end without blanks."""
    from rich.console import Console

    # Without a height rich takes every dumb terminal for one of 80 columns.
    console = Console(width=width() or piped, height=25, highlight=False)
    with console.capture() as captured:
        for part in parts:
            for piece in _pieces(part):
                console.print(piece, overflow="ignore", crop=False)  # a word wider than the terminal stays whole
    sys.stdout.write(_END.sub(lambda end: end[0].replace(" ", ""), captured.get()))


def _pieces(part: RenderableType) -> Iterator[RenderableType]:
    """Take groups apart, and break texts at blanks only."""
    from rich.console import Group
    from rich.protocol import rich_cast
    from rich.text import Text

    from ..common.tables import Paragraph

    found = rich_cast(part)
    if isinstance(found, Group):
        for inner in found.renderables:
            yield from _pieces(inner)
    else:
        yield Paragraph(found) if isinstance(found, Text) else found
