"""A stand-in for Google Drive on this machine, with TLS and all, which gdown reaches through a proxy."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import stand_in_tls

HOSTS = ("drive.google.com", "drive.usercontent.google.com", "docs.google.com")


@dataclass
class State:
    files: dict[str, bytes] = field(default_factory=dict)  # by id
    folders: dict[str, dict[str, str]] = field(default_factory=dict)  # by id: name -> id of file
    warns: bool = False  # of files too large to be scanned, on a page of its own
    faults: list[Callable[[Handler, bytes], None]] = field(default_factory=list)  # for the next downloads
    disposition: str = 'attachment; filename="netG.pth"'
    ranges: bool = True
    pace: float = 0.0  # seconds a block of 64 KB
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, range
    sent: int = 0  # bodies that went out whole


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.state.requests.append((self.path, self.headers.get("Range")))
        try:
            if url.path == "/embeddedfolderview" and query.get("id") in self.state.folders:
                self.folder(self.state.folders[query["id"]])
            elif url.path in ("/uc", "/download") and query.get("id") in self.state.files:
                if self.state.warns and "confirm" not in query:
                    self.page(_WARNING.format(id=query["id"]))
                else:
                    self.file(self.state.files[query["id"]])
            else:
                self.page("<html><title>404</title>not found</html>", 404)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def folder(self, listed: dict[str, str]):
        links = [f'<a href="https://drive.google.com/file/d/{i}/view">{name}</a>' for name, i in listed.items()]
        self.page(f"<html><title>folder</title><body>{''.join(links)}</body></html>")

    def file(self, body: bytes):
        if self.state.faults:
            self.state.faults.pop(0)(self, body)
        else:
            self.send(body)

    def send(self, body: bytes, upto: int | None = None):
        """The body or the range asked for, of which `upto` bytes come."""
        start = 0
        if "Range" in self.headers and self.state.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1])
        part = body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", self.state.disposition)
        self.send_header("Content-Length", str(len(part)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
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

    def page(self, text: str, status: int = 200, **headers: str):
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(text.encode())))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text.encode())


_WARNING = """<html><title>Google Drive - Virus scan warning</title><body>
<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">\
<input type="hidden" name="id" value="{id}"><input type="hidden" name="export" value="download">\
<input type="hidden" name="confirm" value="t"></form></body></html>"""


def status(code: int, **headers: str) -> Callable[[Handler, bytes], None]:
    return lambda handler, _: handler.page(f"<html><title>{code}</title></html>", code, **headers)


def cut(after: int) -> Callable[[Handler, bytes], None]:
    return lambda handler, body: handler.send(body, upto=after)


def quota(handler: Handler, _: bytes) -> None:
    handler.page('<html><p class="uc-error-subcaption">Too many users have viewed this file recently.</p></html>')


@contextmanager
def drive(folder: Path):
    """(environment for clients, state) of a running stand-in; `folder` is for its certificate."""
    state = State()
    with stand_in_tls.serving(folder, type("HandlerOfThis", (Handler,), {"state": state}), HOSTS) as environment:
        yield environment, state
