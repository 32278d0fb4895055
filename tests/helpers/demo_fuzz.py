"""Random calls to a running demo: to the endpoints, to the page's own functions, and bytes that are hardly HTTP."""

from __future__ import annotations

import collections
import json
import random
import re
import socket

import httpx

_WORDS = (
    "contragan/digits", "infomax-gan/digits", "contragan/cifar10", "nothing", "", "all", "7", "ship", "../../etc/pass",
    "/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/", "contragan/digits@zoo", "clean", "published", "fid",
    "<script>alert(1)</script>", "\u0000", "💣" * 50, "x" * 5000, "%00", "NaN", "-1", "${jndi:ldap://x}", "' OR 1=1 --",
    "\ud800", "a\r\nSet-Cookie: b", "\x1b]0;owned\x07", "hf://a/b", "./contragan/digits", "~", "\u202e", "\u2028",
)  # fmt: skip
_ADDRESSES = (
    "gradio_api/file=/etc/passwd", "gradio_api/file=../../etc/passwd", "gradio_api/file=http://127.0.0.1/",
    "gradio_api/proxy=http://127.0.0.1/", "gradio_api/upload", "gradio_api/info", "gradio_api/startup-events",
    "monitoring", "config", "gradio_api/queue/status", "health", "?model=../../etc/passwd&seed=x", "static/../app.py",
    "gradio_api/component_server", "gradio_api/call/sample/nothing", "gradio_api/call/v2/sample", "gradio_api/cancel",
    "gradio_api/reset", "gradio_api/queue/join", "gradio_api/call/sample", "gradio_api/heartbeat/%00",
    "gradio_api/file=%00", "gradio_api/file=" + "x" * 300, "gradio_api/queue/data?session_hash=%ED%A0%80",
    "?page=nothing&deep_link=../../x", "config?page=nothing&deep_link=x", "gradio_api/info?page=nothing",
    "gradio_api/info?serialize=x&all_endpoints=y", "assets/%2e%2e/%2e%2e/app.py", "assets/a%00b", "static/" + "a" * 300,
    "assets/", "%ff%fe", "gradio_api/call/sample/%0d%0a", "theme.css?" + "a=b&" * 2000, "//", "gradio_api",
    "gradio_api/call/v2/nothing", "gradio_api/call/nothing", "login", "logout", "openapi.json", "gradio_api/run/sample",
)  # fmt: skip
_METHODS = ("GET", "GET", "POST", "POST", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "X")
_TYPES = (
    "application/json", "application/json", "application/json", "text/plain", "", "multipart/form-data",
    "multipart/form-data; boundary=x", "application/json; charset=utf-16", "a" * 500,
    "application/x-www-form-urlencoded",
)  # fmt: skip
_HEADERS = (
    "Host: [", "Host: a b", "Host: \xff\xfe", "Host: ", "Host: x:99999999", "Host: user@x", "X-Forwarded-Host: http://[",
    "X-Forwarded-For: \xff, , x", "X-Forwarded-Proto: gopher", "X-Gradio-Server: http://[::", "Origin: http://[",
    "Origin: null", "Range: bytes=0-1-2", "Range: bytes=9-1", "Range: bytes=²-³", "Range: bytes=-0", "Cookie: \x01=;;",
    "Upgrade: websocket", "Connection: Upgrade", "Expect: 100-continue", "Content-Encoding: gzip", "Referer: \xff",
    "Transfer-Encoding: chunked", "Content-Length: 99999999999999999999", "Content-Length: -1", "X: " + "x" * 20000,
    "Access-Control-Request-Method: POST", "If-None-Match: *", "Accept: \x80", "Authorization: Basic \xff", ": x",
)  # fmt: skip
_BODIES = (
    b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe{}", b"{}" * 3, b"[" * 60_000, b'{"a":' * 9000, b"\x00",
    b'{"data": [NaN]}', b'{"data": [Infinity, -Infinity]}', b'{"data": [1e999]}', b'{"data": [' + b"9" * 5000 + b"]}",
    b'{"data": [' + b"9" * 4000 + b"]}", b'{"data": {}}', b'{"data": "x"}', b'{"data": [], "data": []}',
    b'{"data": [[[1]]]}',
    b'{"data": ["contragan/digits"], "session_hash": 3}', b'{"data": null, "event_id": {}}', b"x" * 70_000,
    b'{"data": [], "fn_index": "0", "session_hash": "a"}', b'{"data": [], "fn_index": 1e3, "session_hash": "a"}',
    b'{"data": [], "fn_index": true, "session_hash": "a"}',
    b'{"data": [], "fn_index": 35, "session_hash": "a", "trigger_id": []}',
    b'{"data": [0], "fn_index": 19, "session_hash": "a", "event_data": {"index": "x"}}',
    b'{"data": [0], "fn_index": 19, "session_hash": "a", "event_data": null}',
    b'{"data": [0], "fn_index": 19, "session_hash": "a", "event_data": {"index": 1}, "trigger_id": 99999}',
    b'{"event_id": "x", "session_hash": "y", "fn_index": 0}', b'{"event_id": "x", "session_hash": "y"}',
    b'{"event_id": ["x"], "session_hash": "y", "fn_index": 0}', b'{"event_id": "\\ud800"}', b'{"a": "\\ud800"}',
    b'{"model": "contragan/digits", "x": 1}', b'{"model": {"path": "/etc/passwd"}}', b'{"model": "\\u0000"}',
)  # fmt: skip
SECRETS = ("root:x:", "Traceback", 'File "/')


def value(chance: random.Random, depth: int = 0):
    """Anything that JSON can say, and some things that it cannot."""
    kinds = [
        lambda: chance.choice(_WORDS),
        lambda: chance.randint(-3, 20),
        lambda: chance.choice((0, -1, 10**6, 2**31, 2**63, 2**64, 10**30)),
        lambda: chance.choice((0.5, 1e308, -0.0, 1e-30, float("nan"), float("inf"), float("-inf"))),
        lambda: None,
        lambda: chance.random() < 0.5,
    ]
    if depth < 2:
        kinds += [
            lambda: [value(chance, depth + 1) for _ in range(chance.randint(0, 4))],
            lambda: {"path": chance.choice(_WORDS), "meta": {"_type": "gradio.FileData"}},
        ]
    return chance.choice(kinds)()


def run(url: str, calls: int, seed: int) -> dict[str, int]:
    """How many calls ended how.

    Raises:
        AssertionError: something leaks, an error is not a clear line, an answer says 5xx, or nothing comes back.
    """
    chance, outcomes = random.Random(seed), collections.Counter()
    with httpx.Client(base_url=url, timeout=60) as client:
        functions = page_functions(client)
        for i in range(calls):
            kind = chance.choice(
                ("sample", "sample", "interpolate", "evaluate", "page", "raw", "raw", "bytes", "bytes")
            )
            outcomes[one(client, url, chance, kind, functions, f"fuzz{seed}-{i}")] += 1
        assert client.get("health").json()["status"] == "ok"
        _picture(client)
    return dict(outcomes)


def page_functions(client: httpx.Client) -> dict[int, int]:
    """How many values each function of the page takes."""
    found = client.get("config").json()["dependencies"]
    return {one["id"]: len(one["inputs"]) for one in found if one["backend_fn"]}


def hostile(url: str, chance: random.Random) -> int:
    """One request that is nearly or not at all HTTP; its status, 0 where the connection was closed without one."""
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port), 20) as sock:
        sock.sendall(_bytes(chance))
        sock.shutdown(socket.SHUT_WR)
        status, rest = _answer(sock)
    for secret in SECRETS:
        assert secret not in rest, rest[:500]
    assert status < 500, (status, rest[:500])
    return status


