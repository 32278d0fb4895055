"""A stand-in for servers of files over HTTPS, with ranges, validators, redirects, and their faults."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import stand_in_tls

HOST, OTHER_HOST = "download.openmmlab.com", "mirror.example.org"


@dataclass
class State:
    files: dict[str, bytes] = field(default_factory=dict)  # by path
    faults: list[Callable[[Handler, bytes], None]] = field(default_factory=list)  # for the next requests
    pace: float = 0.0  # seconds a block of 64 KB
    validators: bool = True  # it sends an ETag, and heeds If-Range
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, range
    sent: int = 0  # bodies that went out whole


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.state.requests.append((self.path, self.headers.get("Range")))
        body = self.state.files.get(self.path)
        try:
            if body is None:
                self.answer(404, b"<html>not found</html>")
            elif self.state.faults:
                self.state.faults.pop(0)(self, body)
            else:
                self.send(body)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def send(self, body: bytes, upto: int | None = None, **headers: str):
        """Send the body or the range asked for, of which `upto` bytes come; `headers` are changed or added."""
        etag, start = f'"{hashlib.md5(body).hexdigest()}"', 0
        if "Range" in self.headers and self.headers.get("If-Range", etag) == etag:
            start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1])
        if start >= len(body):
            self.answer(416, b"", Content_Range=f"bytes */{len(body)}")
            return
        part = body[start:]
        stated = {"Content-Length": str(len(part)), "Content-Disposition": 'attachment; filename="../../../evil.pth"'}
        if self.state.validators:
            stated["ETag"] = etag
        if start:
            stated["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        stated |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.send_response(206 if start else 200)
        for name, value in stated.items():
            self.send_header(name, value)
        self.end_headers()
        for i in range(0, len(part[:upto]), 1 << 16):
            self.wfile.write(part[:upto][i : i + (1 << 16)])
            time.sleep(self.state.pace)
        if upto is None:
            self.state.sent += 1
        else:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def answer(self, status: int, body: bytes = b"", **headers: str):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def status(code: int, **headers: str) -> Callable[[Handler, bytes], None]:
    return lambda handler, _: handler.answer(code, **headers)


def cut(after: int) -> Callable[[Handler, bytes], None]:
    return lambda handler, body: handler.send(body, upto=after)


def redirect(location: str) -> Callable[[Handler, bytes], None]:
    return status(302, Location=location)


@contextmanager
def server(folder: Path) -> Iterator[tuple[dict[str, str], State]]:
    """(environment for clients, state) of a running stand-in; `folder` is for its certificate."""
    state = State()
    handler = type("HandlerOfThis", (Handler,), {"state": state})
    with stand_in_tls.serving(folder, handler, (HOST, OTHER_HOST)) as environment:
        yield environment, state
