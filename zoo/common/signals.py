"""Handle the signals that end a process: Ctrl-C, SIGTERM, and SIGHUP, which a closing terminal sends."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

try:
    import termios
except ImportError:  # Windows
    termios = None

GRACE = 1.5  # seconds for tidying up after a signal
Handler = Callable[[int, FrameType | None], Any]
_before_forced_end: list[Callable[[], None]] = []


class Interrupted(KeyboardInterrupt):
    """One of these signals was received; `number` is its number."""

    def __init__(self, number: int):
        super().__init__()
        self.number = number


def ending() -> list[int]:
    """Return the signals that end this process; a signal that was ignored at its start (`nohup`) stays ignored."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def handled(handle: Handler) -> Iterator[None]:
    """Call `handle` with the number of such a signal inside; has no effect outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.signal(number, handle) for number in ending()}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def stopping_on_sigterm() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP as Ctrl-C inside: the first signal raises Interrupted, later ones do nothing."""
    with handled(_Once()):
        yield


class _Once:
    def __init__(self):
        self.received: list[int] = []

    def __call__(self, number: int, _) -> None:
        leave_dead_terminal()
        if not self.received:
            self.received.append(number)
            raise Interrupted(number)


def leave_dead_terminal() -> None:
    """Detach from a terminal that has been closed, where every write would fail."""
    if termios is None:
        return
    for number in range(3):
        try:
            termios.tcgetattr(number)
        except termios.error as error:
            if error.args[0] == errno.EIO:
                null = os.open(os.devnull, os.O_RDWR)
                os.dup2(null, number)
                os.close(null)


def before_forced_end(tidy: Callable[[], None]) -> None:
    """Register a function that `end_now` calls."""
    _before_forced_end.append(tidy)


def end_now(number: int) -> NoReturn:
    """End this process without unwinding the stack; temporary files are removed."""
    try:
        for tidy in _before_forced_end:
            tidy()
    finally:
        os._exit(128 + number)


def run(main: Callable[[], None]) -> NoReturn:
    """Run a whole program, which such a signal ends within two seconds: exit status 128 + number, never a traceback.

    The signal raises Interrupted. A library may turn it into another error or lose it, and other threads may still
    wait; the process ends in any case when GRACE is over. Further signals do nothing.
    """
    program = _Program()
    try:
        program.begin()
        main()
        program.over = True
    except BaseException:
        program.over = True
        if not program.received:
            raise
    if not program.received:
        sys.exit(0)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # full, or closed
            stream.flush()
    end_now(program.received[0])  # the stack is unwound; the interpreter's own exit would wait for threads


class _Program(_Once):
    """The signal handler of a program; `over` means that its work is done and the interpreter may end."""

    over = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.over and not self.received:
            os._exit(128 + number)
        if not self.received and _is_importing(frame):
            end_now(number)  # nothing needs unwinding, and an exception inside PyTorch's initialisation aborts
        super().__call__(number, frame)

    def begin(self) -> None:
        _open_standard_streams()
        for number in ending():
            signal.signal(number, self)
        # After a signal, errors of destructors and other threads are not shown.
        sys.unraisablehook, threading.excepthook = map(self._until_received, (sys.unraisablehook, threading.excepthook))
        if os.name != "nt":
            self._watch()

    def _until_received(self, hook: Callable) -> Callable:
        return lambda about: None if self.received else hook(about)

    def _watch(self) -> None:
        """Watch the pipe to which Python writes signals at once, even while the main thread is in a library."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        watch = threading.Thread(target=self._see_to_the_end, args=(reader,), name="signals", daemon=True)
        with suppress(RuntimeError):  # no thread can start (ulimit -u), so there are none to wait for
            watch.start()
            signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def _see_to_the_end(self, reader: int) -> None:
        while True:
            number = os.read(reader, 1)[0]
            if signal.getsignal(number) is self:  # a training run has its own handler, which saves first
                time.sleep(GRACE)
                end_now(number)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


def _open_standard_streams() -> None:
    """Open closed standard streams, whose numbers (and output) would otherwise go to the next opened files."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115
