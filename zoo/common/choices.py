"""What an error says of a word that is none of those known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from .text import cut, visible


def hint(word: str, known: Iterable[str], lead: str = "there are") -> str:
    """Return "did you mean X?" for the nearest known word, else all of them after `lead`."""
    words = list(known)
    close = difflib.get_close_matches(word[:200].lower(), words, n=1)
    return f"did you mean {close[0]}?" if close else f"{lead} {', '.join(words)}"


def unknown(kind: str, word: object, known: Iterable[str]) -> str:
    """Return 'no metric is called "fdi"; did you mean fid?'."""
    word = str(word)
    return f'no {kind} is called "{cut(visible(word), 60)}"; {hint(word, known)}'
