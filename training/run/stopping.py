"""Ending a run from outside without losing anything."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from zoo.common import signals
from zoo.common.errors import ZooError

TIME_IS_UP = 14  # SIGALRM, which not every system has


class RunStoppedError(ZooError):
    """The run was told to stop, and has saved."""

    def __init__(self, number: int, message: str):
        super().__init__(message)
        self.exit_status = 128 + number


@contextmanager
def stop_signals(minutes: float | None = None) -> Iterator[Callable[[], int]]:
    """Yield a function that returns the SIGINT, SIGTERM or SIGHUP received, else 0; a second one ends the process.

    A signal that was ignored when the process began stays ignored: `nohup zoo train` survives a closed terminal.

    Args:
        minutes: minutes after which the function returns SIGALRM's number.
    """
    received: list[int] = []
    end = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def handle(number: int, _) -> None:
        signals.leave_dead_terminal()
        if received:
            signals.end_now(number)
        received.append(number)

    with signals.handled(handle):
        yield lambda: received[0] if received else TIME_IS_UP if time.monotonic() > end else 0
