"""Help pages. Panels cut the names of options on a narrow terminal; there the pages are plain, and no name is cut."""

from __future__ import annotations

import inspect
import shutil
from itertools import groupby
from typing import Any

import typer
from typer.core import TyperGroup

WIDE = 80  # columns from which on panels hold every name


def fit(app: typer.Typer) -> None:
    """Make the help pages of an app fit the terminal."""
    app.rich_markup_mode = "rich" if shutil.get_terminal_size().columns >= WIDE else None


class Group(TyperGroup):
    """A group of commands, each with the whole first sentence of its help."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        commands = filter(None, (self.get_command(ctx, name) for name in self.list_commands(ctx)))
        for panel, found in groupby(commands, lambda command: getattr(command, "rich_help_panel", None)):
            with formatter.section(panel if isinstance(panel, str) else "Commands"):
                formatter.write_dl([(command.name, _first_paragraph(command.help)) for command in found])


def _first_paragraph(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())
