"""`zoo registry check` against stand-ins for the Hub and for Google Drive: what it says, what it writes."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest
import stand_in_drive
import stand_in_hub
from stand_in_hub import Repository

from zoo.checkpoints.upstream import inquiry
from zoo.checkpoints.upstream.inquiry import Answer, Inquiry
from zoo.cli import app
from zoo.common import failures
from zoo.common.errors import ZooError
from zoo.schema import config_files
from zoo.schema.config import ModelConfig
from zoo.schema.entries import Upstream

NAME = "contragan/cifar10"
ONE, TWO, SINGLE, DOUBLE, GONE = (letter * 33 for letter in "abcde")  # ids on Drive


@pytest.fixture(autouse=True)
def _online(monkeypatch):
    for name in ("ZOO_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """hub_configs of one model, whose entries are on the Hub alone."""
    path = tmp_path / "hub_configs" / f"{NAME}.json"
    path.parent.mkdir(parents=True)
    shutil.copyfile(config_files.paths()[NAME], path)
    data = json.loads(path.read_text())
    data["weights"] = [w for w in data["weights"] if "hub_repo" in w["upstream"]]
    data |= {"default_tag": "studiogan-hub", "published": []}
    path.write_text(ModelConfig.from_dict(data).to_json())
    monkeypatch.setattr(config_files, "paths", lambda: {NAME: path})
    return path


@pytest.fixture
def hub_of(checkout, monkeypatch):
    """The stand-in, with every file of the entries."""
    places = list(inquiry.places(ModelConfig.from_file(checkout)))
    revision = places[0].upstream.revision
    with stand_in_hub.hub() as (address, state):
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        state.repositories[places[0].upstream.hub_repo] = Repository(
            {place.upstream.path: place.upstream.path.encode() for place in places}, revision
        )
        yield state, places


def check(*arguments: str) -> int:
    try:
        app.app(["registry", "check", *arguments], standalone_mode=False)
    except ZooError:
        return 1
    return 0


def without_hashes(path):
    data = json.loads(path.read_text())
    for entry in data["weights"]:
        for holder in (entry, entry["discriminator"]):
            holder["upstream"].pop("sha256", None)
    path.write_text(ModelConfig.from_dict(data).to_json())
    return data


def test_what_is_learned_is_written_and_nothing_else(checkout, hub_of, capsys):
    state, places = hub_of
    without_hashes(checkout)
    before = checkout.read_text().splitlines()
    assert check(NAME, "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(r["tag"], r["file"]) for r in rows] == [(p.tag, p.file) for p in places]
    assert all(r["new"] == ["sha256", "size"] and r["status"] == "ok" for r in rows)
    assert len([path for _, path, _ in state.requests if path.startswith("/api/models/")]) == 1, "one question"
    assert checkout.read_text().splitlines() == before, "nothing is written unasked"

    assert check("contragan/*", "--write") == 0
    after = checkout.read_text().splitlines()
    lines = [line.strip().rstrip(",") for line in before]
    added = [line for x in after if (line := x.strip().rstrip(",")) not in lines]
    facts = [(len(p.upstream.path), hashlib.sha256(p.upstream.path.encode()).hexdigest()) for p in places]
    assert added == [line for size, sha256 in facts for line in (f'"size": {size}', f'"sha256": "{sha256}"')]
    kept = [line.rstrip(",") for line in after if line.strip().rstrip(",") not in added]
    assert kept == [line.rstrip(",") for line in before]
    config = ModelConfig.from_file(checkout)
    assert [(p.upstream.size, p.upstream.sha256) for p in inquiry.places(config)] == facts
    assert check(NAME, "--write") == 0
    assert checkout.read_text().splitlines() == after


def test_a_file_that_is_gone_or_another_fails_the_check_and_is_not_written(checkout, hub_of, capsys):
    state, places = hub_of
    without_hashes(checkout)
    check(NAME, "--write")
    repository = next(iter(state.repositories.values()))
    gone, other = places[0].upstream.path, places[1].upstream.path
    del repository.files[gone]
    repository.files[other] = b"another"
    before = checkout.read_text()
    capsys.readouterr()
    assert check(NAME, "--write", "--json") == 1
    rows = {r["path"]: r for r in map(json.loads, capsys.readouterr().out.splitlines())}
    assert (rows[gone]["status"], rows[other]["status"]) == ("missing", "different")
    assert "the entry states" in rows[other]["why"]
    assert sum(r["status"] == "ok" for r in rows.values()) == len(places) - 2
    assert checkout.read_text() == before


def test_no_answer_is_told_in_one_line_and_exits_with_1(checkout, monkeypatch, capsys):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("zoo.common.downloads.WAITS", ())
    monkeypatch.setattr("sys.argv", ["zoo", "registry", "check", NAME])
    with pytest.raises(SystemExit) as end:
        failures.run(app.app, "zoo")
    told = capsys.readouterr()
    assert end.value.code == 1
    assert "unknown" in told.out
    assert told.err == "zoo: 6 of 6 files are not as stated or gave no answer; the table says why\n"
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert check(NAME) == 1
    assert check("nothing/*") == 1


def test_drive_is_asked_without_a_download(tmp_path, monkeypatch):
    name = "model=G-best-weights-step={}.pth"
    with stand_in_drive.drive(tmp_path) as (environment, state):
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        state.files = {ONE: b"x" * 300_000, TWO: b"y"}
        state.folders = {SINGLE: {name.format(1): ONE}, DOUBLE: {name.format(1): ONE, name.format(2): TWO}}
        pattern = {"source": "studiogan", "path": name.format("*")}
        inquirer = Inquiry()
        exact = Upstream(source="mimicry", google_drive_file=ONE, path="netG.pth")
        assert inquirer.ask(exact) == Answer("ok", 300_000)
        assert inquirer.ask(exact.model_copy(update={"size": 7})).status == "different"
        assert inquirer.ask(exact.model_copy(update={"google_drive_file": GONE})).status == "missing"
        assert inquirer.ask(Upstream(google_drive_folder=SINGLE, **pattern)) == Answer("ok", 300_000)
        several = inquirer.ask(Upstream(google_drive_folder=DOUBLE, **pattern))
        assert (several.status, several.why) == ("different", f"2 files fit: {name.format(1)}, {name.format(2)}")
        assert inquirer.ask(Upstream(google_drive_folder=GONE, **pattern)).status == "unknown"
        state.warns = True
        large = Inquiry().ask(exact)
        assert (large.status, large.size, large.why) == ("ok", None, "the size is not stated")


def test_a_plain_address_is_held_against_its_size(monkeypatch):
    answers = {"https://files.test/a.pth": (200, 5), "https://files.test/b.pth": (404, None)}
    monkeypatch.setattr(inquiry, "_head", answers.__getitem__)
    inquirer = Inquiry()
    here = Upstream(source="studiogan", url="https://files.test/a.pth", path="a.pth")
    assert inquirer.ask(here).news(here) == {"size": 5}
    assert inquirer.ask(here.model_copy(update={"url": "https://files.test/b.pth"})).status == "missing"
