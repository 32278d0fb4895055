"""Published checkpoints, fetched by gdown from a stand-in of Google Drive, and converted once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import checkpoints
import children
import pytest
import stand_in_drive
import torch

from zoo.checkpoints import cache, weights
from zoo.common import files
from zoo.common.errors import WeightsUnavailableError
from zoo.schema.config import ModelConfig

FILE, FOLDER = "1C0jzZmx2uSUvBlQpAo3aRay1l8fB4McU", "10nxLyB7PyUsaGiBn6xD0e3_teYlB9Q59"


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    return checkpoints.with_weights(
        checkpoints.narrow("sngan/cifar10", width=64),
        upstream={"source": "mimicry", "google_drive_file": FILE, "path": "netG.pth"},
    )


@pytest.fixture(scope="module")
def published(config) -> bytes:
    """A netG.pth of more than a megabyte."""
    state = checkpoints.foreign_state(config, "mimicry")
    return checkpoints.saved({"model_state_dict": state, "optimizer_state_dict": {}, "global_step": 100000})


@pytest.fixture
def drive(published, tmp_path):
    """(environment of a child, state of the stand-in)."""
    with stand_in_drive.drive(tmp_path) as (environment, state):
        state.files[FILE] = published
        yield {**environment, "ZOO_CACHE": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hf")}, state


def _locate(config: ModelConfig) -> str:
    return str(weights.locate(config))


def _converted(environment: dict[str, str]) -> list[Path]:
    return list(Path(environment["ZOO_CACHE"]).glob("weights/*/*/*.safetensors"))


def _fails(outcome: children.Outcome, *words: str, error: str = "WeightsUnavailableError") -> None:
    assert outcome.error == error, outcome
    assert "\n" not in outcome.message
    for word in words:
        assert word in outcome.message


# -------------------------------------------------------------------------------------------------------- what works


def test_a_file_of_google_drive_is_converted_once(drive, config, published):
    environment, state = drive
    outcome = children.run(_locate, config, environment=environment)
    assert outcome.error is None, outcome.message
    digest = hashlib.sha256(published).hexdigest()
    assert f"sha256 {digest}" in outcome.stderr, "printed when it is first seen"
    converted, expected = weights.read(outcome.value), checkpoints.random_state(config)
    assert set(converted) == set(expected)
    assert all(torch.equal(converted[name], expected[name]) for name in expected)
    facts = weights.read_metadata(outcome.value)
    assert facts["original_sha256"] == digest
    assert facts["converter"]
    assert json.loads(facts["source"]) == {"source": "mimicry", "google_drive_file": FILE, "path": "netG.pth"}
    record = cache.Record.read(Path(outcome.value))
    assert (record.sha256, record.original_sha256) == (files.sha256(Path(outcome.value)), digest)
    assert not list(Path(environment["ZOO_CACHE"], "partial").iterdir()), "the original is not kept"
    asked = len(state.requests)
    for setting in ({}, {"ZOO_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "1"}):
        again = children.run(_locate, config, environment={**environment, **setting})
        assert (again.value, again.stderr) == (outcome.value, "")
    assert len(state.requests) == asked, "nobody was asked again"


def test_a_large_file_behind_the_page_about_viruses(drive, config):
    environment, state = drive
    state.warns = True
    assert children.run(_locate, config, environment=environment).error is None
    assert any("confirm=t" in path for path, _ in state.requests)


def test_the_fitting_file_of_a_folder(drive, config, published):
    environment, state = drive
    state.files = {f"{'x' * 30}{i}": b"not this one" for i in range(4)} | {FILE: published}
    listed = ["model=G-best-weights.txt", "model=D-best-weights-step=98000.pth", "../model=G.pth", "log.txt"]
    state.folders[FOLDER] = {name: f"{'x' * 30}{i}" for i, name in enumerate(listed)}
    state.folders[FOLDER]["model=G-best-weights-step=10000.pth"] = FILE
    upstream = {"source": "mimicry", "google_drive_folder": FOLDER, "path": "model=G-best-weights-step=*.pth"}
    model = checkpoints.with_weights(config, upstream=upstream)
    outcome = children.run(_locate, model, environment=environment)
    assert outcome.error is None, outcome.message
    assert weights.read_metadata(outcome.value)["original"] == "model=G-best-weights-step=10000.pth"
    upstream["path"] = "model=G_ema-*.pth"
    other = checkpoints.with_weights(config, upstream=upstream)
    fresh = {**environment, "ZOO_CACHE": environment["ZOO_CACHE"] + "2"}
    _fails(children.run(_locate, other, environment=fresh), "none of the 5 files", "model=G_ema")
    state.folders[FOLDER]["model=G-best-weights-step=9000.pth"] = "x" * 30 + "0"
    words = ["2 files in", "model=G-best-weights-step=10000.pth, model=G-best-weights-step=9000.pth"]
    _fails(children.run(_locate, model, environment=fresh), *words)


def test_another_size_is_refused(drive, config, published):
    environment, _ = drive
    larger = config.updated({"weights.0.upstream.size": len(published) + 1})
    words = [f"{len(published):,} bytes, expected {len(published) + 1:,}"]
    _fails(children.run(_locate, larger, environment=environment), *words, error="WeightsCorruptedError")
    assert not list(Path(environment["ZOO_CACHE"], "partial").iterdir())
    exact = config.updated({"weights.0.upstream.size": len(published)})
    assert children.run(_locate, exact, environment=environment).error is None


def _locate_telling(config: ModelConfig, folder: Path) -> str:
    with (folder / str(os.getpid())).open("w") as told, contextlib.redirect_stderr(told):
        return _locate(config)


def test_eight_processes_make_one_download(drive, config, tmp_path):
    environment, state = drive
    told, all_wait = tmp_path / "told", threading.Event()
    told.mkdir()

    def send_when_all_wait(handler, body: bytes) -> None:
        all_wait.wait(60)
        handler.send(body)

    state.faults.append(send_when_all_wait)
    running = [children.Child(_locate_telling, config, told, environment=environment) for _ in range(8)]
    deadline = time.monotonic() + 50
    while sum("waiting for it" in path.read_text() for path in told.iterdir()) < 7 and time.monotonic() < deadline:
        time.sleep(0.05)
    all_wait.set()
    outcomes = [child.result() for child in running]
    assert {outcome.value for outcome in outcomes} == {str(_converted(environment)[0])}, outcomes
    assert state.sent == 1
    lines = [path.read_text() for path in told.iterdir()]
    assert sum("recorded and enforced" in text for text in lines) == 1
    assert sum("waiting for it" in text for text in lines) == 7


@pytest.mark.parametrize("ranges", [True, False], ids=["resumed", "from the start, where ranges are refused"])
def test_a_cut_connection_goes_on(drive, config, ranges):
    environment, state = drive
    state.faults.append(stand_in_drive.cut(600_000))
    state.ranges = ranges
    outcome = children.run(_locate, config, environment=environment)
    assert outcome.error is None, outcome.message
    starts = [asked for _, asked in state.requests if asked]
    assert starts
    assert int(starts[0].removeprefix("bytes=").removesuffix("-")) > 500_000


def test_a_killed_download_goes_on_in_another_process(drive, config, published):
    environment, state = drive
    state.pace = 0.1
    child = children.Child(_locate, config, environment=environment)
    partial = Path(environment["ZOO_CACHE"], "partial")
    while not list(partial.rglob("size")):  # of which file the first bytes are is known
        time.sleep(0.02)
    child.kill()
    assert not _converted(environment)
    state.pace = 0
    assert children.run(_locate, config, environment=environment).error is None
    assert any(asked and int(asked[6:-1]) >= 500_000 for _, asked in state.requests), "the rest and no more"


def _locate_with_umask(config: ModelConfig, mask: int) -> str:
    os.umask(mask)
    return _locate(config)


def test_a_download_heeds_the_umask_and_begins_anew_with_another_file(drive, config, published):
    """The bytes of another file, and of one that its authors have replaced since by a larger one, are no beginning."""
    environment, state = drive
    state.pace, other = 0.1, "y" * 30
    state.files[other] = bytes(len(published))
    of_other = {"source": "mimicry", "google_drive_file": other, "path": "netG.pth"}
    partial = Path(environment["ZOO_CACHE"], "partial")
    for i, model in enumerate((checkpoints.with_weights(config, upstream=of_other), config)):
        child = children.Child(_locate_with_umask, model, 0o027, environment=environment)
        while len(list(partial.rglob("size"))) <= i:
            time.sleep(0.02)
        child.kill()
    state.pace = 0
    changed = {"more": torch.zeros(99), "model_state_dict": checkpoints.foreign_state(config, "mimicry")}
    state.files[FILE] = larger = checkpoints.saved(changed)
    outcome = children.run(_locate_with_umask, config, 0o027, environment=environment)
    assert (outcome.error, outcome.message) == (None, "")
    assert weights.read_metadata(outcome.value)["original_sha256"] == hashlib.sha256(larger).hexdigest()
    for path in Path(environment["ZOO_CACHE"]).rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o750 if path.is_dir() else 0o640), path
    assert not list(partial.iterdir())


def test_a_busy_server_is_asked_again(drive, config):
    environment, state = drive
    state.faults += [stand_in_drive.status(429, Retry_After="0")] * 2
    assert children.run(_locate, config, environment=environment).error is None


# ------------------------------------------------------------------------------------------------------ what does not


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (stand_in_drive.status(500, Retry_After="0"), ["HTTP 500", "try again later"]),
        (stand_in_drive.status(429, Retry_After="0"), ["HTTP 429", "try again later"]),
        (stand_in_drive.status(403), ["HTTP 403", "in a browser"]),
        (stand_in_drive.status(404), ["HTTP 404", "no longer has"]),
        (stand_in_drive.quota, ["Too many users have viewed", "in a browser"]),
    ],
    ids=["500", "429", "403", "404", "quota"],
)
def test_a_fault_that_stays_is_one_line(drive, config, fault, words):
    environment, state = drive
    state.faults += [fault] * 20
    outcome = children.run(_locate, config, environment=environment)
    _fails(outcome, "sngan/cifar10@test is not on this machine", "zoo import sngan/cifar10@test --from FILE", *words)
    assert not _converted(environment)


def test_no_network_is_one_line_at_once(drive, config):
    environment, _ = drive
    nobody = {**environment, "HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    _fails(children.run(_locate, config, environment=nobody), "Google Drive cannot be reached", "refused", "zoo import")


@pytest.mark.parametrize(
    ("which", "settings", "words"),
    [
        ("file", {"https_proxy": "socks://u:secret@127.0.0.1:9"}, ["https_proxy=socks://...@127.0.0.1:9 is no kind"]),
        ("folder", {"https_proxy": "socks://127.0.0.1:9"}, ["https_proxy=socks5h://127.0.0.1:9, or unset it"]),
        ("file", {"https_proxy": "http://127.0.0.1:port"}, ["https_proxy=http://127.0.0.1:port is not the address"]),
        ("file", {"https_proxy": "socks5h://127.0.0.1:9"}, ["cannot be reached", "through https_proxy=socks5h://127"]),
        ("folder", {"REQUESTS_CA_BUNDLE": "/nowhere.pem"}, ["REQUESTS_CA_BUNDLE=/nowhere.pem cannot be read"]),
        ("file", {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": __file__}, ["CURL_CA_BUNDLE=", "holds no certificates"]),
    ],
)
def test_a_setting_of_the_network_is_named(drive, config, which, settings, words):
    environment, state = drive
    if which == "folder":
        upstream = {"source": "mimicry", "google_drive_folder": FOLDER, "path": "netG.pth"}
        config = checkpoints.with_weights(config, upstream=upstream)
    outcome = children.run(_locate, config, environment={**environment, **settings})
    _fails(outcome, "is not on this machine", *words)
    assert "secret" not in outcome.message
    assert state.requests == []


def test_a_certificate_that_nobody_signed_is_refused(drive, config):
    environment, state = drive
    unknown = {key: value for key, value in environment.items() if key != "REQUESTS_CA_BUNDLE"}
    _fails(children.run(_locate, config, environment=unknown), "cannot be reached", "certificate verify failed")
    assert state.requests == []


def test_the_first_download_is_the_one_that_counts(drive, config, published):
    environment, state = drive
    first = children.run(_locate, config, environment=environment).value
    state.files[FILE] = checkpoints.saved({"model_state_dict": checkpoints.foreign_state(config, "mimicry", seed=1)})
    assert children.run(_clear, False, environment=environment).value == 1
    words = ["expected " + hashlib.sha256(published).hexdigest()[:12], "zoo cache clear sngan/cifar10@test --forget"]
    _fails(children.run(_locate, config, environment=environment), *words, error="WeightsCorruptedError")
    assert not _converted(environment)
    children.run(_clear, True, environment=environment)
    assert children.run(_locate, config, environment=environment).value == first
    pinned = config.updated({"weights.0.upstream.sha256": hashlib.sha256(published).hexdigest()})
    children.run(_clear, True, environment=environment)
    _fails(children.run(_locate, pinned, environment=environment), "the published file", error="WeightsCorruptedError")


def _clear(forget: bool) -> int:
    return len(cache.clear("sngan/cifar10", forget=forget))


def test_no_header_and_no_listing_writes_outside(drive, config, tmp_path):
    environment, state = drive
    state.disposition = 'attachment; filename="../../../evil.pth"'
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    assert children.run(_locate, config, environment=environment).error is None
    assert {path for path in tmp_path.rglob("*") if "cache" not in path.parts} == before
    assert not list(tmp_path.rglob("*evil*"))


def _limited(config: ModelConfig, size: int) -> str:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return _locate(config)


def test_a_full_and_a_read_only_disk(drive, config, published):
    environment, state = drive
    _fails(children.run(_limited, config, 300_000, environment=environment), "is full", "ZOO_CACHE")
    assert not _converted(environment)
    (partial,) = Path(environment["ZOO_CACHE"], "partial").glob("*/*")
    (partial / "original.pth").write_bytes(published)  # as if it had become full a moment later
    asked = len(state.requests)
    _fails(children.run(_limited, config, 300_000, environment=environment), "is full", "ZOO_CACHE")
    assert not _converted(environment)
    assert children.run(_locate, config, environment=environment).error is None
    assert len(state.requests) == asked, "what was downloaded is not downloaded again"
    nowhere = {**environment, "ZOO_CACHE": "/proc/nowhere"}  # not even root writes there
    _fails(children.run(_locate, config, environment=nowhere), "/proc/nowhere cannot be written", "ZOO_CACHE")


def test_what_comes_is_not_a_checkpoint(drive, config):
    environment, state = drive
    state.files[FILE] = b"<html>not today</html>" * 1000
    _fails(children.run(_locate, config, environment=environment), "opened safely", error="WeightsCorruptedError")
    assert not _converted(environment)
    assert not list(Path(environment["ZOO_CACHE"], "partial").iterdir()), "nothing to go on with"


def test_killed_at_any_moment_no_damaged_file_has_a_final_name(drive, config):
    """As many times as ZOO_KILLS says."""
    environment, state = drive
    state.pace = 0.01
    for kill in range(int(os.environ.get("ZOO_KILLS", "5"))):
        child = children.Child(_locate, config, environment=environment)
        child.process.join(0.05 + 0.11 * (kill % 9))
        child.kill()
        for path in _converted(environment):
            record = cache.Record.read(path)
            assert files.sha256(path) == record.sha256
            path.unlink()
    outcome = children.run(_locate, config, environment=environment)
    assert outcome.error is None, outcome.message
    assert not list(Path(environment["ZOO_CACHE"]).rglob("weights/**/.*")), "what the killed left behind is gone"


def test_control_c_during_a_slow_download(drive, config, tmp_path):
    """On a terminal: a progress bar, then no traceback, and the next call goes on."""
    environment, state = drive
    state.pace = 0.15
    (tmp_path / "config.json").write_text(config.to_json())
    code = (
        f"import sys, zoo; zoo.register({str(tmp_path / 'config.json')!r}, replace=True); from zoo.cli.app import main"
    )
    command = [sys.executable, "-c", f"{code}; sys.argv = ['zoo', 'sample', 'sngan/cifar10']; main()"]
    settings = {k: v for k, v in os.environ.items() if k not in ("HF_HUB_OFFLINE", "ZOO_OFFLINE")} | environment
    master, slave = pty.openpty()
    process = subprocess.Popen(command, env={**settings, "TERM": "xterm"}, stderr=slave, stdout=slave, cwd=tmp_path)
    os.close(slave)
    shown = b""
    while b"Google Drive" not in shown or b"B/s" not in shown:
        shown += os.read(master, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    with contextlib.suppress(OSError):  # the other end is closed
        while more := os.read(master, 1 << 16):
            shown += more
    os.close(master)
    assert b"Traceback" not in shown
    assert list(Path(environment["ZOO_CACHE"], "partial").rglob("*.part")), "what came is kept"
    state.pace = 0
    assert children.run(_locate, config, environment=environment).error is None
    assert any(asked for _, asked in state.requests)


# ------------------------------------------------------------------------------------------------------- small things


def test_without_gdown_the_message_names_the_extra(config, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(WeightsUnavailableError, match=r"pip install .gdown.*zoo import sngan/cifar10@test"):
        weights.locate(config, cache_dir=tmp_path)


def test_a_beginning_of_which_nothing_is_known_is_no_beginning(drive, config, published):
    """A kill between the first bytes and the note of what they are of."""
    environment, state = drive
    state.pace = 0.1
    partial = Path(environment["ZOO_CACHE"], "partial")
    child = children.Child(_locate, config, environment=environment)
    while not list(partial.rglob("size")):
        time.sleep(0.02)
    child.kill()
    state.pace = 0
    (size,), (part,) = partial.rglob("size"), partial.rglob("*.part")
    size.unlink()
    part.write_bytes(b"other bytes" * 1000)
    assert children.run(_locate, config, environment=environment).error is None
