"""The progress of a run: a live bar on a terminal, a line from time to time elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from zoo.common.progress import bars

_NARROW, _WIDE = 10, 40  # columns of the bar on terminals below 120 columns, and on others
_TIMES = 25  # columns of the times, the word between them, a slash and all gaps


class RunProgress:
    """Counts generator steps; shows losses, images per second and the time left. Silent unless `shown`."""

    def __init__(self, start: int, total: int, images_per_step: int, shown: bool):
        self.start, self.total, self.images_per_step, self.shown = start, total, images_per_step, shown
        self.started = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> RunProgress:
        if self.shown and sys.stderr.isatty():
            self._bar = bars(
                bar := BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[losses]}"),
                stays=True,
            )
            self._columns = bar.bar_width = _WIDE if self._bar.console.width >= 120 else _NARROW
            self._bar.start()
            self._task = self._bar.add_task("", completed=self.start, total=self.total, losses="", rate="")
        return self

    def __exit__(self, *exception) -> None:
        if self._bar:
            self._bar.stop()

    def rate(self, step: int) -> float:
        """Return generator steps per second since this start."""
        return (step - self.start) / max(time.monotonic() - self.started, 1e-9)

    def advance(self, step: int) -> None:
        if self._bar:
            self._bar.update(self._task, completed=step)

    def report(self, step: int, losses: dict[str, float]) -> None:
        """Show the losses after a step; called at every line of the log."""
        rate = self.rate(step)
        images = f"{rate * self.images_per_step:,.0f} images/s"
        text = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        if self._bar:
            taken = self._columns + 2 * len(f"{self.total}") + len(images) + _TIMES
            losses_shown = self._bar.console.width - taken
            text = text if len(text) <= losses_shown else _first(losses, losses_shown)
            self._bar.update(self._task, completed=step, losses=text, rate=images)
        elif self.shown:
            left = (self.total - step) / max(rate, 1e-9)
            self._print(f"step {step}/{self.total}  {rate:.2f} steps/s  {images}  {_duration(left)} left  {text}")

    def _print(self, line: str) -> None:
        """Print; a full log or a closed terminal does not end a run, since metrics.jsonl has everything."""
        try:
            print(line, flush=True)
        except OSError as error:
            self.shown = False
            with suppress(OSError):
                print(f"standard output: {error.strerror}; the run continues in silence", file=sys.stderr, flush=True)


def _first(losses: dict[str, float], width: int) -> str:
    """Return the first losses that fit: rich would cut the bar, the count and the time left for the sake of all."""
    text = ""
    for name, value in losses.items():
        longer = f"{text}  {name} {value:.3f}".strip()
        if len(longer) > width:
            break
        text = longer
    return text


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{hours:.1f} h" if hours >= 2 else f"{minutes:.0f} min" if minutes >= 2 else f"{seconds:.0f} s"
