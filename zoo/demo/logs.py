"""One line on standard error for each request and each event of the server: JSON, or words on a terminal.

Callers' text is cut, and control characters are escaped, so that callers cannot add lines of their own.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..common.text import visible

_logger = logging.getLogger("zoo.demo")
_LONGEST, _MOST = 200, 20  # characters of a text, items of a list
_LONGEST_ERROR, _FRAMES = 500, 8


def configure() -> None:
    """Send the log to standard error, once; a program's own logging configuration is kept."""
    if not _logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Words() if sys.stderr.isatty() else logging.Formatter("%(message)s"))
        _logger.addHandler(handler)
        _logger.setLevel(logging.INFO)
        _logger.propagate = False


class _Words(logging.Formatter):
    """Tells a person what a line of JSON says."""

    def format(self, record: logging.LogRecord) -> str:
        facts = json.loads(record.getMessage())
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        said = ", ".join(f"{key} {value}" for key, value in facts.items() if key not in ("time", "event"))
        return visible(f"{clock}  {facts['event']}" + (f": {said}" if said else ""))


def event(name: str, **facts: Any) -> None:
    """Log an event with its facts; numbers are rounded, and text is cut, since callers choose some of it."""
    _write(logging.INFO, name, {key: _tidy(value) for key, value in facts.items() if value is not None})


def failure(name: str, error: BaseException, **facts: Any) -> None:
    """Log an unexpected error, and where it was raised, innermost first."""
    tidy = {key: _tidy(value) for key, value in facts.items() if value is not None}
    _write(logging.ERROR, name, tidy | {"error": message(error), "where": where(error)})


def message(error: BaseException) -> str:
    """Return the type and text of an error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_ERROR]


def where(error: BaseException) -> list[str]:
    """Return the innermost frames of an error: "store.py:83 in keep"."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in reversed(frames)]


class Handler(logging.Handler):
    """Logs the records of libraries as events."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            event("logged", logger=record.name, text=record.getMessage())
        else:
            failure("logged", error, logger=record.name, text=record.getMessage())


def _write(level: int, name: str, facts: Mapping[str, Any]) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "Z"
    _logger.log(level, json.dumps({"time": stamp, "event": name, **facts}, default=lambda value: _tidy(repr(value))))


def _tidy(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, (list, tuple)):
        return [_tidy(item) for item in value[:_MOST]]
    return value
