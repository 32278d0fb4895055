"""What the demo's gate lets through: addresses, headers, bodies; and what it says of the rest."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import gradio_leftovers
import pytest

from zoo.demo import gate, logs, routes
from zoo.demo.calls import Calls, Refused, cancelled, parsed, reset
from zoo.demo.connections import Connections
from zoo.demo.gate import Gate
from zoo.demo.sessions import Sessions
from zoo.demo.store import Store

gr = pytest.importorskip("gradio")

# Gradio leaves event loops and sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def blocks():
    """A page with an endpoint (0), a function of two inputs (1), one that is told of an item (2), and none (3)."""

    async def sample(model: str, n: int = 16, label: str | None = None):
        return model

    async def pick(chosen: gr.SelectData, text):
        return chosen.index

    with gr.Blocks() as page:
        gr.api(sample, api_name="sample")
        text, number = gr.Textbox(), gr.Number()
        options = {"preprocess": False, "api_visibility": "private"}
        text.submit(lambda text, number: text, [text, number], [text], **options)
        text.select(pick, [text], [number], **options)
        text.submit(None, None, None, js="() => 1", api_visibility="private")
    yield page
    gradio_leftovers.collect()  # while they are still let pass


@pytest.fixture(scope="module")
def calls(blocks):
    return Calls(blocks)


def _refused(function, *arguments) -> str:
    with pytest.raises(Refused) as caught:
        function(*arguments)
    message = str(caught.value)
    assert 400 <= caught.value.status < 500
    assert "\n" not in message
    assert len(message) < 300
    return message


JOIN = {"fn_index": 1, "session_hash": "abc", "data": ["x", 1]}


def _join(**changes) -> bytes:
    return json.dumps({**JOIN, **changes}).encode()


def test_a_call_is_made_anew_of_what_is_known(calls):
    about = calls.join(_join(oauth_token="x", batched=True, event_id="y", simple_format=True, event_data={"a": 1}))
    assert about == JOIN | {"trigger_id": None, "event_data": None}
    assert calls.join(_join(trigger_id=10**9)) == about
    assert calls.join(_join(fn_index=0, data=["m"]))["data"] == ["m", 16, None]
    assert calls.join(_join(fn_index=2, data=["m"], event_data={"index": 3, "value": {"path": "/etc/passwd"}}))[
        "event_data"
    ] == {"index": 3, "value": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, 1]}, "no files"),
        ({"data": [[{"path": "http://localhost/"}], 1]}, "no files"),
        ({"data": [[[1]], 1]}, "no files"),
        ({"data": "text"}, "not a list"), ({"data": {}}, "not a list"), ({"data": [1] * 1001}, "not a list"),
        ({"data": ["x"]}, "is missing"), ({"data": None}, "is missing"), ({"data": [1, 2, 3]}, "3 values for 2"),
        ({"data": ["\ud800", 1]}, "half a character"), ({"data": [["\udfff"], 1]}, "half a character"),
        ({"fn_index": 99}, "no such function"), ({"fn_index": 3}, "no such function"), ({"fn_index": "1"}, "whole"),
        ({"fn_index": True}, "whole"), ({"fn_index": 1.0}, "whole"), ({"fn_index": None}, "whole"),
        ({"fn_index": [1]}, "whole"), ({"fn_index": -1}, "no such function"),
        ({"session_hash": None}, "session_hash"), ({"session_hash": 3}, "session_hash"),
        ({"session_hash": ""}, "session_hash"), ({"session_hash": "a" * 65}, "session_hash"),
        ({"session_hash": "\ud800"}, "session_hash"), ({"session_hash": "a\n"}, "session_hash"),
        ({"trigger_id": "x"}, "whole"), ({"trigger_id": [1]}, "whole"),
        ({"fn_index": 2, "data": ["x"]}, "event_data"), ({"fn_index": 2, "data": ["x"], "event_data": 1}, "event_data"),
        ({"fn_index": 2, "data": ["x"], "event_data": {"index": "1"}}, "event_data"),
        ({"fn_index": 2, "data": ["x"], "event_data": {"index": -1}}, "event_data"),
        ({"fn_index": 2, "data": ["x"], "event_data": {"index": [1, 2]}}, "event_data"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_call_is_said(calls, changes, message):
    assert message in _refused(calls.join, _join(**changes))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"), (b"{", "not JSON"), (b"\xff\xfe", "not JSON"), (b"[" * 60_000, "not JSON"),
        (b'{"a":' * 10_000, "not JSON"), ('{"a": 1}'.encode("utf-16"), "not JSON"), (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[1]", "not a JSON object"), (b"null", "not a JSON object"), (b'"x"', "not a JSON object"),
        (b'{"a": 1, "a": 2}', "twice"), (b'{"a": {"b": 1, "b": 1}}', "twice"),
        (b'{"a": NaN}', "JSON number"), (b'{"a": [-Infinity]}', "JSON number"), (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too large"), (b'{"a": -' + b"9" * 25 + b"}", "too large"),
    ],
)  # fmt: skip
def test_bodies_are_strict_json(body, message):
    assert message in _refused(parsed, body)


def test_numbers_of_seeds_are_not_too_large():
    assert parsed(b'{"a": 18446744073709551615, "b": -0.5e-3}') == {"a": (1 << 64) - 1, "b": -0.0005}
    assert repr(parsed(b'{"a": 100000000000000000000}')) == "{'a': 1e+20}"  # which the check of the seed refuses


def test_calls_by_name_take_a_list_or_parameters(calls):
    assert calls.named("sample", b'{"data": ["m"]}', False) == {"data": ["m", 16, None]}
    assert calls.named("sample", b'{"model": "m", "label": "x"}', True) == {"data": ["m", 16, "x"]}
    assert "no such parameter" in _refused(calls.named, "sample", b'{"model": "m", "x": 1}', True)
    assert "model is missing" in _refused(calls.named, "sample", b'{"n": 1}', True)
    assert "no files" in _refused(calls.named, "sample", b'{"model": {"path": "x"}}', True)
    assert "no such function" in _refused(calls.named, "lambda", b'{"data": []}', False)
    assert "session_hash" in _refused(calls.named, "sample", b'{"data": ["m"], "session_hash": 1}', False)


def test_cancelling_and_forgetting_name_sessions_and_events():
    about = {"session_hash": "a", "event_id": "b", "fn_index": 0}
    assert cancelled(json.dumps(about | {"x": 1}).encode()) == about
    for changes in ({"session_hash": "\ud800"}, {"event_id": None}, {"event_id": ["b"]}, {"fn_index": "0"}):
        _refused(cancelled, json.dumps(about | changes).encode())
    assert reset(b'{"event_id": "b"}') == {"event_id": "b"}
    for body in (b'{"event_id": 3}', b'{"a": "\\ud800"}'):
        assert "event_id" in _refused(reset, body)


# ------------------------------------------------------------------------------------------------- the gate itself


class Inside:
    """The application behind the gate: keeps the scope and the body that reached it, and answers, or fails."""

    def __init__(self):
        self.scope, self.body, self.error, self.status = None, b"", None, 200

    async def __call__(self, scope, receive, send) -> None:
        self.scope, self.body = scope, (await receive())["body"]
        if self.status:
            await send({"type": "http.response.start", "status": self.status, "headers": []})
            await send({"type": "http.response.body", "body": b"inside"})
        if self.error:
            raise self.error


@pytest.fixture
def inside():
    return Inside()


@pytest.fixture
def ask(blocks, inside, tmp_path, monkeypatch):
    """Sends one request through a gate; its status and text."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = Store(10**6)
    page = SimpleNamespace(
        blocks=blocks.blocks, fns=blocks.fns, _queue=blocks._queue, app=SimpleNamespace(startup_events_triggered=True)
    )
    through = Gate(inside, page, store, Sessions(blocks._queue), Connections(8, 100), root_path="/zoo")

    def ask(method: str, target: str, *headers: tuple[str, str], body: bytes = b""):
        address, _, query = target.partition("?")
        inside.scope, messages, answers = None, [{"type": "http.request", "body": body, "more_body": False}], []
        scope = {
            "type": "http", "method": method, "path": address, "query_string": query.encode("latin-1"),
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in (("Host", "x"), *headers)],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "raw_path": b"",
        }  # fmt: skip

        async def receive():
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message):
            answers.append(message)

        asyncio.run(through(scope, receive, send))
        text = b"".join(message.get("body", b"") for message in answers).decode()
        return answers[0]["status"], text

    ask.store = store
    yield ask
    store.close()


