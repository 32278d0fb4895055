"""Tables for a terminal: cells are shown literally and wrapped between words; no word is cut or folded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .text import plain

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table
    from rich.text import Text

GAP = 2  # between columns
INDENT = 2  # of a text below its name


class Columns:
    """Rows under titles. A line too narrow for every column's longest word leaves columns out, and says which.

    Args:
        right: titles of the columns that are aligned to the right.
        first: titles of the columns that a narrow line keeps longest, in this order; the others follow as they stand.
        whole: leave a column out rather than wrap its cells.
    """

    def __init__(
        self,
        *titles: str,
        right: Iterable[str] = (),
        title: str | None = None,
        head: str = "bold",
        first: Sequence[str] = (),
        whole: bool = False,
    ):
        self._title, self._whole = title, whole
        self._head = [plain(name, style=head) for name in titles]
        self._right = [name in right for name in titles]
        rank = {name: place for place, name in enumerate(first)}
        self._ranked = sorted(range(len(titles)), key=lambda i: rank.get(titles[i], len(rank)))
        self._rows: list[tuple[Text, ...]] = []

    def add_row(self, *cells: Text) -> None:
        self._rows.append(cells)

    def widths(self, line: int) -> dict[int, int]:
        """Return the widths of the columns that a line holds, by their places from left to right."""
        texts = list(zip(self._head, *self._rows, strict=True))
        wants = [max(cell.cell_len for cell in column) for column in texts]
        needs = wants if self._whole else [max(map(_longest_word, column)) for column in texts]
        kept = columns_that_fit(needs, self._ranked, line)
        return dict(zip(kept, _shared([needs[i] for i in kept], [wants[i] for i in kept], line), strict=True))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._title:
            yield plain(self._title, style="italic")
        kept = self.widths(options.max_width)
        rows = [[row[i] for i in kept] for row in (self._head, *self._rows)]
        yield _grid(rows, list(kept.values()), [self._right[i] for i in kept])
        if missing := [title.plain for i, title in enumerate(self._head) if i not in kept]:
            yield from wrapped(
                plain(f"a wider terminal shows also: {', '.join(missing)}", style="dim"), options.max_width
            )


class Pairs:
    """A name and a text a row, without a head: side by side, or below each other where words are long."""

    def __init__(self, rows: Iterable[tuple[str, str]], key_style: str):
        self._rows = [(plain(key, style=key_style), plain(value)) for key, value in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = max((name.cell_len for name, _ in self._rows), default=0)
        words = max((_longest_word(value) for _, value in self._rows), default=0)
        beside = options.max_width - names - GAP
        if words <= beside:
            yield _grid(self._rows, [names, beside], [False, False])
            return
        for name, value in self._rows:
            if name.plain:
                yield name
            for line in wrapped(value, options.max_width - INDENT):
                line.pad_left(INDENT)
                yield line


class Paragraph:
    """A text broken at blanks only."""

    def __init__(self, text: Text):
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._text.split("\n", allow_blank=True):
            yield from wrapped(line, options.max_width)


def columns(*titles: str, **options) -> Columns:
    """Return an empty table; see `Columns`."""
    return Columns(*titles, **options)


def pairs(rows: Iterable[tuple[str, str]], key_style: str = "dim") -> Pairs:
    """Return a table of a name and a text each, without a head."""
    return Pairs(rows, key_style)


def columns_that_fit(widths: Sequence[int], ranked: Iterable[int], line: int) -> list[int]:
    """Return the columns that a line holds, from left to right: the most important ones, always the first of them."""
    kept: list[int] = []
    used = -GAP
    for column in ranked:
        used += GAP + widths[column]
        if kept and used > line:
            break
        kept.append(column)
    return sorted(kept)


def wrapped(text: Text, width: int) -> list[Text]:
    """Return the lines of a text, broken at blanks only: a longer word, which rich would fold or cut, stays whole."""
    from rich.cells import cell_len

    breaks, begun = [], 0
    for word in re.finditer(r"\S+\s*", text.plain):
        if cell_len(text.plain[begun : word.end()].rstrip()) > width and word.start() > begun:
            breaks.append(begun := word.start())
    lines = list(text.divide(breaks))
    for line in lines:
        line.rstrip()
    return lines


def _shared(needs: list[int], wants: list[int], line: int) -> list[int]:
    """Return widths that a line holds, none above what is wanted: the widest columns give way first."""

    def at(level: int) -> list[int]:
        return [max(need, min(want, level)) for need, want in zip(needs, wants, strict=True)]

    spare = line - GAP * (len(needs) - 1)
    return next((widths for level in range(max(wants), 0, -1) if sum(widths := at(level)) <= spare), needs)


def _grid(rows: Iterable[Sequence[Text]], widths: list[int], right: list[bool]) -> Table:
    """Return rows in columns of these widths, whatever the width of the terminal is."""
    from rich.table import Table

    grid = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
    grid.width = sum(widths) + GAP * (len(widths) - 1)
    for width, is_right in zip(widths, right, strict=True):
        grid.add_column(width=width, justify="right" if is_right else "left")
    for row in rows:
        grid.add_row(*row)
    return grid


def _longest_word(text: Text) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, text.plain.split()), default=0)
