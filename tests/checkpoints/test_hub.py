"""Weights on the Hugging Face Hub: the real client against a stand-in, with every fault that a network has."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
from pathlib import Path

import checkpoints
import children
import pytest
import stand_in_hub
from stand_in_hub import MAIN, Fault, Repository

from zoo.checkpoints import hub
from zoo.common import files
from zoo.common.errors import ConfigError, ZooError
from zoo.schema import registry
from zoo.schema.config import ModelConfig
from zoo.schema.entries import HubFile

REPO = "someone/small-gan"
SEEN = "model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An exported folder's files, a megabyte of weights."""
    config = checkpoints.narrow("sngan/cifar10", width=64)
    path = tmp_path_factory.mktemp("exported") / SEEN
    files.save(path, checkpoints.random_state(config))
    return {"config.json": config.to_json().encode(), SEEN: path.read_bytes()}


@pytest.fixture
def place(folder, tmp_path):
    """(environment of a child, the stand-in's state, a config whose weights are there)."""
    with stand_in_hub.hub() as (address, state):
        state.repositories[REPO] = Repository(dict(folder))
        environment = {
            "HF_ENDPOINT": address,
            "HF_HOME": str(tmp_path / "hf"),
            "ZOO_CACHE": str(tmp_path / "cache"),
            "NO_PROXY": "127.0.0.1",
        }
        sha256 = hashlib.sha256(folder[SEEN]).hexdigest()
        config = checkpoints.with_weights(
            ModelConfig.from_dict(json.loads(folder["config.json"])),
            hub={"repo_id": REPO, "revision": MAIN, "sha256": sha256},
        )
        yield environment, state, config


# ------------------------------------------------------------------------------------------------ in other processes


def _locate(config: ModelConfig) -> str:
    from zoo.checkpoints import weights

    return str(weights.locate(config))


def _sample(name: str | ModelConfig, **options) -> list[int]:
    import torch

    import zoo

    torch.set_num_threads(1)
    if isinstance(name, ModelConfig):
        name = zoo.register(name, replace=True)
    return zoo.load(name, device="cpu", **options).sample(2, seed=0).uint8.flatten().tolist()


# ------------------------------------------------------------------------------------------------------- what works


def test_a_tag_on_the_hub_is_fetched_once_and_then_needs_no_network(place):
    environment, state, config = place
    first = children.run(_sample, config, environment=environment)
    assert first.error is None, first.message
    assert state.sent.count(SEEN) == 1
    asked = len(state.requests)
    for offline in ("HF_HUB_OFFLINE", "ZOO_OFFLINE"):
        assert children.run(_sample, config, environment={**environment, offline: "1"}).value == first.value
    assert children.run(_sample, config, environment=environment).value == first.value, "a pinned commit"
    assert len(state.requests) == asked, "nobody was asked again"


def test_anybodys_folder_is_a_name(place, tmp_path, folder):
    environment, state, _ = place
    (tmp_path / "local").mkdir()
    for name, data in folder.items():
        (tmp_path / "local" / name).write_bytes(data)
    expected = children.run(_sample, str(tmp_path / "local"), environment=environment).value
    for name in (f"hf://{REPO}", f"hf://{REPO}@main", f"hf://{REPO}@{MAIN}"):
        outcome = children.run(_sample, name, environment=environment)
        assert outcome.error is None, outcome.message
        assert outcome.value == expected
    assert state.sent.count(SEEN) == 1
    offline = children.run(_sample, f"hf://{REPO}", environment={**environment, "HF_HUB_OFFLINE": "1"})
    assert offline.value == expected


def _from_pretrained(name: str, token: str | None = None) -> str:
    import zoo

    return zoo.GAN.from_pretrained(name, token=token).config.name


def test_from_pretrained_takes_a_repository_and_a_folder(place, tmp_path, folder):
    environment, state, _ = place
    assert children.run(_from_pretrained, REPO, environment=environment).value == "sngan/cifar10"
    state.repositories[REPO].gated, state.repositories[REPO].token = True, "reader"
    fresh = {**environment, "HF_HOME": str(tmp_path / "other")}
    assert children.run(_from_pretrained, REPO, environment=fresh).error == "WeightsUnavailableError"
    assert children.run(_from_pretrained, REPO, "reader", environment=fresh).value == "sngan/cifar10"


def _sha256(config: ModelConfig) -> str:
    from zoo.checkpoints import weights

    return files.sha256(weights.locate(config))