JSON = ("Content-Type", "application/json")
CALL = b'{"data": ["m"]}'


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/"), ("HEAD", "/"), ("GET", "/config"), ("GET", "/theme.css"), ("GET", "/assets/index-a_B.js"),
        ("GET", "/static/img/logo.svg"), ("GET", "/health"), ("HEAD", "/health"), ("GET", "/zoo"),
        ("GET", "/gradio_api/info?serialize=False"), ("GET", "/gradio_api/heartbeat/abc"), ("GET", "/zoo/config"),
    ],
)  # fmt: skip
def test_what_the_page_needs_gets_through(ask, inside, method, target):
    assert ask(method, target) == (200, "inside")
    assert not inside.scope["path"].startswith("/zoo")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/gradio_api/startup-events", 404), ("GET", "/nothing", 404), ("GET", "/gradio_api", 404),
        ("GET", "//health", 404), ("GET", "/health/", 404), ("GET", "http://x/health", 404), ("OPTIONS", "*", 404),
        ("GET", "/assets/../app.py", 404), ("GET", "/assets/a\x00b", 404), ("GET", "/static/" + "a" * 300, 404),
        ("GET", "/assets/", 404), ("GET", "/assets/.env", 404), ("GET", "/gradio_api/file=/etc/passwd", 404),
        ("GET", "/gradio_api/file=" + "x" * 300, 404), ("GET", "/gradio_api/file=\x00", 404),
        ("GET", "/gradio_api/file=a\ud800", 404), ("GET", "/gradio_api/heartbeat/a\nb", 404),
        ("GET", "/health\n", 404),
        ("GET", "/" + "x" * 3000, 414), ("GET", "/?" + "x" * 9000, 414),
        ("GET", "/gradio_api/call/sample/nothing", 404), ("DELETE", "/config", 405),
        ("GET", "/gradio_api/queue/data?session_hash=nothing", 404), ("GET", "/gradio_api/queue/data", 404),
        ("POST", "/health", 405), ("PUT", "/gradio_api/queue/join", 405), ("TRACE", "/", 405),
        ("OPTIONS", "/", 405), ("X", "/", 405), ("GET", "/gradio_api/queue/join", 405), ("HEAD", "/config", 405),
        ("POST", "/gradio_api/upload", 404), ("POST", "/gradio_api/call/sample", 415),
        ("POST", "/gradio_api/cancel", 415),
    ],
)  # fmt: skip
def test_everything_else_is_one_line(ask, inside, method, target, status):
    found, text = ask(method, target)
    assert found == status
    assert inside.scope is None
    assert "\n" not in json.loads(text)["error"]


