"""The results that Gradio's queue keeps for waiting sessions; Gradio alone never forgets a session that is gone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Sessions:
    """The sessions of a queue; used on the server's event loop alone.

    Args:
        queue: Gradio's.
    """

    def __init__(self, queue: Any):
        self._queue = queue
        self._listeners: Counter[str] = Counter()
        self._left: dict[str, float] = {}  # the time since which a session has neither work nor listeners

    def has(self, session: str) -> bool:
        return session in self._queue.pending_messages_per_session

    def session_of(self, event: str) -> str | None:
        """Return the session of an event whose result has not been fetched."""
        known = self._queue.event_ids_to_events.get(event)
        if known is not None:
            return known.session_hash
        pending = self._queue.pending_event_ids_session.items()
        return next((session for session, events in pending if event in events), None)

    @contextmanager
    def listening(self, session: str) -> Iterator[None]:
        """Inside, the session has a listener; results that it received completely are forgotten."""
        self._listeners[session] += 1
        try:
            yield
        finally:
            self._listeners[session] -= 1
            if not self._listeners[session]:
                del self._listeners[session]
                if not self._queue.pending_event_ids_session.get(session) and session not in self._working():
                    self._forget(session)

    def forget_left(self, seconds: float) -> None:
        """Forget results without a listener that earlier calls saw finished at least `seconds` ago."""
        now, working = time.monotonic(), self._working()
        for session in {*self._queue.pending_messages_per_session, *self._queue.pending_event_ids_session}:
            if session in self._listeners or session in working:
                self._left.pop(session, None)
            elif now - self._left.setdefault(session, now) > seconds:
                self._forget(session)

    def _working(self) -> set[str]:
        """Return the sessions with waiting or running calls, cancelled ones included until they end."""
        return {event.session_hash for event in self._queue.event_ids_to_events.values()}

    def _forget(self, session: str) -> None:
        self._queue.pending_event_ids_session.pop(session, None)
        self._queue.pending_messages_per_session.pop(session, None)
        self._left.pop(session, None)
