"""A bar on standard error while images are made: done, rate and time left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager


class Progress(AbstractContextManager):
    """A bar where it is wanted, nothing otherwise."""

    def __init__(self, wanted: bool):
        self._bar = None
        if wanted:
            from rich import progress as p
            from rich.console import Console

            class Rate(p.ProgressColumn):
                def render(self, task: p.Task) -> str:
                    speed = task.finished_speed or task.speed
                    return "" if speed is None else f"{speed:,.1f} images/s"

            columns = (
                p.TextColumn("{task.description}"),
                p.BarColumn(),
                p.MofNCompleteColumn(),
                Rate(),
                p.TimeRemainingColumn(),
            )
            self._bar = p.Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()

    def task(self, title: str, total: int) -> Callable[..., None]:
        """What is returned advances the bar by a count; `made=False`: by images that were there, which is no rate."""
        if self._bar is None:
            return lambda count, made=True: None
        bar, task = self._bar, self._bar.add_task(title, total=total)

        def advance(count: int, made: bool = True) -> None:
            if made:
                bar.advance(task, count)
            elif count:
                bar.reset(task, total=total, completed=int(bar.tasks[0].completed) + count)

        return advance

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.stop()