@pytest.mark.parametrize(
    "header",
    [
        ("Host", "["), ("Host", "a b"), ("Host", "\xff"), ("Host", "user@x"), ("Host", "x:y"), ("Host", "x/y"),
        ("X-Forwarded-Host", "http://["), ("X-Forwarded-Host", "x y, z"), ("Origin", "http://["),
        ("Origin", "javascript:1"),
    ],
)  # fmt: skip
def test_headers_that_name_no_host_are_refused(ask, header):
    assert ask("GET", "/", header)[0] == 400


def test_headers_and_queries_that_gradio_trips_over_are_left_out(ask, inside):
    odd = [("Range", "bytes=0-1-2"), ("X-Gradio-Server", "http://["), ("Origin", "http://a.example:80"), ("Host", "")]
    assert ask("GET", "/?page=nothing&deep_link=x&__theme=dark", *odd)[0] == 200
    assert inside.scope["query_string"] == b""
    names = [name for name, _ in inside.scope["headers"]]
    assert b"range" not in names
    assert b"x-gradio-server" not in names
    assert dict(inside.scope["headers"])[b"host"]


def test_the_query_of_the_page_reaches_its_functions(ask, inside):
    target = "/gradio_api/queue/join?model=contragan/digits&seed=7&x=%ED%A0%80&x=%00"
    body = json.dumps({"fn_index": 0, "session_hash": "a", "data": ["m"]}).encode()
    assert ask("POST", target, JSON, body=body)[0] == 200
    assert b"model=contragan%2Fdigits&seed=7" in inside.scope["query_string"]


