"""Show progress on standard error: bars in a terminal; elsewhere a line every ten seconds."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import ProgressColumn

ProgressCallback = Callable[[str, int, int], None]
EVERY = 10.0  # seconds between lines


def bars(*columns: ProgressColumn | str, shown: bool = True, stays: bool = False) -> Bars:
    """Return bars on standard error, to be started by `with` or `start()`; they vanish at the end unless `stays`."""
    from rich.console import Console
    from rich.progress import Progress as Bars

    return Bars(*columns, console=Console(stderr=True), transient=not stays, disable=not shown)


@contextmanager
def transfer(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a function of (bytes received, bytes in all, if known); on a terminal it shows a bar."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with bars(*columns, TransferSpeedColumn(), TimeRemainingColumn(), shown=sys.stderr.isatty()) as bar:
        task = bar.add_task(title, total=None)
        yield lambda received, total: bar.update(task, completed=received, total=total)


class Lines:
    """A line every ten seconds: the stage, its share and the time left. Work that is done sooner says nothing.

    Args:
        clock: seconds; `write` takes a line.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, write: Callable[[str], object] | None = None):
        self._clock, self._write = clock, write or (lambda line: print(line, file=sys.stderr, flush=True))
        self._last = clock()
        self._title, self._since, self._before = "", self._last, 0.0
        self._lock = threading.Lock()

    def __call__(self, title: str, done: float, total: float, text: str = "") -> None:
        """Report a stage; `text` stands for the counts, where they are no numbers of things."""
        with self._lock:
            now = self._clock()
            if title != self._title:  # a stage begins with its first batch, which was made since the last one ended
                self._title, self._since, self._before = title, now, done
            if now - self._last < EVERY:
                return
            self._last = now
            made, taken = done - self._before, now - self._since
            left = f", {_duration(taken * (total - done) / made)} left" if made > 0 and done < total else ""
            text = text or f"{done:,} of {total:,}"
            self._write(f"{title}: {text} ({done / (total or 1):.0%}){left}")


def _duration(seconds: float) -> str:
    """Return a time in the largest unit that fits: "40 s", "3 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Progress(AbstractContextManager):
    """One bar per task if wanted, else nothing. Where standard error is no terminal, lines stand in for the bars.

    Args:
        wanted: whether to show progress; or a function of (title, done, total), called after each batch, which may
            raise to end the task.
    """

    def __init__(self, wanted: bool | ProgressCallback):
        self._bars, self._callback = None, wanted if callable(wanted) else None
        if wanted and not self._callback and not sys.stderr.isatty():
            self._callback = Lines()
        if wanted and not self._callback:
            from rich import progress as p
            from rich.text import Text

            class Count(p.MofNCompleteColumn):
                def render(self, task: p.Task) -> Text:
                    return super().render(task) if task.fields["unit"] else Text("")

            class Rate(p.ProgressColumn):
                def render(self, task: p.Task) -> str:
                    speed, unit = task.finished_speed or task.speed, task.fields["unit"]
                    return "" if speed is None or not unit else f"{speed:,.1f} {unit}/s"

            title = p.TextColumn("{task.description}", markup=False)
            self._bars = bars(title, p.BarColumn(), Count(), Rate(), p.TimeRemainingColumn())
            self._bars.start()

    def task(self, title: str, total: int, unit: str = "images") -> Callable[..., None]:
        """Return a function that advances the bar by a count.

        `made=False` marks what existed already, so that it does not count towards the rate.
        """
        if self._callback:
            return _advance_callback(self._callback, title, total)
        if self._bars is None:
            return lambda count, made=True: None
        shown, task = self._bars, self._bars.add_task(title, total=total, unit=unit)

        def advance(count: int, made: bool = True) -> None:
            if made:
                shown.advance(task, count)
            elif count:
                shown.reset(task, total=total, completed=int(shown.tasks[0].completed) + count)

        return advance

    def task_of_unknown_length(self, title: str) -> Callable[..., None]:
        """Return a function of (count, total, made=True), as that of `task`, which begins with its first call."""
        begun: list[Callable[..., None]] = []

        def advance(count: int, total: int, made: bool = True) -> None:
            if not begun:
                begun.append(self.task(title, total))
            begun[0](count, made)

        return advance

    @contextmanager
    def steps(self, title: str, costs: Mapping[str, float]) -> Iterator[Callable[[], None]]:
        """Yield a function to call at the end of each step, of work that does not say how far it is.

        Args:
            costs: of the steps by name, in order and in any unit.
        """
        names, shares, done = list(costs), list(costs.values()), 0
        bar = None if self._bars is None else self._bars.add_task(title, total=sum(shares), unit="")

        def tell() -> None:
            step = f"{names[min(done, len(names) - 1)]}, {min(done + 1, len(names))} of {len(names)}"
            if isinstance(self._callback, Lines):
                self._callback(title, sum(shares[:done]), sum(shares), step)
            elif self._callback:
                self._callback(title, done, len(names))
            elif self._bars is not None and bar is not None:
                self._bars.update(bar, completed=sum(shares[:done]), description=f"{title}: {step}")

        def end_step() -> None:
            nonlocal done
            done += 1
            tell()

        tell()
        with _repeating(tell) if isinstance(self._callback, Lines) else nullcontext():
            yield end_step

    def __exit__(self, *_) -> None:
        if self._bars is not None:
            self._bars.stop()


@contextmanager
def _repeating(tell: Callable[[], None]) -> Iterator[None]:
    """Call a function every ten seconds inside, on another thread."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(EVERY):
            tell()

    thread = threading.Thread(target=repeat, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _advance_callback(callback: ProgressCallback, title: str, total: int) -> Callable[..., None]:
    done = 0

    def advance(count: int, made: bool = True) -> None:
        nonlocal done
        done += count
        callback(title, min(done, total), total)

    return advance
