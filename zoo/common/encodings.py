"""Write to streams whose encoding lacks a character, such as ASCII's: signs have a plain form, others are escaped."""

from __future__ import annotations

import codecs
import io
import sys

from .text import escaped

_PLAIN = {"±": "+-", "–": "-", "…": "...", "×": "x", "→": "->"}
_HANDLER = "zoo.plain"


def forgive() -> None:
    """Let standard output and standard error take every character."""
    codecs.register_error(_HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character) or escaped(character) for character in lost), error.end