def test_a_call_arrives_with_its_defaults_and_its_length(ask, inside):
    for address in ("/gradio_api/call/sample", "/zoo/gradio_api/call/sample/"):
        assert ask("POST", address, JSON, ("Content-Length", "15"), body=CALL)[0] == 200
        assert json.loads(inside.body) == {"data": ["m", 16, None]}
        assert dict(inside.scope["headers"])[b"content-length"] == str(len(inside.body)).encode()
    assert ask("POST", "/gradio_api/call/v2/sample", JSON, body=b'{"model": "m"}')[0] == 200
    assert inside.scope["path"] == "/gradio_api/call/sample"
    assert ask("POST", "/gradio_api/call/sample", JSON, body=b"x" * 70_000)[0] == 422
    assert ask("POST", "/gradio_api/call/sample", ("Content-Type", "text/plain"), body=CALL)[0] == 415
    assert (
        ask("POST", "/gradio_api/call/sample", ("Content-Type", "application/json; charset=utf-8"), body=CALL)[0] == 200
    )


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(gate, "REQUEST_SECONDS", 0.05)

    async def receive():
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def gone():
        return {"type": "http.disconnect"}

    for source, status in ((receive, 408), (gone, 400)):
        with pytest.raises(Refused) as caught:
            asyncio.run(gate._read(source))
        assert caught.value.status == status


def test_files_of_results_alone_are_served(ask, inside):
    (path,) = ask.store.keep({"a.png": b"x"})
    assert ask("GET", f"/gradio_api/file={path}")[0] == 200
    assert inside.scope["path"] == f"/gradio_api/file={path}"
    folder = ask.store.root
    for other in (folder, folder.parent / "owner.json", f"{path}/", f"{folder}/./{path[len(str(folder)) + 1 :]}"):
        assert ask("GET", f"/gradio_api/file={other}")[0] == 404


def test_pages_of_other_sites_may_ask(ask, inside):
    asked = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "POST")]
    assert ask("OPTIONS", "/gradio_api/queue/join", *asked)[0] == 200


@pytest.mark.parametrize("status", [0, 500])
def test_a_fault_inside_is_one_line_for_the_log_and_one_for_the_caller(ask, inside, status, monkeypatch):
    lines = []
    monkeypatch.setattr(logs._logger, "log", lambda level, line: lines.append(json.loads(line)))
    inside.status, inside.error = status, ValueError("deep\ninside")
    found, text = ask("GET", "/config")
    assert found == 500
    (line,) = lines
    assert line["reference"] in json.loads(text)["error"]
    assert "deep" not in text
    assert line["error"] == "ValueError: deep inside"
    assert "test_demo_gate.py" in line["where"][0]
    assert line["path"] == "/config"


def test_an_answer_of_a_fault_is_no_answer(ask, inside, monkeypatch):
    lines = []
    monkeypatch.setattr(logs._logger, "log", lambda level, line: lines.append(line))
    inside.status = 500
    found, text = ask("GET", "/config")
    assert found == 500
    assert "something went wrong" in json.loads(text)["error"]
    assert "answered 500" in lines[0]


def test_results_are_forgotten_once_heard_or_when_nobody_comes():
    queue = SimpleNamespace(
        pending_messages_per_session=dict.fromkeys("abcd"),
        pending_event_ids_session={"a": set(), "b": {"1"}, "c": {"2"}, "d": {"3"}},
        event_ids_to_events={"3": SimpleNamespace(session_hash="d")},
    )
    sessions = Sessions(queue)
    assert [sessions.session_of(event) for event in "134"] == ["b", "d", None]
    assert [sessions.has(session) for session in "ae"] == [True, False]
    with sessions.listening("a"):
        with sessions.listening("a"):
            pass
        assert sessions.has("a")  # another one listens
    assert not sessions.has("a")
    queue.pending_event_ids_session["d"] = set()
    with sessions.listening("d"):
        pass
    with sessions.listening("b"):
        sessions.forget_left(0)
        sessions.forget_left(0)
    assert (sessions.has("b"), sessions.has("c"), sessions.has("d")) == (True, False, True)
    sessions.forget_left(0)
    sessions.forget_left(60)
    assert sessions.has("b")
    sessions.forget_left(0)
    assert not sessions.has("b")
    assert queue.pending_event_ids_session == {"d": set()}  # it was cancelled, and is computed still


def test_names_of_routes_are_bounded():
    for path in ("/assets/" + "a/" * 9 + "a", "/gradio_api/call/" + "x" * 65, "/gradio_api/heartbeat/"):
        assert not routes.find(path)
