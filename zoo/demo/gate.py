"""The gate of the application: it passes small requests of plain values to the addresses of the demo.

It comes first, so that no header, address or body that Gradio cannot handle reaches it; any other error inside becomes
one line in the log and one line for the caller.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from . import calls, logs, routes
from .calls import MAX_BODY, Calls, Refused
from .connections import REQUEST_SECONDS, Connections
from .sessions import Sessions
from .store import Store

_LONGEST_PATH, _LONGEST_QUERY = 2048, 8192
_DRAINED = 16 * 1024 * 1024  # bytes read of a body that is too large, so that its sender sees the answer
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_ORIGIN = re.compile(rf"null|[a-z][a-z0-9+.-]{{1,30}}://{_HOST.pattern}")
_HANDED_ON = ("join", "call", "cancel", "reset")  # kinds whose bodies are read
# Gradio sends ranges on unchecked, and builds addresses from its own header; both are left out.
_LEFT_OUT = (b"range", b"if-range", b"x-gradio-server", b"content-length", b"transfer-encoding", b"content-type")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Gate:
    """ASGI application around Gradio's: refuses what no user of the demo sends, before anything else reads it."""

    def __init__(
        self, app: Any, blocks: Any, store: Store, sessions: Sessions, connections: Connections, root_path: str = ""
    ):
        self.app, self._blocks, self._store = app, blocks, store
        self._sessions, self._connections = sessions, connections
        self._calls = Calls(blocks)
        self._root = urlsplit(root_path).path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            if scope["type"] != "http":
                raise Refused(404, "the demo does not have this")
            with self._connections.request(scope) as room:
                if not room:
                    raise Refused(429, "too many requests of this address are open; try again in a moment")
                await self._pass(scope, receive, answer)
            if answer.failed:
                raise RuntimeError(f"the application answered {answer.failed}")
        except Refused as refused:
            await answer.refuse(refused.status, str(refused))
        except Exception as error:
            if not _is_end_of_stream(error) or not answer.started:
                reference = secrets.token_hex(4)
                logs.failure("internal error", error, reference=reference, method=scope["method"], path=scope["path"])
                await answer.refuse(500, f"something went wrong here; the server's log has it under {reference}")

    async def _pass(self, asked: Scope, receive: Receive, answer: _Answer) -> None:
        path = asked["path"]
        if len(path) > _LONGEST_PATH or len(asked["query_string"]) > _LONGEST_QUERY:
            raise Refused(414, "the address is too long")
        if self._root and (path + "/").startswith(self._root + "/"):
            path = path[len(self._root) :] or "/"
        matches = routes.find(path)
        if not matches or not path.isprintable():
            raise Refused(404, "the demo does not have this")
        headers = _checked_headers(asked)
        match = next((m for m in matches if asked["method"] in m.route.methods), None)
        if match is None:
            if asked["method"] != "OPTIONS" or not _is_preflight(headers):
                raise Refused(405, "the demo does not have this method here")
            match = matches[0]
        scope = {**asked, "path": path, "raw_path": quote(path).encode(), "headers": headers}
        scope["query_string"] = _query(asked["query_string"], match.route)
        if asked["method"] != "OPTIONS" and match.route.kind in _HANDED_ON:
            media = dict(asked["headers"]).get(b"content-type", b"").split(b";")[0].strip().lower()
            if media != b"application/json":
                raise Refused(415, "send JSON, with content-type: application/json")
            await self._call(scope, receive, answer, match)
        else:
            await self._get(scope, receive, answer, match)

    async def _get(self, scope: Scope, receive: Receive, answer: _Answer, match: routes.Match) -> None:
        kind, parts = match.route.kind, match.parts
        if kind == "file":
            with self._store.reading(parts["path"]) as known:
                if not known:
                    raise Refused(404, "there is no such file, or it is gone; ask for the result again")
                await self.app(scope, receive, answer.send)
            return
        if kind not in ("data", "result") or scope["method"] == "OPTIONS":
            if kind == "startup" and self._blocks.app.startup_events_triggered:
                raise Refused(404, "the demo does not have this")
            await self.app(scope, receive, answer.send)
            return
        session = self._session(scope, match)
        if session is None:  # Gradio would break the connection
            raise Refused(404, "there is no such call, or its result has been fetched")
        with self._sessions.listening(session):
            await self.app(scope, receive, answer.send)

    async def _call(self, scope: Scope, receive: Receive, answer: _Answer, match: routes.Match) -> None:
        kind, parts, body = match.route.kind, match.parts, await _read(receive)
        if kind == "join":
            about = self._calls.join(body)
        elif kind == "call":
            about = self._calls.named(parts["name"], body, by_parameter=parts["v2"] is not None)
            scope["path"] = f"{routes.API}/call/{parts['name']}"  # one of Gradio's two kinds of call is enough
            scope["raw_path"] = scope["path"].encode()
        else:
            about = calls.cancelled(body) if kind == "cancel" else calls.reset(body)
        made = json.dumps(about).encode()
        length = (b"content-length", str(len(made)).encode())
        scope["headers"] = [*scope["headers"], (b"content-type", b"application/json"), length]
        await self.app(scope, _replay(made, receive), answer.send)

    def _session(self, scope: Scope, match: routes.Match) -> str | None:
        """Return the session whose results are requested; None if it has no results."""
        if match.route.kind == "result":
            return self._sessions.session_of(match.parts["event"])
        session = dict(parse_qsl(scope["query_string"].decode())).get("session_hash", "")
        return session if self._sessions.has(session) else None


