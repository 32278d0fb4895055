"""Servers with TLS on this machine under names of the internet: clients reach them through a proxy that knows no other.

Nothing in the clients or in the zoo is switched off or replaced.
"""

from __future__ import annotations

import re
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

import trustme


@dataclass
class State:
    """What a stand-in serves, and what happened to it."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[Callable[[Handler, bytes], None]] = field(default_factory=list)  # for the next requests of files
    pace: float = 0.0  # seconds a block of 64 KB
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, range
    sent: int = 0  # bodies that went out whole


class Handler(BaseHTTPRequestHandler):
    """Base of the stand-ins: `respond` answers a request, `send` sends a file."""

    protocol_version = "HTTP/1.1"
    state: State  # of the server's own subclass

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.state.requests.append((self.path, self.headers.get("Range")))
        try:
            self.respond()
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def respond(self):
        raise NotImplementedError

    def send(self, body: bytes, upto: int | None = None, **headers: str):
        raise NotImplementedError

    def file(self, body: bytes):
        """Send a file, or let the next fault happen to it."""
        if self.state.faults:
            self.state.faults.pop(0)(self, body)
        else:
            self.send(body)

    @property
    def start(self) -> int:
        """The first byte that is asked for."""
        return int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1]) if "Range" in self.headers else 0

    def send_from(self, start: int, body: bytes, upto: int | None, headers: Mapping[str, str]):
        """Send the body from a byte on, of which `upto` bytes come; `headers` are changed or added."""
        part = body[start:]
        stated = {"Content-Length": str(len(part))}
        if start:
            stated["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self.head(206 if start else 200, {**stated, **headers})
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
        self.head(status, {"Content-Length": str(len(body)), **headers})
        self.wfile.write(body)

    def head(self, status: int, headers: Mapping[str, str]):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


def cut(after: int) -> Callable[[Handler, bytes], None]:
    """The connection ends after some bytes of the body."""
    return lambda handler, body: handler.send(body, upto=after)


AnyState = TypeVar("AnyState", bound=State)


@contextmanager
def running(
    folder: Path, handler: type[Handler], state: AnyState, hosts: Sequence[str]
) -> Iterator[tuple[dict[str, str], AnyState]]:
    """(environment for clients, state) of a running stand-in; `folder` is for its certificate."""
    with serving(folder, type("HandlerOfThis", (handler,), {"state": state}), hosts) as environment:
        yield environment, state


class _Proxy(socketserver.BaseRequestHandler):
    """CONNECT to one of the hosts leads to the stand-in; to any other it is refused."""

    target: int  # port of the stand-in
    hosts: Sequence[str]

    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (data := self.request.recv(4096)):
                return
            head += data
        host = head.split()[1].decode().rpartition(":")[0]
        if host not in self.hosts:
            self.request.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self.target)) as upstream:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_pump, args=(upstream, self.request), daemon=True)
            back.start()
            _pump(self.request, upstream)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class _ThreadingProxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def serving(folder: Path, handler: type[BaseHTTPRequestHandler], hosts: Sequence[str]) -> Iterator[dict[str, str]]:
    """Run a server for these hosts; yields the environment of clients. `folder` is for its certificate."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts).configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    proxy = _ThreadingProxy(
        ("127.0.0.1", 0), type("ProxyOfThis", (_Proxy,), {"target": server.server_port, "hosts": hosts})
    )
    threads = [threading.Thread(target=s.serve_forever, args=(0.05,), daemon=True) for s in (server, proxy)]
    for thread in threads:
        thread.start()
    address, certificates = f"http://127.0.0.1:{proxy.server_address[1]}", str(folder / "authority.pem")
    try:
        yield {
            "HTTPS_PROXY": address,
            "https_proxy": address,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "REQUESTS_CA_BUNDLE": certificates,
            "SSL_CERT_FILE": certificates,
        }
    finally:
        for running in (server, proxy):
            running.shutdown()
            running.server_close()
        for thread in threads:
            thread.join()
