"""End a command that fails: one line on standard error, and an exit status."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from . import encodings
from .errors import ZooError
from .text import one_line

_MEMORY = re.compile(
    r"can(no|')t allocate memory|not enough memory|out of memory|bad_?alloc|failed to map segment|unable to mmap", re.I
)
_THREADS = re.compile(r"can't start new thread|Resource temporarily unavailable", re.I)
_OUT_OF_MEMORY = (
    "not enough memory{needed}; give a smaller --batch-size or fewer images, or allow more memory (ulimit -v)"
)
_ADVICE = {
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the limit of open files (ulimit -n)",
    errno.EAGAIN: "raise the limit of processes and threads (ulimit -u)",
    errno.ENOMEM: "give a smaller --batch-size, or allow more memory (ulimit -v)",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f), or give another place",
    errno.ENOSPC: "free some space, or give another place",
    errno.EDQUOT: "free some space, or give another place",
    errno.EACCES: "change its permissions, or give another place",
    **dict.fromkeys((errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP), "give another place"),
}
_LOOP = "Symlink loop from "  # as `Path.resolve` says it before Python 3.13


def run(command: Callable[[], None], program: str) -> None:
    """Run a command; exit with status 2 for a usage error, 1 for any other error."""
    encodings.forgive()
    try:
        _require_working_directory()
        try:
            command()
        finally:
            sys.stdout.flush()  # a failed write must show now, not when the interpreter ends
    except ZooError as error:
        sys.exit(_say(program, str(error), error.exit_status))
    except BrokenPipeError:  # `zoo list | head`
        _drop_stdout()
        sys.exit(1)
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        line = in_a_line(error)
        if line is None:
            raise
        sys.exit(_say(program, f"standard output: {line}" if _drop_stdout() else line))


def in_a_line(error: Exception) -> str | None:
    """Return an error of the system as a line with advice; None for an error of this program."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or _MEMORY.search(text):
        needed = re.search(r"(?:allocate|allocated:?) +(\d[\d.]*) ?(bytes|[KMG]iB)", text)
        return _OUT_OF_MEMORY.format(needed=f" ({needed[1]} {needed[2]} more were needed)" if needed else "")
    if _THREADS.search(text):
        return f"no thread can be started ({text}); raise the limit of processes and threads (ulimit -u)"
    if text.startswith(_LOOP):
        return f"{os.strerror(errno.ELOOP)}: {text.removeprefix(_LOOP)}; {_ADVICE[errno.ELOOP]}"
    if not isinstance(error, OSError):
        return None
    if "No usable temporary directory" in text:
        return f"{error.strerror}; set TMPDIR to a folder that can be written"
    line = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
    return f"{line}; {_ADVICE[error.errno]}" if error.errno in _ADVICE else line


def _say(program: str, message: str, status: int = 1) -> int:
    with suppress(OSError):  # if standard error is full, only the status can tell
        print(f"{program}: {one_line(message)}", file=sys.stderr, flush=True)
    return status


def _require_working_directory() -> None:
    try:
        Path.cwd()
    except OSError as error:  # PyTorch's libraries would abort without a reason
        raise ZooError(f"the working directory is gone or closed ({error.strerror}); cd to another one") from None


def _drop_stdout() -> bool:
    """Return True if standard output cannot be written; its buffer is dropped, or it would fail again at the end."""
    try:
        sys.stdout.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
        return True
    return False
