"""One line of JSON on standard error for each request and each event of the server."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

_logger = logging.getLogger("zoo.demo")


def configure() -> None:
    """Send the log to standard error, once; a program that has configured logging of its own keeps it."""
    if not _logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        _logger.addHandler(handler)
        _logger.setLevel(logging.INFO)
        _logger.propagate = False


def event(name: str, **facts: Any) -> None:
    """Log an event with its facts; numbers are rounded, and text is cut, since callers choose some of it."""
    tidy = {key: _tidy(value) for key, value in facts.items() if value is not None}
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "Z"
    _logger.info(json.dumps({"time": stamp, "event": name, **tidy}, default=str))


def exception(name: str, **facts: Any) -> None:
    """Log what should not have happened, with its traceback as one field."""
    import traceback

    _logger.error(json.dumps({"event": name, **facts, "traceback": traceback.format_exc()}, default=str))


def _tidy(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    return value[:200] if isinstance(value, str) else value
