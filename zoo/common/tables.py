"""Tables for a terminal: cells are shown literally, and folded where it is too narrow; nothing is cut."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .text import plain

if TYPE_CHECKING:
    from rich.table import Table


def columns(*titles: str, right: Iterable[str] = (), title: str | None = None, head: str = "bold") -> Table:
    """Return an empty table; the columns whose titles are in `right` are aligned to the right."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style=head)
    for name in titles:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def pairs(rows: Iterable[tuple[str, str]], key_style: str = "dim") -> Table:
    """Return a table of a name and a text each, without a head."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for _ in range(2):
        table.add_column(overflow="fold")
    for key, value in rows:
        table.add_row(plain(key, style=key_style), plain(value))
    return table
