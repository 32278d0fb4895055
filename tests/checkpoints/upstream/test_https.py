"""Files over HTTPS: fetched by the real client from a server with TLS, with every fault of a network."""

from __future__ import annotations

import hashlib
import json
import resource
import time
from pathlib import Path

import checkpoints
import children
import pytest
import stand_in_https
from stand_in_https import HOST, OTHER_HOST, cut, redirect, status

from zoo.checkpoints import cache, weights
from zoo.checkpoints.upstream import https
from zoo.common.errors import WeightsCorruptedError, WeightsUnavailableError
from zoo.schema.config import ModelConfig

PATH = "/mmediting/sngan/netG_x%2B1.pth"
URL = f"https://{HOST}{PATH}"


@pytest.fixture(scope="module")
def published() -> bytes:
    """A netG.pth of more than a megabyte."""
    state = checkpoints.foreign_state(checkpoints.narrow("sngan/cifar10", width=64), "mimicry")
    return checkpoints.saved({"model_state_dict": state})


def _model(**facts) -> ModelConfig:
    upstream = {"source": "mimicry", "url": URL, "path": "netG_x+1.pth", **facts}
    return checkpoints.with_weights(checkpoints.narrow("sngan/cifar10", width=64), upstream=upstream)


@pytest.fixture
def place(published, tmp_path):
    """(environment of a child, state of the stand-in)."""
    with stand_in_https.server(tmp_path) as (environment, state):
        state.files[PATH] = published
        yield {**environment, "ZOO_CACHE": str(tmp_path / "cache")}, state


@pytest.fixture(scope="module")
def shared(published, tmp_path_factory):
    """As `place`, for all tests in this process."""
    with stand_in_https.server(tmp_path_factory.mktemp("server")) as (environment, state):
        state.files[PATH] = published
        yield environment, state


@pytest.fixture
def here(shared, monkeypatch):
    """The state of a stand-in that this process reaches; the waits are short."""
    environment, state = shared
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(https, "WAITS", (0.01, 0.01))
    yield state
    state.faults, state.requests, state.validators, state.sent = [], [], True, 0


def _locate(config: ModelConfig) -> str:
    return str(weights.locate(config))


def _fetch(folder: Path, url: str = URL, **options) -> str:
    """The sha256 of what is downloaded; the waits are short."""
    https.WAITS = (0.01, 0.01)
    folder.mkdir(exist_ok=True)
    return hashlib.sha256(https.download(url, folder, **options).read_bytes()).hexdigest()


def _fails(outcome: children.Outcome, *words: str, error: str = "WeightsUnavailableError") -> None:
    assert outcome.error == error, outcome
    assert "\n" not in outcome.message
    for word in words:
        assert word in outcome.message


# -------------------------------------------------------------------------------------------------------- what works


def test_a_file_is_converted_once(place, published, tmp_path):
    environment, state = place
    digest = hashlib.sha256(published).hexdigest()
    state.faults.append(redirect(f"https://{OTHER_HOST}{PATH}"))
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    model = _model(size=len(published), sha256_start=digest[:8])
    outcome = children.run(_locate, model, environment=environment)
    assert outcome.error is None, outcome.message
    record = cache.Record.read(Path(outcome.value))
    assert (record.original, record.original_sha256) == (URL, digest)
    assert weights.read_metadata(outcome.value)["original"] == "netG_x+1.pth"
    assert {path for path in tmp_path.rglob("*") if "cache" not in path.parts} == before, "no header names a file"
    assert not list(tmp_path.rglob("*evil*"))
    assert not list(Path(environment["ZOO_CACHE"], "partial").iterdir())
    offline = children.run(_locate, model, environment={**environment, "ZOO_OFFLINE": "1"})
    assert (offline.value, len(state.requests)) == (outcome.value, 2), "nobody was asked again"


