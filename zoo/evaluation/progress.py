"""Bars on standard error while images are made and measured, or a function that is told instead."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from ..common import ranks as distributed

Tell = Callable[[str, int, int], None]


class Progress(AbstractContextManager):
    """Bars with images done, rate and time left; none on ranks other than 0, or where they are not wanted.

    Args:
        wanted: whether to show bars; or a function of (title, done, total), called after each batch, which may raise to
            end the evaluation.
    """

    def __init__(self, wanted: bool | Tell):
        self._bar, self._tell = None, wanted if callable(wanted) else None
        if wanted and not self._tell and distributed.rank() == 0:
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
        if self._tell:
            return _told(self._tell, title, total)
        bar = self._bar
        if bar is None:
            return lambda count: None
        task = bar.add_task(title, total=total)
        return lambda count: bar.advance(task, count)

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.stop()


def _told(tell: Tell, title: str, total: int) -> Callable[[int], None]:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        tell(title, min(done, total), total)

    return advance
