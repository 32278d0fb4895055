"""A run that goes from machine to machine between its sittings."""

import json

import pytest
from narrow import short
from test_resume import last, same, stop_after

from training import checkpoint
from training.parcel import MANIFEST, pack, unpack
from training.stopping import TIME_IS_UP, RunStoppedError, stop_signals
from training.trainer import Options, train
from zoo.errors import ZooError


def test_three_sittings_on_three_machines_are_one_run(tmp_path):
    config = short("contragan/digits", 6)
    whole = train(config, Options(tmp_path / "whole", device="cpu"))
    run = tmp_path / "machine-0" / "run"
    for sitting, steps in enumerate((2, 4)):
        with pytest.raises(RunStoppedError):
            train(config, Options(run, device="cpu", log_every=1, resume=sitting > 0), stop_after(steps))
        parts = pack(run, tmp_path / f"parcel-{sitting}", largest=100_000)
        assert len(parts) > 2
        assert max(path.stat().st_size for path in parts) <= 100_000
        run = unpack(tmp_path / f"parcel-{sitting}", tmp_path / f"machine-{sitting + 1}" / "run")
        assert checkpoint.steps(run / "checkpoints") == [steps]
    train(config, Options(run, device="cpu", log_every=1, resume=True))
    assert same(last(whole), last(run))
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()] == [1, 2, 3, 4, 5, 6]
    assert len(list((run / "samples").iterdir())) == 3


def test_the_time_of_a_sitting(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(RunStoppedError, match="stopped after step 1 of 4, saved") as stop:
        train(short("infomax-gan/digits", 4), Options(run, device="cpu", minutes=0))
    assert stop.value.exit_status == 128 + TIME_IS_UP
    assert checkpoint.steps(run / "checkpoints") == [1]
    with stop_signals(60) as stopped:
        assert not stopped()


def test_a_parcel_is_whole_or_refused(tmp_path):
    run = train(short("infomax-gan/digits", 1), Options(tmp_path / "run", device="cpu"))
    with pytest.raises(ZooError, match="no run with a checkpoint"):
        pack(tmp_path, tmp_path / "parcel")
    parts = pack(run, tmp_path / "parcel", largest=100_000)
    smaller = pack(run, tmp_path / "parcel", largest=1 << 24)
    assert sorted((tmp_path / "parcel").iterdir()) == sorted(smaller)
    assert len(smaller) < len(parts)
    with pytest.raises(ZooError, match="holds something"):
        unpack(tmp_path / "parcel", run)
    data = smaller[0].read_bytes()
    smaller[0].write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ZooError, match=r"run\.tar\.000 is damaged"):
        unpack(tmp_path / "parcel", tmp_path / "again")
    smaller[0].unlink()
    with pytest.raises(ZooError, match=r"run\.tar\.000 is missing"):
        unpack(tmp_path / "parcel", tmp_path / "again")
    (tmp_path / "parcel" / MANIFEST).unlink()
    with pytest.raises(ZooError, match="no whole parcel"):
        unpack(tmp_path / "parcel", tmp_path / "again")
    assert not (tmp_path / "again").exists()