def test_eight_processes_make_one_download(place):
    environment, state, config = place
    state.pace = 0.02
    running = [children.Child(_sha256, config, environment=environment) for _ in range(8)]
    outcomes = [child.result() for child in running]
    assert {outcome.value for outcome in outcomes} == {config.weights[0].hub.sha256}, outcomes[0].message
    assert state.sent.count(SEEN) == 1


def test_a_cut_connection_is_resumed(place):
    environment, state, config = place
    body = os.urandom(25_000_000)  # the client keeps what it has in blocks of ten million bytes
    state.repositories[REPO].files[SEEN] = body
    sha256 = hashlib.sha256(body).hexdigest()
    config = checkpoints.with_weights(config, hub={"repo_id": REPO, "revision": MAIN, "sha256": sha256})
    state.faults.append(Fault(stand_in_hub.cut(24_000_000)))
    outcome = children.run(_sha256, config, environment=environment)
    assert outcome.value == sha256, outcome.message
    (resumed,) = [asked for method, _, asked in state.requests if method == "GET" and asked]
    assert int(resumed.removeprefix("bytes=").removesuffix("-")) >= 10_000_000, "the rest and not all of it"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_busy_server_is_asked_again(place, method):
    environment, state, config = place
    state.faults.append(Fault(stand_in_hub.status(429, Retry_After="0"), method=method))
    outcome = children.run(_sha256, config, environment=environment)
    assert outcome.value == config.weights[0].hub.sha256, outcome.message


# ------------------------------------------------------------------------------------------------------ what does not


def _fails(outcome: children.Outcome, *words: str, error: str = "WeightsUnavailableError") -> None:
    assert outcome.error == error, outcome
    assert "\n" not in outcome.message
    for word in words:
        assert word in outcome.message


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(stand_in_hub.other_length, times=-1), ["incomplete", "run the same command again"]),
        (Fault(stand_in_hub.status(500, Retry_After="0"), times=-1), ["HTTP 500", "try again later"]),
        (Fault(stand_in_hub.status(503, Retry_After="0"), method="HEAD", times=-1), ["HTTP 503", "try again later"]),
        (Fault(stand_in_hub.status(429, Retry_After="0"), method="HEAD", times=-1), ["HTTP 429", "HF_TOKEN"]),
        (Fault(stand_in_hub.status(404), method="HEAD", times=-1), ["not on the Hub", "check the name"]),
    ],
    ids=["wrong length", "500", "503", "429", "404"],
)
def test_a_fault_that_stays_is_one_line(place, fault, words):
    environment, state, config = place
    state.faults.append(fault)
    _fails(children.run(_locate, config, environment=environment), "sngan/cifar10@test is not on this machine", *words)
    assert not _weights_in(environment)


def test_a_repository_that_is_not_there_or_not_for_us(place):
    environment, state, config = place
    state.repositories[REPO].token = "reader"
    _fails(children.run(_locate, config, environment=environment), "not on the Hub, or you have no access", "HF_TOKEN")
    with_token = {**environment, "HF_TOKEN": "reader"}
    assert children.run(_locate, config, environment=with_token).error is None
    state.repositories["someone/gated"] = Repository({}, token="reader", gated=True)
    words = ["is gated", "accept its terms", "/someone/gated"]
    _fails(children.run(_sample, "hf://someone/gated", environment=environment), *words)
    _fails(children.run(_sample, "hf://someone/nothing", environment=environment), "check the name")
    _fails(children.run(_sample, f"hf://{REPO}@v9", environment=with_token), "no revision v9")
    state.repositories["someone/empty"] = Repository({})
    _fails(children.run(_sample, "hf://someone/empty", environment=environment), "no file config.json")


