"""Ending a run from outside without losing anything."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from zoo.errors import ZooError

TIME_IS_UP = 14  # SIGALRM, which not every system has


class RunStoppedError(ZooError):
    """The run was told to stop, and has saved."""

    def __init__(self, number: int, message: str):
        super().__init__(message)
        self.exit_status = 128 + number


@contextmanager
def stop_signals(minutes: float | None = None) -> Iterator[Callable[[], int]]:
    """SIGINT and SIGTERM, once received, are what the function returns; a second one ends the process at once.

    Args:
        minutes: after which it returns SIGALRM's number, as if that had come.
    """
    received: list[int] = []
    end = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def handle(number: int, _) -> None:
        if received:
            os._exit(128 + number)
        received.append(number)

    handlers = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: received[0] if received else TIME_IS_UP if time.monotonic() > end else 0
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
