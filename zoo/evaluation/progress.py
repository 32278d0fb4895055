"""Bars on standard error while images are made and measured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from . import distributed


class Progress(AbstractContextManager):
    """Bars with images done, rate and time left; none on ranks other than 0, or where they are not wanted."""

    def __init__(self, wanted: bool):
        self._bar = None
        if wanted and distributed.rank() == 0:
            from rich import progress as p
            from rich.console import Console

            columns = (
                p.TextColumn("{task.description}"),
                p.BarColumn(),
                p.MofNCompleteColumn(),
                p.TimeRemainingColumn(),
            )
            self._bar = p.Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()

    def task(self, title: str, total: int) -> Callable[[int], None]:
        """A bar; what is returned advances it."""
        if self._bar is None:
            return lambda count: None
        task = self._bar.add_task(title, total=total)
        return lambda count: self._bar.advance(task, count)

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.stop()
