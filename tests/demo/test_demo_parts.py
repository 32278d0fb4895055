"""The demo without a server: what requests may say, links, snippets, models in memory, workers, the gate."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import zoo
from zoo import ZooError
from zoo.checkpoints import weights
from zoo.demo import links, models, scoring, snippets, validation
from zoo.demo.models import ModelCache
from zoo.demo.settings import Settings
from zoo.demo.workers import BusyError, CancelledError, Job, TooSlowError, Worker, Workers
from zoo.schema import registry

SETTINGS = Settings()

# ------------------------------------------------------------------------------------------------------ validation


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("contragan/digits", "contragan/digits"),
        ("ContraGAN-Digits", "contragan/digits"),
        (" contragan/digits ", "contragan/digits"),
        ("contragan/digits@zoo", "contragan/digits"),
    ],
)
def test_models_go_by_any_spelling_of_their_names(spelling, name):
    assert validation.model(spelling)[1] == name


def test_a_tag_that_is_not_the_default_stays():
    assert validation.model("contragan/cifar10@studiogan-hub")[1] == "contragan/cifar10@studiogan-hub"


@pytest.mark.parametrize(
    "value",
    [
        None, "", " ", 3, True, float("nan"), [], ["contragan/digits"], {"path": "/etc/passwd"}, b"contragan/digits",
        "../contragan/digits", "/contragan/digits", "./contragan/digits", "contragan//digits", "contragan\\digits",
        "~/contragan/digits", "~", ".", "./digits", "hf://user/repo", "hf://contragan/digits", "/etc/passwd",
        "file:///etc/passwd", "https://example.org/x", "contragan/digits\x00",
        "contragan/digits\n", "contragan/digits@", "contragan/digits@../zoo", "contragan/digits@nothing", "nothing",
        "x" * 10_000_000,
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused_in_one_short_line(value):
    if value == "contragan/digits\n":  # white space around a name is not part of it
        assert validation.model(value)[1] == "contragan/digits"
        return
    with pytest.raises(ZooError) as caught:
        validation.model(value)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_an_exported_folder_is_no_model_of_the_demo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mine" / "digits"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(zoo.info("contragan/digits").to_json())
    for name in ("mine/digits", str(folder)):
        with pytest.raises(ZooError):
            validation.model(name)


@pytest.fixture
def shadowed(tmp_path, monkeypatch):
    """A working directory with an untrained model in a folder that is called as a registered one."""
    zoo.load("contragan/digits", weights="random").save_pretrained(tmp_path / "contragan" / "digits")
    monkeypatch.chdir(tmp_path)
    return "contragan/digits"


def test_a_folder_of_a_models_name_is_not_looked_at(shadowed):
    found = models.find_model(shadowed)
    assert found.tag == "zoo"
    assert found.path == weights.bundled_path(registry.config(shadowed).weights[0].bundled)
    loaded = models.load(shadowed, "cpu").sample(2, label=3, seed=0)
    (Path("contragan/digits") / "config.json").unlink()
    assert (loaded.uint8 == zoo.load(shadowed).sample(2, label=3, seed=0).uint8).all()
    for path in ("./contragan/digits", str(Path("contragan/digits").resolve()), "hf://contragan/digits"):
        with pytest.raises(ZooError, match="not a path"):
            validation.model(path)


def test_what_is_evaluated_is_the_registered_model_too(shadowed, monkeypatch):
    class StoppedError(Exception):
        pass

    def evaluate(source, metrics, **options):
        raise StoppedError(source)

    monkeypatch.setattr(zoo, "evaluate", evaluate)
    monkeypatch.setattr(scoring, "require", lambda asked: (asked.metrics, None))
    worker = Worker("cpu", ModelCache(str.upper, 1), max_waiting=1)
    asked = scoring.request(SETTINGS, shadowed, ["kid"], 50, "efficientnet-lite0", "clean")
    with pytest.raises(StoppedError) as caught:
        scoring.evaluate(_job(None), worker, asked)
    worker.close()
    subject = caught.value.args[0].subject
    assert (subject.name, subject.tag) == (shadowed, "zoo")
    assert subject.weights_sha256 == registry.config(shadowed).weights[0].sha256
    with pytest.raises(ZooError, match="not a path"):
        scoring.request(SETTINGS, f"./{shadowed}", ["kid"], 50, "efficientnet-lite0", "clean")


@pytest.mark.parametrize("value", [0, 257, -1, 1.5, True, "16", None, float("nan"), float("inf"), 1e300, [4], {}])
def test_counts_are_whole_numbers_within_bounds(value):
    with pytest.raises(ZooError, match=r"n is .*from 1 to 256"):
        validation.sample(SETTINGS, "contragan/digits", value)


@pytest.mark.parametrize("value", [-1, 1 << 64, 0.5, "7", True, float("nan"), [1]])
def test_seeds_are_whole_numbers(value):
    with pytest.raises(ZooError, match="seed"):
        validation.sample(SETTINGS, "contragan/digits", 4, None, value)


@pytest.mark.parametrize("value", [0.0, 0.01, -1, "0.5", True, float("nan"), float("inf"), float("-inf"), [0.5], 1e9])
def test_truncation_is_a_number_that_can_be_drawn(value):
    with pytest.raises(ZooError, match="truncation"):
        validation.sample(SETTINGS, "contragan/digits", 4, None, 0, value)


@pytest.mark.parametrize(
    "value", ["ship", 10, -1, 1e30, float("nan"), True, {"a": 1}, [[1]], [None], ["1", "x" * 1000], list(range(300))]
)
def test_labels_are_classes_of_the_model(value):
    with pytest.raises(ZooError):
        validation.sample(SETTINGS, "contragan/digits", 4, value)


def test_labels_of_a_model_without_classes_are_refused():
    for value in (0, "3", "all", [1]):
        with pytest.raises(ZooError, match="unconditional"):
            validation.sample(SETTINGS, "infomax-gan/digits", 4, value)
    assert validation.sample(SETTINGS, "infomax-gan/digits", 4, []).label is None


def test_labels_are_spread_as_on_the_command_line():
    request = validation.sample(SETTINGS, "contragan/digits", 5, ["7", 2, 2.0], 0)
    assert request.classes == (7, 2)
    assert request.label == [7, 7, 7, 2, 2]
    assert validation.sample(SETTINGS, "contragan/digits", 20, "all", 0).label == [i // 2 for i in range(20)]
    assert validation.sample(SETTINGS, "contragan/digits", 5, "7", 0).label == 7
    with pytest.raises(ZooError, match="10 classes do not fit into 9"):
        validation.sample(SETTINGS, "contragan/digits", 9, "all", 0)


def test_no_seed_is_a_fresh_one():
    seeds = {validation.sample(SETTINGS, "contragan/digits", 1).seed for _ in range(4)}
    assert len(seeds) > 1


# -------------------------------------------------------------------------------------------------- links and lines


@pytest.mark.parametrize(
    ("label", "truncation", "columns"), [(None, None, None), ("all", 0.7, 5), (["3", "8"], None, 10), (7, 1.5, None)]
)
def test_a_link_restores_its_request(label, truncation, columns):
    from urllib.parse import parse_qsl

    request = validation.sample(SETTINGS, "contragan/digits", 20, label, 1 << 40, truncation)
    query = dict(parse_qsl(links.query(request, columns).removeprefix("?")))
    view, problems = links.parse(query, SETTINGS)
    assert not problems
    assert (view.model, view.n, view.seed, view.truncation, view.columns) == (
        request.model, 20, 1 << 40, truncation, columns,
    )  # fmt: skip
    assert view.label == request.classes


def test_class_names_with_commas_and_doubles_survive_a_link():
    config = zoo.info("contragan/imagenet128")
    names = zoo.schema.labels.class_names(config)
    doubled = next(i for i, name in enumerate(names) if names.count(name) > 1)
    request = validation.Sample(config, config.name, 4, (0, doubled), 0, None)
    view, problems = links.parse({"model": config.name, "label": ",".join(request.words)}, SETTINGS)
    assert view.label == (0, doubled)
    assert not problems


def test_a_link_that_is_partly_wrong_restores_the_rest():
    query = {"model": "contragan/digits", "seed": "x", "label": "ship", "n": "1e9", "truncation": "nan", "tab": "<b>"}
    view, problems = links.parse(query, SETTINGS)
    assert view.model == "contragan/digits"
    assert view == links.View(model=view.model, config=view.config)
    assert len(problems) == 5
    assert links.parse({"model": "x" * 5000}, SETTINGS)[1] == [
        "the link is too long and was ignored; use a shorter one"
    ]
    assert "not a path" in links.parse({"model": "../../etc/passwd"}, SETTINGS)[1][0]


@pytest.mark.parametrize("label", [None, 7, "all", [3, 8]])
def test_the_lines_on_the_page_make_the_same_pictures(label, tmp_path, monkeypatch):
    from PIL import Image
    from typer.testing import CliRunner

    from zoo.cli.app import app

    monkeypatch.chdir(tmp_path)
    request = validation.sample(SETTINGS, "contragan/digits", 12, label, 5, 0.9)
    expected = np.asarray(zoo.load("contragan/digits").sample(12, request.label, 5, 0.9).grid(4))
    exec(snippets.python(request, 4), {})
    assert (np.asarray(Image.open("contragan-digits.png")) == expected).all()
    (tmp_path / "contragan-digits.png").unlink()
    import shlex

    result = CliRunner().invoke(app, shlex.split(snippets.command(request, 4))[1:])
    assert result.exit_code == 0, result.output
    assert (np.asarray(Image.open("contragan-digits.png")) == expected).all()


# ------------------------------------------------------------------------------------------------ models and workers


def test_the_least_recently_used_model_goes_before_the_next_comes():
    alive, most = set(), []

    class Model:
        def __init__(self, name):
            self.name = name
            alive.add(name)
            most.append(len(alive))

        def __del__(self):
            alive.discard(self.name)

    cache = ModelCache(Model, 2)
    for name in "abac":
        cache.get(name)
    assert cache.names == ["a", "c"]
    assert "b" not in cache
    cache.get("d")
    assert cache.names == ["c", "d"]
    assert max(most) == 2  # never one more, not even while loading


def test_a_model_that_does_not_load_leaves_the_cache_as_it_can_be():
    def load(name):
        raise ZooError(name)

    cache = ModelCache(load, 1)
    with pytest.raises(ZooError):
        cache.get("a")
    assert cache.names == []


@pytest.fixture
def worker():
    found = Worker("cpu", ModelCache(str.upper, 2), max_waiting=3)
    yield found
    found.close()


def _job(work, seconds=60.0, long=False) -> Job:
    return Job(lambda job, worker: work(job), seconds, long)


def _started(worker, held: threading.Event) -> Job:
    """A job that runs until `held` is set."""
    running = threading.Event()
    job = worker.submit(_job(lambda job: running.set() or held.wait(30)))
    assert running.wait(30)
    return job


def test_jobs_run_one_after_the_other_in_order(worker):
    order, held = [], threading.Event()
    first = _started(worker, held)
    others = [worker.submit(_job(lambda job, i=i: order.append(i))) for i in range(3)]
    with pytest.raises(BusyError, match="try again"):
        worker.submit(_job(lambda job: None))
    assert [job.position for job in others] == [1, 2, 3]
    held.set()
    for job in (first, *others):
        job.outcome.result(30)
    assert order == [0, 1, 2]


def test_a_waiting_job_that_is_cancelled_never_begins(worker):
    held, ran = threading.Event(), []
    _started(worker, held)
    job = worker.submit(_job(lambda job: ran.append(1)))
    job.cancel()
    assert job.outcome.cancelled()
    assert worker.waiting == 0
    held.set()
    worker.submit(_job(lambda job: None)).outcome.result(30)
    assert not ran


def _endless(job):
    while True:
        job.report(1, 2, "on and on")
        time.sleep(0.001)


def test_a_running_job_ends_at_its_next_report_once_cancelled(worker):
    job = worker.submit(_job(_endless))
    while not job.progress.text:
        time.sleep(0.001)
    job.cancel()
    with pytest.raises(CancelledError):
        job.outcome.result(30)
    assert worker.submit(_job(lambda job: 7)).outcome.result(30) == 7


def test_a_job_has_so_much_time(worker):
    with pytest.raises(TooSlowError, match=r"longer than the 0\.05 s"):
        worker.submit(_job(_endless, seconds=0.05)).outcome.result(30)


def test_an_error_is_the_callers_and_the_worker_lives(worker):
    for error in (ValueError("x"), SystemExit(1)):

        def fail(job, error=error):
            raise error

        with pytest.raises(type(error)):
            worker.submit(_job(fail)).outcome.result(30)
    assert worker.health()["alive"]
    assert worker.submit(_job(lambda job: 7)).outcome.result(30) == 7


def test_a_long_job_lets_short_ones_go_first(worker):
    release, order = threading.Event(), []

    def long(job):
        while not release.is_set():
            job.report(1, 2)
            time.sleep(0.001)
        order.append("long")

    slow = worker.submit(_job(long, long=True))
    worker.submit(_job(lambda job: order.append("short"))).outcome.result(30)
    release.set()
    slow.outcome.result(30)
    assert order == ["short", "long"]


def test_a_job_goes_where_its_model_is():
    workers = [Worker(f"cpu:{i}", ModelCache(str.upper, 2), 4) for i in range(2)]
    both = Workers(workers)
    workers[1].models.get("a")
    used = [both.submit(Job(lambda job, worker: worker.device, 60), "a").outcome.result(30) for _ in range(4)]
    both.close()
    assert used == ["cpu:1"] * 4


@pytest.mark.parametrize(
    "wrong", [{"max_images": 0}, {"max_steps": 1}, {"max_models": 0}, {"max_seconds": float("nan")}]
)
def test_bounds_must_be_bounds(wrong):
    with pytest.raises(ZooError, match=next(iter(wrong))):
        Settings(**wrong)


def test_proxies_are_those_of_the_setting_the_environment_or_the_place(monkeypatch):
    for name in ("FORWARDED_ALLOW_IPS", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    assert Settings().trusted_proxies() == "127.0.0.1,::1"
    monkeypatch.setenv("SPACE_ID", "me/zoo")
    assert "10.0.0.0/8" in Settings().trusted_proxies()
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "192.0.2.1")
    assert Settings().trusted_proxies() == "192.0.2.1"
    assert Settings(proxies="").trusted_proxies() == ""


def test_the_files_of_a_space():
    pytest.importorskip("gradio")
    from zoo.demo import space_files

    found = space_files("contrastive-gan-zoo[demo,eval] @ git+https://example.org/zoo@abc")
    assert set(found) == {"README.md", "requirements.txt", "app.py"}
    head = found["README.md"].decode().split("---\n")[1]
    facts = dict(line.split(": ", 1) for line in head.splitlines())
    assert facts["sdk"] == "gradio"
    assert facts["app_file"] == "app.py"
    compile(found["app.py"], "app.py", "exec")
    assert b"contrastive-gan-zoo[demo,eval]" in found["requirements.txt"]


def test_a_space_installs_a_wheel_that_it_holds_or_the_installed_commit(tmp_path, monkeypatch):
    """On no index is there a distribution of this name."""
    pytest.importorskip("gradio")
    from zoo.common import package_data
    from zoo.demo import space_files
    from zoo.release import space

    found = space_files(repo_id="me/gans")
    (name,) = set(found) - {"README.md", "requirements.txt", "app.py"}
    address = f"contrastive-gan-zoo[demo,eval] @ https://huggingface.co/spaces/me/gans/resolve/main/{name}"
    assert address in found["requirements.txt"].decode().splitlines()
    with zipfile.ZipFile(io.BytesIO(found[name])) as wheel:
        names = wheel.namelist()
        assert wheel.testzip() is None
        record = [line.rsplit(",", 2)[0] for line in wheel.read(names[-1]).decode().splitlines()]
        assert (
            wheel.read("zoo/hub_configs/contragan/digits.json")
            == (package_data.top_folder("hub_configs") / "contragan" / "digits.json").read_bytes()
        )
    assert record == names
    assert {"zoo/__init__.py", "training/__init__.py", "zoo/checkpoints/bundled/contragan-digits.safetensors"} <= {
        *names
    }
    with pytest.raises(ZooError, match="--requirement"):
        space_files(repo_id="me/gans", private=True)
    origin = {"url": "https://example.org/zoo", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
    monkeypatch.setattr(
        space.metadata,
        "distribution",
        lambda name: SimpleNamespace(version="6", read_text=lambda _: json.dumps(origin)),
    )
    assert b"contrastive-gan-zoo[demo,eval] @ git+https://example.org/zoo@abc\n" in space_files()["requirements.txt"]


def test_the_space_can_be_looked_at_before_it_is_published(command):
    result = command("publish", "--space", "--dry-run", "--requirement", "zoo @ git+https://example.org/zoo")
    assert result.returncode == 0, result.stderr
    assert all(name in result.stdout for name in ("app.py", "requirements.txt", "sdk: gradio"))
    assert command("publish", "--space", "contragan/digits", "--to", "me/x").returncode == 2
    assert command("publish", "contragan/digits").returncode == 2


@pytest.mark.parametrize("host", ["bad host", "a" * 300, "203.0.113.7"])
def test_an_address_that_is_not_this_machines_is_refused_at_once(host):
    from zoo.demo import server

    with pytest.raises(
        ZooError, match=r"the demo cannot listen on .*give an address of this machine, such as 0\.0\.0\.0"
    ):
        server._check_host(host)
    for usual in (None, "127.0.0.1", "localhost"):
        server._check_host(usual)