def test_no_network_is_one_line_at_once(place):
    environment, _, config = place
    nobody = {**environment, "HF_ENDPOINT": "http://127.0.0.1:9"}
    _fails(children.run(_locate, config, environment=nobody), "http://127.0.0.1:9 cannot be reached", "refused")
    offline = children.run(_locate, config, environment={**environment, "HF_HUB_OFFLINE": "1"})
    _fails(offline, "stay offline", "weights=PATH")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"HF_ENDPOINT": "hf-mirror.test"}, ["HF_ENDPOINT=hf-mirror.test is not an address", "https://hf-mirror.test"]),
        (
            {"all_proxy": "socks://u:secret@127.0.0.1:9"},
            ["all_proxy=socks://...@127.0.0.1:9", "all_proxy=socks5h"],
        ),
        ({"SSL_CERT_FILE": "/nowhere.pem"}, ["SSL_CERT_FILE=/nowhere.pem cannot be read", "unset SSL_CERT_FILE"]),
        (
            {"HF_ENDPOINT": "http://hub.test", "ALL_PROXY": "127.0.0.1:9"},
            ["http://hub.test cannot be reached", "refused, through ALL_PROXY=127.0.0.1:9"],
        ),
    ],
    ids=["no scheme", "unknown proxy", "no certificates", "no proxy there"],
)
def test_a_setting_of_the_network_is_named(place, settings, words):
    environment, _, config = place
    _fails(children.run(_locate, config, environment={**environment, **settings}), "is not on this machine", *words)


def test_an_empty_endpoint_is_none():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", "")
        assert hub.endpoint() == "https://huggingface.co"
        assert hub.endpoint_fault() is None


def _examined() -> dict[str, tuple[str, bool, str]]:
    from zoo.cli import checkup

    return {found.name: (found.value, found.ok, found.advice) for found in checkup._places(True)}


def test_the_doctor_goes_the_way_of_downloads(place):
    """Through the same proxy, which here is a stand-in that answers for all hosts."""
    environment, state, _ = place
    proxied = {**environment, "HF_ENDPOINT": "http://hub.test", "ALL_PROXY": environment["HF_ENDPOINT"]}
    proxied |= {"REQUESTS_CA_BUNDLE": "/nowhere.pem"}
    found = children.run(_examined, environment=proxied).value
    assert [path for _, path, _ in state.requests] == ["/"], "for the Hub, as the other has no certificates"
    answer = f"http://hub.test answers (HTTP 404), through ALL_PROXY={environment['HF_ENDPOINT']}"
    assert found["Hugging Face Hub"][:2] == (answer, True)
    value, ok, advice = found["Google Drive"]
    assert "REQUESTS_CA_BUNDLE=/nowhere.pem cannot be read" in value
    assert (ok, advice) == (False, "correct that variable")
    assert "without ALL_PROXY" in found["data sets"][0], "urllib does not read it"


@pytest.mark.parametrize("status", [407, 502])
def test_a_proxy_that_refuses_is_a_problem(place, status):
    environment, state, _ = place
    state.faults.append(Fault(stand_in_hub.status(status), method="HEAD", path="/", times=-1))
    settings = {"HF_ENDPOINT": "http://hub.test", "http_proxy": environment["HF_ENDPOINT"], "https_proxy": "ftp://x"}
    found = children.run(_examined, environment={**environment, **settings}).value
    assert found["Hugging Face Hub"][1] is False
    assert found["data sets"][1] is False
    assert found["data sets"][0].startswith("https_proxy=ftp://x is no kind of proxy")


def test_a_changed_file_under_the_same_revision_is_refused(place):
    environment, state, config = place
    state.repositories[REPO].files[SEEN] = bytes(reversed(state.repositories[REPO].files[SEEN]))
    outcome = children.run(_locate, config, environment=environment)
    _fails(outcome, "has changed", "nothing was downloaded", error="WeightsCorruptedError")
    assert not _weights_in(environment)


def test_other_bytes_under_the_right_name_do_not_stay(place):
    environment, state, config = place
    state.faults.append(Fault(stand_in_hub.other_bytes))
    outcome = children.run(_locate, config, environment=environment)
    _fails(outcome, "sha256", "it was removed", error="WeightsCorruptedError")
    assert not _weights_in(environment)
    assert children.run(_sha256, config, environment=environment).value == config.weights[0].hub.sha256
    state.faults.append(Fault(stand_in_hub.other_bytes))
    other = {**environment, "HF_HOME": environment["HF_HOME"] + "2"}
    outcome = children.run(_sample, f"hf://{REPO}", environment=other)
    _fails(outcome, "sha256", error="WeightsCorruptedError")  # nobody's config names it: the Hub itself does


def test_a_file_that_rots_in_the_cache_is_noticed(place):
    environment, _, config = place
    path = children.run(_locate, config, environment=environment).value
    with Path(path).resolve().open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"rotten")
    outcome = children.run(_locate, config, environment={**environment, "HF_HUB_OFFLINE": "1"})
    _fails(outcome, "sha256", error="WeightsCorruptedError")
    assert not _weights_in(environment)