def one(
    client: httpx.Client, url: str, chance: random.Random, kind: str, functions: dict[int, int], session: str
) -> str:
    """One call of a kind: "sample", "interpolate", "evaluate", "page", "raw" or "bytes"; how it ended."""
    if kind == "raw":
        return _raw(client, chance)
    if kind == "bytes":
        return f"bytes: {hostile(url, chance)}"
    function = chance.choice([*functions, -1, 10**6])
    usual = functions.get(function, 5) if kind == "page" else 5
    data = [value(chance) for _ in range(usual if chance.random() < 0.7 else chance.randint(0, 9))]
    if data and chance.random() < 0.6:
        data[0] = "contragan/digits"
    if kind != "page":
        return _call(client, kind, data)
    if chance.random() < 0.7:  # nearly right, so that it gets further
        data[1:] = [chance.choice((one, 2, 5, 0.5, None, [], ["3"])) for one in data[1:]]
        data = [one for one in data if not isinstance(one, dict)]
    body = {"data": data, "fn_index": function, "session_hash": session}
    if chance.random() < 0.5:
        body |= {"event_data": chance.choice((value(chance), {"index": chance.randint(-1, 99)}))}
        body |= {"trigger_id": chance.choice((None, None, 1, 10**9, "x"))}
    return _page(client, body, session)


