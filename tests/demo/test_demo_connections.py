"""Connections to the demo's server: half-sent requests, slow readers, many of one address, a proxy's."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import logging
import re
import socket
import sys
import threading
import time
from functools import partial

import pytest

pytest.importorskip("uvicorn")
import uvicorn

from zoo.demo import connections
from zoo.demo.connections import Connections

SECONDS = 0.4
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"


async def application(scope, receive, send) -> None:
    """Answers once a request is whole; /stream never ends, and /large is 40 MB."""
    if scope["type"] == "lifespan":
        return
    with scope["zoo.connection"]._among.request(scope) as room:
        status = 200 if room else 429
        while scope["method"] == "POST" and scope["path"] == "/" and (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": status, "headers": []})
        if scope["path"] == "/stream":
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
        elif scope["path"] == "/large":
            for _ in range(40):
                await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        await send({"type": "http.response.body", "body": b"ok"})


class Running:
    """A server of `application` on a thread."""

    def __init__(self, counted: Connections):
        config = uvicorn.Config(
            application, port=0, http=partial(connections.Connection, counted), ws="none", lifespan="off",
            log_config=None, timeout_graceful_shutdown=1, backlog=counted.backlog,
        )  # fmt: skip
        self.server, self.counted, self.clients = uvicorn.Server(config), counted, []
        self._thread = threading.Thread(target=self.server.run, daemon=True)
        self._thread.start()
        _until(lambda: self.server.started)
        connections.queue_in_kernel(self.server.servers[0])
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def connect(self, sent: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), 10, source_address=(source, 0))
        self.clients.append(sock)
        sock.sendall(sent)
        return sock

    def close(self) -> None:
        for sock in self.clients:
            sock.close()
        self.server.should_exit = True
        self._thread.join(10)


# Linux has all of 127.0.0.0/8 on the loopback device.
ADDRESSES = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs several addresses of this machine")


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", SECONDS)
    monkeypatch.setattr(connections, "RESPONSE_SECONDS", SECONDS)
    monkeypatch.setattr(connections, "_LOOK", 0.02)
    running = []

    def serve(each: int = 8, free: int = 100) -> Running:
        running.append(Running(Connections(each, free)))
        return running[-1]

    yield serve
    for one in running:
        one.close()


def _until(condition, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def _rest(sock: socket.socket) -> bytes:
    """What comes until the other side closes."""
    received = b""
    try:
        while part := sock.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


def _status(sock: socket.socket) -> int:
    return int(sock.recv(65536).split()[1])


def test_a_request_that_is_not_complete_in_time_is_closed(serve):
    running, began = serve(), time.monotonic()
    halves = [
        b"", b"GET / HT", GET + b"X: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        GET + b"\r\n" + GET,  # the second one on a connection
        b"GET /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
    ]  # fmt: skip
    open_ = [running.connect(half) for half in halves]
    for sock in open_:
        _rest(sock)
        assert SECONDS * 0.9 < time.monotonic() - began < SECONDS + 2
    _until(lambda: len(running.counted) == 0)


def test_a_byte_now_and_then_does_not_keep_a_request_open(serve):
    running, began = serve(), time.monotonic()
    sock = running.connect(GET)
    while time.monotonic() - began < SECONDS + 2:
        try:
            sock.sendall(b"X")
        except OSError:
            return
        time.sleep(0.02)
    pytest.fail("it is still open")


def test_what_is_used_stays_open(serve):
    running = serve()
    stream = running.connect(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    often = http.client.HTTPConnection("127.0.0.1", running.port)
    often.connect()
    running.clients.append(used := often.sock)
    end = time.monotonic() + 2.5 * SECONDS
    while time.monotonic() < end:
        often.request("GET", "/")
        assert often.getresponse().read() == b"ok"
        time.sleep(SECONDS / 5)
    assert often.sock is used
    stream.settimeout(0.05)
    assert b"begun" in stream.recv(65536)
    with pytest.raises(TimeoutError):
        stream.recv(1)


def test_a_response_that_nobody_takes_ends(serve):
    running = serve()
    reader = socket.socket()
    running.clients.append(reader)
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", running.port))
    reader.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    _until(lambda: len(running.counted) == 1)
    _until(lambda: len(running.counted) == 0, SECONDS + 2)


def test_a_reader_who_takes_his_time_gets_everything(serve):
    running, received = serve(), 0
    sock = running.connect(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    while part := sock.recv(1 << 20):
        received += len(part)
        time.sleep(0.02)
    assert received > 40_000_000


def test_half_requests_give_way_to_a_new_one(serve):
    running = serve(each=8)
    for half in (GET, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx"):
        for _ in range(60):
            running.connect(half)
    assert _status(running.connect(GET + b"\r\n")) == 200
    assert len(running.counted) <= 8


@ADDRESSES
def test_a_few_addresses_cannot_take_all(serve):
    running = serve(each=100, free=60)
    stream = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
    for source in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
        for _ in range(running.counted.total):
            running.connect(stream, source)
    others = [running.connect(stream, source="127.0.0.5") for _ in range(3)]
    assert [_status(sock) for sock in others] == [200] * 3
    assert len(running.counted) <= running.counted.total
    assert running.counted.used("127.0.0.5") == 3


@ADDRESSES
def test_an_address_with_many_streams_loses_its_oldest_and_others_none(serve):
    running = serve(each=4)
    stream = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
    other = running.connect(stream, source="127.0.0.2")
    assert _status(other) == 200
    streams = [running.connect(stream) for _ in range(4)]
    assert [_status(sock) for sock in streams] == [200] * 4
    assert _status(running.connect(GET + b"\r\n")) == 200
    _rest(streams[0])  # has ended
    assert running.counted.used("127.0.0.1") == 4
    for sock in (other, *streams[1:]):
        sock.setblocking(False)
        assert b"begun" in _now(sock)


def _now(sock: socket.socket) -> bytes:
    """What has come; fails if the other side has closed."""
    received = b""
    try:
        while part := sock.recv(65536):
            received += part
    except BlockingIOError:
        return b"begun" + received
    return received


@ADDRESSES
def test_many_addresses_do_not_take_more_than_all(serve):
    running = serve(each=8, free=40)
    assert running.counted.total < 20
    for i in range(running.counted.total):
        assert _status(running.connect(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", source=f"127.0.0.{i + 2}")) == 200
    assert _rest(running.connect())[:12] == b"HTTP/1.1 503"
    assert len(running.counted) == running.counted.total


def test_there_are_descriptors_for_files_and_for_the_backlog():
    for free in (10, 100, 1000, 60000):
        counted = Connections(10**6, free)
        assert free < 20 or 2 * counted.total + counted.backlog <= free
        assert counted.each <= counted.total / 2
    assert Connections(10**6).total * 2 < connections.descriptors()


def test_behind_a_proxy_requests_are_counted_by_whom_they_are_forwarded_for(serve):
    running = serve(each=3)

    def forwarded(client: str, path: bytes = b"/stream") -> socket.socket:
        return running.connect(b"GET %b HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %b\r\n\r\n" % (path, client.encode()))

    first = [forwarded("192.0.2.1") for _ in range(3)]
    assert [_status(sock) for sock in first] == [200] * 3
    assert running.counted.used("127.0.0.1") == 0
    assert _status(forwarded("192.0.2.1", b"/")) == 429
    assert [_status(forwarded(f"192.0.2.{i}")) for i in range(2, 12)] == [200] * 10
    for sock in first:
        sock.close()
    _until(lambda: running.counted.used("192.0.2.1") == 0)
    assert _status(forwarded("192.0.2.1", b"/")) == 200


def test_an_ipv6_network_is_one_address():
    assert connections.network_of("2001:db8::1") == connections.network_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert connections.network_of("2001:db8:0:1::1") != connections.network_of("2001:db8::1")
    assert connections.network_of("::ffff:192.0.2.1") == connections.network_of("192.0.2.1") == "192.0.2.1"
    assert connections.network_of("fe80::1%eth0") == "fe80::/64"
    assert len(connections.network_of("x" * 10_000)) < 100


def test_nonsense_after_an_answer_has_begun_ends_the_connection_alone(serve, caplog):
    running = serve()
    with caplog.at_level(logging.WARNING):
        sock = running.connect(b"POST /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert _status(sock) == 200
        sock.sendall(b"nonsense\r\n\r\n")
        _rest(sock)
        assert b" 400 " in _rest(running.connect(GET + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n"))
        assert _status(running.connect(GET + b"\r\n")) == 200
    assert not [record for record in caplog.records if record.exc_info]


def test_a_terminal_gets_the_log_in_words(monkeypatch):
    from zoo.demo import logs

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    said = []
    for stream in (Terminal(), io.StringIO()):
        logger = logging.Logger("zoo.demo")
        monkeypatch.setattr(logs, "_logger", logger)
        monkeypatch.setattr(sys, "stderr", stream)
        logs.configure()
        logs.event("loaded", model="contragan/digits\x1b[2J\n", seconds=0.25)
        said.append(stream.getvalue())
    words, line = said
    assert re.fullmatch(r"\d\d:\d\d:\d\d  loaded: model contragan/digits\\x1b\[2J\\x0a, seconds 0\.25\n", words), words
    assert json.loads(line)["model"] == "contragan/digits\x1b[2J\n"


def test_the_log_is_lines_whatever_is_logged(monkeypatch):
    from zoo.demo import logs

    lines = []
    monkeypatch.setattr(logs._logger, "log", lambda level, line: lines.append(line))
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(connections.log_loop_error)
    loop.call_soon(lambda: 1 / 0)
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    loop.close()
    logs.event("x", text="a\nb\x1b[2J" + "y" * 1000, many=["z" * 1000] * 1000, odd="\ud800\u2028")
    logger = logging.Logger("library")
    logger.addHandler(logs.Handler())
    try:
        raise ValueError("a\nb" + "x" * 10_000)
    except ValueError:
        logger.exception("it %s", "failed\n")
    first, third = lines[0], lines[2]
    assert '"error": "ZeroDivisionError: division by zero"' in first
    assert '"error": "ValueError: a b' in third
    assert "test_demo_connections.py" in first
    assert "test_demo_connections.py" in third
    for line in lines:
        assert "Traceback" not in line
        assert len(line) < 6000
        assert line.isascii()
        assert line.isprintable()
