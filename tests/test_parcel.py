"""A run that goes from machine to machine between its sittings."""

import hashlib
import io
import json
import tarfile

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


@pytest.mark.parametrize("kind", ["above", "absolute", "link", "device", "pipe", "sparse", "no tar"])
def test_a_parcel_of_others_writes_nothing_outside(tmp_path, kind):
    whole = io.BytesIO()
    member = tarfile.TarInfo({"above": "../outside", "absolute": str(tmp_path / "outside")}.get(kind, "metrics.jsonl"))
    member.type = {"link": tarfile.SYMTYPE, "device": tarfile.CHRTYPE, "pipe": tarfile.FIFOTYPE}.get(kind, b"0")
    member.linkname = "/etc/passwd" if kind == "link" else ""
    member.size = 0 if kind in ("link", "device", "pipe") else 4
    if kind == "sparse":
        member.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40), "GNU.sparse.numblocks": "1"}
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member, io.BytesIO(b"text"))
    data = b"text" * 200 if kind == "no tar" else whole.getvalue()
    parcel = tmp_path / "parcel"
    parcel.mkdir()
    (parcel / "run.tar.000").write_bytes(data)
    manifest = {"name": "x/y", "parts": {"run.tar.000": hashlib.sha256(data).hexdigest()}}
    (parcel / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ZooError, match="no parcel of a run"):
        unpack(parcel, tmp_path / "inside" / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "parcel"]
    assert not any((tmp_path / "inside").iterdir())
    for manifest in ("[]", "{}", "[" * 10_000, '{"name": 1, "parts": []}'):
        (parcel / MANIFEST).write_text(manifest)
        with pytest.raises(ZooError, match="no whole parcel"):
            unpack(parcel, tmp_path / "run")