def _bytes(chance: random.Random) -> bytes:
    method, address = chance.choice(_METHODS), "/" + chance.choice(_ADDRESSES)
    if chance.random() < 0.1:
        address = chance.choice(("http://x/health", "*", "health", "/health\r", "/he alth", "/\xff", "", "http://[/"))
    lines = [f"{method} {address} HTTP/{chance.choice(('1.1', '1.1', '1.1', '1.0', '2.0', '9'))}"]
    headers = [chance.choice(_HEADERS) for _ in range(chance.randint(0, 2))]
    if not any(header.startswith("Host") for header in headers) and chance.random() < 0.95:
        headers.append("Host: localhost")
    body = chance.choice(_BODIES) if method in ("POST", "PUT", "PATCH", "GET") else b""
    if body and chance.random() < 0.95:
        headers += [f"Content-Length: {len(body)}", f"Content-Type: {chance.choice(_TYPES)}"]
    end = chance.choice(("\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"))
    sent = (end.join([*lines, *headers]) + end * 2).encode("latin-1", "replace") + body
    return sent if chance.random() < 0.9 else sent[: chance.randint(1, len(sent))]


def _answer(sock: socket.socket) -> tuple[int, str]:
    """The status and what else comes within the first packets; streams are not waited for."""
    received = b""
    try:
        while len(received) < 1 << 20 and (part := sock.recv(65536)):
            received += part
            if b"event-stream" in received:
                break
    except ConnectionError:  # it was closed while there was more to read
        pass
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", received)
    return int(found[1]) if found else 0, received.decode("latin-1")


def _picture(client: httpx.Client) -> None:
    assert _call(client, "sample", ["contragan/digits", 4, 3, 0, None]) == "sample: complete"


def _post(client: httpx.Client, address: str, body) -> httpx.Response:
    text = json.dumps(body).encode()  # NaN and Infinity as Python writes them
    return _checked(client.post(address, content=text, headers={"content-type": "application/json"}))


def _checked(response: httpx.Response) -> httpx.Response:
    for secret in SECRETS:
        assert secret not in response.text, (response.request.url, response.text[:500])
    assert len(response.content) < 5_000_000
    assert response.status_code < 500, (response.request.url, response.request.content[:500], response.text[:500])
    if response.status_code >= 400 and response.request.method != "HEAD":
        said = response.json()
        text = said.get("error") or said.get("detail")
        assert isinstance(text, str), (response.request.url, said)
        assert "\n" not in text
        assert len(text) < 1000, text
    return response


def _call(client: httpx.Client, name: str, data: list) -> str:
    joined = _post(client, f"gradio_api/call/{name}", {"data": data})
    if joined.status_code != 200:
        assert joined.status_code in (400, 404, 422), joined.text
        return f"{name}: {joined.status_code}"
    said = _checked(client.get(f"gradio_api/call/{name}/{joined.json()['event_id']}")).text
    event = said.strip().splitlines()[-2].removeprefix("event: ")
    if event == "error":
        about = json.loads(said.strip().splitlines()[-1].removeprefix("data: "))
        assert about, (name, data, said)
        assert about["error"], (name, data, said)
        assert len(about["error"]) < 2000, about
        assert "something went wrong" not in about["error"], (name, data, about)
    return f"{name}: {event}"


def _page(client: httpx.Client, body: dict, session: str) -> str:
    joined = _post(client, "gradio_api/queue/join", body)
    if joined.status_code != 200:
        return f"page: {joined.status_code}"
    with client.stream("GET", f"gradio_api/queue/data?session_hash={session}") as stream:
        for line in stream.iter_lines():
            for secret in (*SECRETS, "something went wrong"):
                assert secret not in line, (body, line[:500])
            if '"process_completed"' in line:
                done = json.loads(line.removeprefix("data: "))
                return "page: complete" if done["success"] else "page: error"
    return "page: closed"


def _raw(client: httpx.Client, chance: random.Random) -> str:
    address, method = chance.choice(_ADDRESSES), chance.choice(_METHODS[:-2])
    if method == "POST":
        response = client.post(address, content=chance.choice(_BODIES), headers={"content-type": chance.choice(_TYPES)})
        return f"raw: {_checked(response).status_code}"
    with client.stream(method, address) as stream:  # a heartbeat has no end
        if "event-stream" not in stream.headers.get("content-type", ""):
            stream.read()
            _checked(stream)
        return f"raw: {stream.status_code}"