@pytest.mark.parametrize("validators", [True, False], ids=["ETag", "size and sha256"])
def test_a_cut_connection_goes_on(here, published, tmp_path, validators):
    here.validators = validators
    here.faults += [cut(300_000), status(503, Retry_After="0"), cut(300_000)]
    assert https.download(URL, tmp_path, known=True).read_bytes() == published
    starts = [int(asked[6:-1]) for _, asked in here.requests if asked]
    assert len(starts) == 3
    assert starts == sorted(starts)
    assert starts[-1] > 400_000


def test_without_an_etag_and_a_sha256_a_cut_download_begins_anew(here, published, tmp_path):
    here.validators = False
    here.faults.append(cut(300_000))
    assert https.download(URL, tmp_path).read_bytes() == published
    assert [asked for _, asked in here.requests] == [None, None]


@pytest.mark.parametrize("change", ["no change", "other bytes", "longer", "shorter"])
def test_a_download_goes_on_unless_the_file_has_changed(here, published, tmp_path, change):
    here.faults.append(cut(300_000))
    here.faults += [status(404)]
    with pytest.raises(WeightsUnavailableError, match="HTTP 404"):
        https.download(URL, tmp_path)
    now = {
        "no change": published,
        "other bytes": bytes(reversed(published)),
        "longer": bytes(3_000_000),
        "shorter": bytes(100_000),
    }[change]
    here.files[PATH] = now
    try:
        assert https.download(URL, tmp_path).read_bytes() == now
    finally:
        here.files[PATH] = published
    assert here.requests[2][1], "the rest was asked for"


def test_a_killed_download_goes_on_in_another_process(place, published, tmp_path):
    environment, state = place
    state.pace = 0.1
    child = children.Child(_fetch, tmp_path / "x", environment=environment)
    part = tmp_path / "x" / "download.part"
    while not part.exists() or part.stat().st_size < 200_000:
        time.sleep(0.02)
    child.kill()
    state.pace = 0
    outcome = children.run(_fetch, tmp_path / "x", environment=environment)
    assert outcome.value == hashlib.sha256(published).hexdigest(), outcome.message
    assert int(state.requests[1][1][6:-1]) >= 200_000


def test_a_beginning_of_which_nothing_is_known_is_no_beginning(here, published, tmp_path):
    (tmp_path / "download.part").write_bytes(b"of something else")
    (tmp_path / "download.json").write_text("[")
    assert https.download(URL, tmp_path).read_bytes() == published


# ------------------------------------------------------------------------------------------------------ what does not


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (status(500, Retry_After="0"), ["HTTP 500", "try again later"]),
        (status(429, Retry_After="0"), ["HTTP 429", "try again later"]),
        (status(403), ["HTTP 403", "in a browser"]),
        (status(404), ["HTTP 404", "no longer there"]),
        (redirect(f"http://{HOST}{PATH}"), [f"leads to 'http://{HOST}", "refused"]),
        (redirect("file:///etc/passwd"), ["leads to 'file:///etc/passwd'", "refused"]),
        (redirect("https://user:pass@[::1"), ["refused"]),
        (redirect(URL), ["from address to address"]),
        (lambda h, body: h.send(body, Content_Length="9" * 15), ["at most 4,294,967,296"]),
        (lambda h, body: h.send(body, Content_Length="-5"), []),
        (lambda h, body: h.send(body, Content_Encoding="gzip"), ["comes compressed"]),
        (lambda h, body: h.send(body, X=("y" * 200_000)), []),
        (cut(0), ["broke off"]),
    ],
    ids=["500", "429", "403", "404", "http", "file", "no url", "loop", "huge", "negative", "gzip", "header", "cut"],
)
def test_a_fault_that_stays_is_one_line(here, tmp_path, fault, words):
    state = here
    state.faults += [fault] * 20
    with pytest.raises(WeightsUnavailableError) as error:
        https.download(URL, tmp_path)
    assert "\n" not in str(error.value)
    for word in (f"https://{HOST}", *words):
        assert word in str(error.value)
    assert 1 <= len(state.requests) <= 6


