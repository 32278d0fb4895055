"""Connections with limits: an idle one is closed, and no address takes them all.

uvicorn waits without limit for the rest of a request and for a reader. Here a request has to be complete some seconds
after it could begin, a response has to be read at a minimum speed, and connections are counted, by address and in
total. At the limit of an address, its oldest connection is closed for the new one; at the total limit, the oldest one
of the address with the most. Those that wait for a request are closed before others.

Behind a trusted proxy all connections come from one address; there, requests are counted by the address that the
proxy names.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from . import logs

REQUEST_SECONDS = 8.0  # for the head of a request, and again for its body
RESPONSE_SECONDS = 20.0  # for a reader to take the next _PROGRESS bytes
_PROGRESS = 16 * 1024
_LOOK = 1.0  # seconds between two checks of a connection
_RESERVE = 32  # descriptors for pipes, weights, data and what else the server opens
_KERNEL_BACKLOG = 1024
_SCOPE = "zoo.connection"
_FULL = "too many connections are open; close some, or try again in a moment"


def descriptors() -> int:
    """Return how many files and connections this process may have open."""
    try:
        import resource
    except ImportError:  # Windows
        return 1024
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 65536 if soft == resource.RLIM_INFINITY else min(soft, 65536)


def opened() -> int:
    """Return how many this process has open, if the system reports it."""
    for folder in (Path("/proc/self/fd"), Path("/dev/fd")):
        if folder.is_dir():
            return sum(1 for _ in folder.iterdir())
    return 64


class Connections:
    """The open connections of a server; used on its event loop alone.

    Each may read a file while it is served, and as many as the backlog are accepted before the first is looked at, so
    that of the descriptors that are free a fifth are for the backlog and half of the rest for connections.

    Args:
        each: connections, or requests that a proxy forwards, per address; at most half of all.
        free: descriptors that may be used.

    Attributes:
        total: connections in all.
        backlog: connections that are accepted at a time.
    """

    def __init__(self, each: int, free: int | None = None):
        free = descriptors() - opened() - _RESERVE if free is None else free
        self.backlog = max(8, min(128, free // 5))
        self.total = max(2, (free - self.backlog) // 2)
        self.each = max(1, min(each, self.total // 2))
        self._open: dict[Connection, str] = {}  # oldest first
        self._used: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def used(self, address: str) -> int:
        """Return the number of connections and forwarded requests of an address."""
        return self._used[network_of(address)]

    def enter(self, connection: Connection, address: str) -> bool:
        """Count a new connection; returns False if there is no room and none can be closed for it."""
        place = network_of(address)
        if self._used[place] >= self.each and not self._end_one(place):
            return False
        if len(self._open) >= self.total and not self._make_room(place):
            return False
        self._open[connection] = place
        self._used[place] += 1
        return True

    def leave(self, connection: Connection) -> None:
        self._release(self._open.pop(connection, ""))

    @contextmanager
    def request(self, scope: MutableMapping[str, Any]) -> Iterator[bool]:
        """Count a request while it is answered; yields True if there is room for it.

        A connection whose request names another client is a proxy's, and is no longer counted for the proxy's address.
        """
        connection, client = scope.get(_SCOPE), (scope.get("client") or ("",))[0]
        if connection is None or connection not in self._open or client == connection.address:
            yield True
            return
        self._release(self._open[connection])
        self._open[connection] = ""
        place = network_of(client)
        if self._used[place] >= self.each:
            yield False
            return
        self._used[place] += 1
        try:
            yield True
        finally:
            self._release(place)

    def _release(self, place: str) -> None:
        if place:
            self._used[place] -= 1
            if self._used[place] <= 0:
                del self._used[place]

    def _end_one(self, place: str) -> bool:
        """End a connection of an address: the one that has waited longest for a request, else the oldest."""
        its = [connection for connection, where in self._open.items() if where == place]
        if its:
            self._end(next((connection for connection in its if connection.waiting), its[0]))
        return bool(its)

    def _make_room(self, place: str) -> bool:
        """End a connection of an address that has more than this one would have, one that waits for a request if any.

        So a few addresses cannot take all connections, and an address with few loses none.
        """
        held = Counter(its for its in self._open.values() if its)
        more = [connection for connection, its in self._open.items() if held[its] > held[place] + 1]
        waiting = [connection for connection in more if connection.waiting]
        victims = waiting or more or [connection for connection in self._open if connection.waiting]
        if victims:
            self._end(max(victims, key=lambda connection: held[self._open[connection]]))
        return bool(victims)

    def _end(self, connection: Connection) -> None:
        connection.transport.abort()
        self.leave(connection)


def network_of(address: str) -> str:
    """Return the address itself, or the /64 network of an IPv6 address, since every host has many of these."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(known, ipaddress.IPv4Address):
        return str(known)
    return str(known.ipv4_mapped or ipaddress.ip_network((known, 64), strict=False))


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 with time limits.

    Attributes:
        address: of the other side.
    """

    def __init__(self, connections: Connections, **options: Any):
        super().__init__(**options)
        application = self.app

        async def with_connection(scope, receive, send) -> None:
            cycle = self.cycle

            async def send_if_open(message) -> None:
                if self.transport.is_closing():  # after a 400 for the body, say; uvicorn knows of it a moment later
                    cycle.disconnected = True
                await send(message)

            await application({**scope, _SCOPE: self}, receive, send_if_open)

        self.app = with_connection
        self.address = ""
        self._among = connections
        self._timer: asyncio.TimerHandle | None = None
        self._awaited, self._since = (None, None), 0.0  # what the other side is to send, and since when
        self._unsent, self._unsent_since = 0, 0.0  # most bytes that it left since it last took some, and when that was

    @property
    def waiting(self) -> bool:
        """True while no complete request has arrived: the next one has not begun, or is incomplete and unanswered."""
        expected = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        return expected and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        if not self._among.enter(self, self.address):
            transport.write(_refusal())
            transport.close()
            return
        now = self.loop.time()
        self._awaited, self._since, self._unsent_since = self._state(), now, now
        self._timer = self.loop.call_later(_LOOK, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        self._among.leave(self)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        try:
            super().handle_events()
        except h11.LocalProtocolError:  # nonsense in the body of a request whose answer has begun
            self.transport.abort()

    def resume_writing(self) -> None:
        self._unsent_since = self.loop.time()
        super().resume_writing()

    def _state(self) -> tuple[Any, Any]:
        theirs = self.conn.their_state
        return (theirs, self.cycle) if theirs in (h11.IDLE, h11.SEND_BODY) else (None, None)

    def _look(self) -> None:
        now, state, unsent = self.loop.time(), self._state(), self.transport.get_write_buffer_size()
        if state != self._awaited:
            self._awaited, self._since = state, now
        if not unsent or unsent <= self._unsent - _PROGRESS:
            self._unsent, self._unsent_since = unsent, now
        self._unsent = max(self._unsent, unsent)
        slow_request = state[0] is not None and now - self._since > REQUEST_SECONDS
        if slow_request or now - self._unsent_since > RESPONSE_SECONDS:
            self.transport.abort()
            return
        self._timer = self.loop.call_later(_LOOK, self._look)


def queue_in_kernel(server: asyncio.Server) -> None:
    """Let more connections wait than asyncio accepts at a time; asyncio has one number for both.

    Clients retry a connection that the system refuses one second later.
    """
    for listening in server.sockets:
        with listening.dup() as again:
            again.listen(_KERNEL_BACKLOG)


def _refusal() -> bytes:
    body = json.dumps({"error": _FULL}).encode()
    head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\nRetry-After: 5"
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log errors that an event loop cannot raise to a caller, such as a lack of descriptors while accepting."""
    error, text = context.get("exception"), str(context.get("message"))
    if error is None:
        logs.event("event loop", text=text)
    else:
        logs.failure("event loop", error, text=text)
