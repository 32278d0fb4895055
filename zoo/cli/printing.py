"""Print tables and pages."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def to_stdout(piped_width: int, *, highlight: bool = True) -> Console:
    """Return a console on standard output; a pipe gets `piped_width`, so that nothing is cut."""
    from rich.console import Console

    terminal = shutil.get_terminal_size().columns  # rich itself takes every dumb terminal for one of 80 columns
    return Console(width=terminal if sys.stdout.isatty() else piped_width, highlight=highlight)