def test_another_size_or_sha256_is_refused(place, published, tmp_path):
    environment, state = place
    other = children.run(_locate, _model(size=len(published) + 1), environment=environment)
    _fails(other, f"{len(published):,} bytes, expected {len(published) + 1:,}", error="WeightsCorruptedError")
    assert state.sent == 0 or not list(tmp_path.rglob("*.pth")), "nothing was kept"
    for facts in ({"sha256_start": "0" * 8}, {"sha256": "0" * 64}):
        words = [URL, "expected 00000000", "the published file"]
        outcome = children.run(_locate, _model(**facts), environment=environment)
        _fails(outcome, *words, error="WeightsCorruptedError")
    assert not list(Path(environment["ZOO_CACHE"], "partial").iterdir())
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"https_proxy": "http://127.0.0.1:9"}, ["cannot be reached", "refused", "through https_proxy=http://127"]),
        ({"https_proxy": "socks://u:secret@127.0.0.1:9"}, ["https_proxy=socks://...@127.0.0.1:9 is no kind"]),
        ({"https_proxy": "http://[::1"}, ["https_proxy=http://[::1 is not the address of a proxy"]),
        ({"SSL_CERT_FILE": "/nowhere.pem"}, ["SSL_CERT_FILE=/nowhere.pem cannot be read"]),
        ({"SSL_CERT_FILE": ""}, ["cannot be reached", "certificate verify failed"]),
        ({"ZOO_OFFLINE": "1"}, ["must stay offline"]),
    ],
    ids=["nobody there", "unknown proxy", "no address", "no certificates", "unknown authority", "offline"],
)
def test_a_setting_of_the_network_is_named(place, settings, words):
    environment, state = place
    outcome = children.run(_locate, _model(), environment={**environment, **settings})
    _fails(outcome, "sngan/cifar10@test is not on this machine", "zoo import sngan/cifar10@test --from FILE", *words)
    assert "secret" not in outcome.message
    assert state.requests == []


def _limited(folder: Path) -> str:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    with cache.explained(folder):
        return _fetch(folder)


def test_a_full_disk(place, tmp_path):
    environment, _ = place
    _fails(children.run(_limited, tmp_path / "x", environment=environment), "is full", "ZOO_CACHE")
    assert children.run(_fetch, tmp_path / "x", environment=environment).error is None


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://example.org/x", True),
        ("https://example.org:8443/x", True),
        ("http://localhost:8000/x", True),
        ("http://192.168.3.4/x", True),
        ("http://[::1]:80/x", True),
        ("http://example.org/x", False),
        ("http://8.8.8.8/x", False),
        ("http://localhost.example.org/x", False),
        ("https://user@example.org/x", False),
        ("https://example.org:0/x", False),
        ("https://exa mple.org/x", False),
        ("https:///x", False),
        ("ftp://localhost/x", False),
        ("/etc/passwd", False),
    ],
)
def test_which_addresses_are_asked(url, allowed):
    assert https.is_allowed(url) is allowed


def test_without_httpx_the_message_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(https.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsUnavailableError, match=r"need httpx.*pip install -U huggingface-hub"):
        https.download(URL, tmp_path)


def test_a_note_of_a_partial_download_is_read_with_care(tmp_path):
    part = https._Part(tmp_path)
    for text in ("", "[", "[]", '{"validator": 3, "total": 4}', '{"validator": "a\\r\\nX: y", "total": 4}'):
        part.note.write_text(text)
        assert part.validator(known=True) is None
    part.begin("", None)
    assert part.validator(known=True) is None, "of which nothing is known"
    part.begin("", 5)
    assert (part.validator(known=True), part.validator(known=False)) == ("", None)
    assert json.loads(part.note.read_text()) == {"validator": "", "total": 5}
    with pytest.raises(WeightsCorruptedError, match="has 4 bytes, expected 5"):
        https.Source("https://x/y", 5, 100, False).check(4)