def _limited(config: ModelConfig, size: int) -> str:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return _locate(config)


def test_a_full_and_a_read_only_disk(place):
    environment, _, config = place
    _fails(children.run(_limited, config, 200_000, environment=environment), "is full", "HF_HOME")
    assert not _weights_in(environment)
    nowhere = {**environment, "HF_HOME": "/proc/nowhere"}  # not even root writes there
    _fails(children.run(_locate, config, environment=nowhere), "cannot be written", "HF_HOME")
    assert children.run(_locate, config, environment={**environment, "ZOO_CACHE": "/proc/nowhere"}).error is None


def test_killed_at_any_moment_the_cache_holds_no_damaged_file(place):
    """As many times as ZOO_KILLS says; a download takes about 0.4 s here."""
    environment, state, config = place
    state.pace = 0.02
    for kill in range(int(os.environ.get("ZOO_KILLS", "4"))):
        child = children.Child(_locate, config, environment=environment)
        child.process.join(0.3 + 0.13 * (kill % 7))
        child.kill()
        for path in _weights_in(environment):
            assert files.sha256(path) == config.weights[0].hub.sha256
            path.unlink()
    assert children.run(_sha256, config, environment=environment).value == config.weights[0].hub.sha256


def _weights_in(environment: dict[str, str]) -> list:
    blobs = Path(environment["HF_HOME"]).glob("hub/models--*/blobs/*")
    return [path for path in blobs if not path.name.endswith(".incomplete") and path.stat().st_size > 100_000]


# ---------------------------------------------------------------------------------------------------------- publishing


def _publish(name: str, repo_id: str, **options) -> str:
    import zoo

    return zoo.load(name, device="cpu").push_to_hub(repo_id, **options)


def _preview(name: str, repo_id: str) -> list:
    from zoo.release import publish

    return [tuple(file) for file in publish.preview(name, repo_id)[0]]


def test_published_and_loaded_again(place):
    environment, state, _ = place
    writer = {**environment, "HF_TOKEN": "writer"}
    outcome = children.run(_publish, "contragan/digits", "me/digits", environment=writer)
    assert outcome.error is None, outcome.message
    assert outcome.value == f"hf://me/digits@{'b' * 40}"
    uploaded = state.repositories["me/digits"].files
    promised = children.run(_preview, "contragan/digits", "me/digits", environment=environment).value
    assert promised == [(n, len(d), hashlib.sha256(d).hexdigest()) for n, d in sorted(uploaded.items())]
    assert set(uploaded) == {"README.md", "config.json", "contragan-digits.png", "model.safetensors"}
    assert b'zoo.load("hf://me/digits")' in uploaded["README.md"]
    theirs = children.run(_sample, outcome.value, environment=environment)
    assert theirs.value == children.run(_sample, "contragan/digits", environment=environment).value, theirs.message


def test_publishing_without_leave_is_one_line(place):
    environment, _, _ = place
    outcome = children.run(_publish, "contragan/digits", "me/digits", environment=environment)
    _fails(outcome, "HF_TOKEN")
    offline = {**environment, "HF_HUB_OFFLINE": "1", "HF_TOKEN": "writer"}
    _fails(children.run(_publish, "contragan/digits", "me/x", environment=offline), "stay offline", error="ZooError")


# -------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "address",
    [
        "hf://",
        "hf://someone",
        "hf://../../etc",
        "hf://a/..",
        "hf://a/b/c",
        "hf://a/b@",
        "hf://a/b@../../x",
        "hf://a/b@x/../../y",
        "hf:///a/b",
        "hf://a/b@.hidden",
        "hf://a b/c",
        "hf://a/b\\c",
    ],
)
def test_no_address_leads_out_of_the_cache(address, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ZooError, match="hf://user/repo"):
        hub.local_folder(address)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [{"repo_id": "../x"}, {"filename": "../model.safetensors"}, {"filename": "model.pth"}, {"revision": "../../x"}],
    ids=str,
)
def test_no_config_names_a_file_outside(change):
    good = {"repo_id": "a/b", "filename": "model.safetensors", "revision": "main", "sha256": "0" * 64}
    assert HubFile(**good)
    config = registry.config("contragan/digits")
    with pytest.raises(ConfigError, match=re.escape(next(iter(change)))):
        checkpoints.with_weights(config, hub={**good, **change})
