"""What reaches the application: small requests of plain values, to the routes that the demo uses.

Gradio serves more than this demo needs (uploads, a proxy, server-side components) and moves any value that looks like a
file reference; none of that is reachable here.
"""

from __future__ import annotations

import json
from typing import Any

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

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].partition("/gradio_api")[2]
        if any(path.startswith(closed) for closed in _CLOSED) or "/monitoring" in scope["path"]:
            await _refuse(send, 404, "the demo does not have this")
            return
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            await self.app(scope, receive, send)
            return
        body = await _read(scope, receive)
        if body is None:
            await _refuse(send, 422, f"the request is larger than {MAX_BODY // 1024} kB; send plain values")
            return
        if path.startswith(_CALLS) and (problem := problem_of(body)):
            await _refuse(send, 422, problem)
            return
        await self.app(scope, _replay(body, receive), send)


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