class _Answer:
    """The response and whether it has begun; the application's own error responses are held back.

    Attributes:
        failed: the status of an error response, else 0. 503 is not one: a full queue or a silent device.
    """

    def __init__(self, send: Send):
        self._send = send
        self.started, self.failed = False, 0

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            if message["status"] >= 500 and message["status"] != 503:
                self.failed = message["status"]
            self.started = not self.failed
        if not self.failed:
            await self._send(message)

    async def refuse(self, status: int, message: str) -> None:
        """Send an error in the form that gradio_client shows to its user; nothing if a response has begun."""
        if self.started:
            return
        detail = [{"__type__": "validate", "is_valid": False, "parameter_name": "request", "message": message}]
        content = json.dumps({"error": message, "detail": detail}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),  # the rest of the request is not read
        ]
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": content})


def _checked_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return the headers to pass on."""
    headers = scope["headers"]
    values = {key: value.decode("latin-1") for key, value in headers}
    forwarded = values.get(b"x-forwarded-host", "").split(",")[0].strip()
    for name, host in ((b"host", values.get(b"host", "")), (b"x-forwarded-host", forwarded)):
        if host and not _HOST.fullmatch(host):
            raise Refused(400, f"the {name.decode()} header is no host's name")
    if b"origin" in values and not _ORIGIN.fullmatch(values[b"origin"]):
        raise Refused(400, "the origin header is not an origin")
    kept = [(key, value) for key, value in headers if key not in _LEFT_OUT and (key != b"host" or value)]
    if not values.get(b"host"):  # HTTP/1.0
        host, port = scope.get("server") or ("localhost", None)
        kept.append((b"host", f"[{host}]:{port}".encode() if ":" in host else f"{host}:{port}".encode()))
    return kept


def _is_preflight(headers: list[tuple[bytes, bytes]]) -> bool:
    """True if a browser asks on behalf of another site's page."""
    return {b"origin", b"access-control-request-method"} <= {key for key, _ in headers}


def _query(query: bytes, route: routes.Route) -> bytes:
    """Return the query without the keys that have other meanings to Gradio."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    if any("\ud800" <= character <= "\udfff" for pair in pairs for word in pair for character in word):
        raise Refused(400, "the address has half a character in it")
    return urlencode([(key, value) for key, value in pairs if route.query is None or key in route.query]).encode()


def _is_end_of_stream(error: BaseException) -> bool:
    """True if the error only means that the listener has gone, or that the stream has ended."""
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect

    group = getattr(error, "exceptions", None)  # of an exception group, which Python 3.10 has no name for
    if isinstance(group, tuple):
        return all(_is_end_of_stream(one) for one in group)
    inner = error.__cause__ or error
    return isinstance(inner, (HTTPException, ClientDisconnect, ConnectionError, asyncio.CancelledError))


async def _read(receive: Receive) -> bytes:
    """Read the complete body; one that is too large is not kept.

    Raises:
        Refused: it is too large, or does not come in time.
    """
    parts, size, more = [], 0, True
    end = asyncio.get_running_loop().time() + REQUEST_SECONDS
    while more:
        left = end - asyncio.get_running_loop().time()
        try:
            message = await asyncio.wait_for(receive(), max(left, 0.001))
        except asyncio.TimeoutError:
            raise Refused(408, "the request did not arrive completely in time") from None
        if message["type"] == "http.disconnect":
            raise Refused(400, "the request ended early")
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
        if size <= MAX_BODY:
            parts.append(message.get("body", b""))
        elif size > _DRAINED:
            break
    if size > MAX_BODY:
        raise Refused(422, f"the request is larger than {MAX_BODY // 1024} kB; send plain values")
    return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> dict[str, Any]:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
