"""Servers with TLS on this machine under names of the internet: clients reach them through a proxy that knows no other.

Nothing in the clients or in the zoo is switched off or replaced.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme


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
