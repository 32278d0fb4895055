"""What reaches the application: small requests of plain values, to the routes that the demo uses.

Gradio serves more than this demo needs (uploads, a proxy, server-side components) and moves any value that looks like a
file reference; none of that is reachable here.
"""

from __future__ import annotations

import inspect
import json
from typing import Any
from urllib.parse import parse_qs

MAX_BODY = 64 * 1024  # bytes; the longest honest request is a list of a few hundred class names
_MAX_ITEMS = 1000
_CLOSED = (
    "/upload",
    "/proxy=",
    "/file=http",
    "/stream/",
    "/process_recording",
    "/component_server",
    "/run-history",
    "/runs",
    "/deep_link",
    "/custom_component",
    "/vibe",
    "/undo-vibe",
)
_CALLS = ("/queue/join", "/call/", "/run/", "/api/")


class Gate:
    """ASGI middleware: refuses what no user of the demo sends, before anything else looks at it."""

    def __init__(self, app, blocks):
        self.app, self.blocks = app, blocks
        self.functions = {str(key): _signature(fn) for key, fn in blocks.fns.items()}
        self.functions |= {fn.api_name: _signature(fn) for fn in blocks.fns.values() if fn.api_visibility == "public"}

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].partition("/gradio_api")[2]
        if any(path.startswith(closed) for closed in _CLOSED) or "/monitoring" in scope["path"]:
            await _refuse(send, 404, "the demo does not have this")
            return
        if scope["method"] == "GET" and not self.is_known(path, scope["query_string"]):
            await _refuse(send, 404, "there is no such call, or its result has been fetched")
            return
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            await self.app(scope, receive, send)
            return
        body = await _read(scope, receive)
        if body is None:
            await _refuse(send, 422, f"the request is larger than {MAX_BODY // 1024} kB; send plain values")
            return
        if path.startswith(_CALLS):
            problem = problem_of(body)
            if not problem:
                body, problem = self.completed(path, body)
            if problem:
                await _refuse(send, 422, problem)
                return
        # What follows holds the length against the body, to which defaults may have come.
        headers = [
            (key, value) for key, value in scope["headers"] if key not in (b"content-length", b"transfer-encoding")
        ]
        headers.append((b"content-length", str(len(body)).encode()))
        await self.app({**scope, "headers": headers}, _replay(body, receive), send)

    def is_known(self, path: str, query: bytes) -> bool:
        """Whether a stream of results has something to tell; Gradio breaks the connection where it has not."""
        queue = self.blocks._queue
        if path.startswith("/queue/data"):
            session = parse_qs(query.decode("latin-1")).get("session_hash", [""])[0]
            return session in queue.pending_messages_per_session
        if path.startswith("/call/"):
            event = path.rstrip("/").rpartition("/")[2]
            return event in queue.event_ids_to_events or any(
                event in pending for pending in list(queue.pending_event_ids_session.values())
            )
        return True

    def completed(self, path: str, body: bytes) -> tuple[bytes, str | None]:
        """The body with the defaults of what it leaves out, as gradio_client sends it; or what is wrong with it."""
        call = json.loads(body)
        joined = path.startswith("/queue/join")
        name = str(call.get("fn_index")) if joined else path.rstrip("/").rpartition("/")[2]
        if name not in self.functions:
            return body, "the demo has no such function"
        if not joined and "data" not in call:  # parameters by name
            return body, None
        names, defaults = self.functions[name]
        data = call.get("data") or []
        if len(data) > len(names):
            return body, f"{len(data)} values for {len(names)} parameters ({', '.join(names)})"
        missing = [name for name in names[len(data) :] if name not in defaults]
        if missing:
            return body, f"a value for {missing[0]} is missing; the parameters are {', '.join(names)}"
        call["data"] = [*data, *(defaults[name] for name in names[len(data) :])]
        return json.dumps(call).encode(), None


def _signature(fn) -> tuple[list[str], dict[str, Any]]:
    """The parameters that a function of the page takes values for, and the defaults of an endpoint's."""
    if fn.api_visibility != "public":
        return [f"value {i + 1}" for i in range(len(fn.inputs))], {}
    parameters = inspect.signature(fn.fn).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    return [p.name for p in parameters], defaults


def problem_of(body: bytes) -> str | None:
    """What is wrong with the body of a call: its data may hold numbers, strings, truth values, and lists of them."""
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        return "the request is not JSON"
    if not isinstance(call, dict):
        return "the request is not a JSON object"
    data = call.get("data", list(call.values()))
    if data is None:
        return None
    if not isinstance(data, list) or len(data) > _MAX_ITEMS:
        return "data is not a list of values"
    for value in data:
        items = value if isinstance(value, list) else [value]
        if len(items) > _MAX_ITEMS or any(isinstance(item, (dict, list)) for item in items):
            return "a value is neither a number, a string, nor a list of them; the demo takes no files and no objects"
    return None


async def _read(scope, receive) -> bytes | None:
    """The whole body, or None where it is too large; what is too large is not kept."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
        if size <= MAX_BODY:
            parts.append(message.get("body", b""))
        elif size > 64 * MAX_BODY * 16:
            break
    return b"".join(parts) if size <= MAX_BODY else None


def _replay(body: bytes, receive):
    sent = False

    async def again() -> dict[str, Any]:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(send, status: int, message: str) -> None:
    """An error in the form that gradio_client shows to its user."""
    detail = [{"__type__": "validate", "is_valid": False, "parameter_name": "request", "message": message}]
    content = json.dumps({"error": message, "detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
