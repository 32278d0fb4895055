"""A run that was killed and resumed is the run that never stopped; what cannot be resumed says why."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from narrow import short
from resuming import last, same, stop_after

import zoo
from training.run import checkpoint
from training.run.stopping import TIME_IS_UP, RunStoppedError, stop_signals
from training.run.trainer import Options, train
from zoo.checkpoints import weights
from zoo.common.errors import WeightsCorruptedError, ZooError

PROGRAMS = Path(__file__).parents[2] / "programs"


def test_kill_nine_at_any_moment(tmp_path):
    """Three SIGKILLs, two of them in the middle of writing a file; `kill_and_resume.py --kills 50` does more."""
    command = [sys.executable, PROGRAMS / "kill_and_resume.py", tmp_path, "--kills", "3"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["kills"] == {"moment": 1, "write": 2}


@pytest.mark.parametrize("name", ["contragan/digits", "contragan-cr/cifar10", "dcgan/cifar10"])
def test_resuming_is_exact_with_averages_regularisers_and_odd_intervals(name, tmp_path, some_data):
    config, data = short(name, 5), some_data(name)
    whole = train(config, Options(tmp_path / "whole", data, device="cpu", save_every=100))
    parts = tmp_path / "parts"
    with pytest.raises(RunStoppedError) as stop:
        train(config, Options(parts, data, device="cpu", log_every=1, save_every=2), stop_after(3))
    assert stop.value.exit_status == 128 + signal.SIGTERM
    assert checkpoint.steps(parts / "checkpoints") == [2, 3]
    train(config, Options(parts, data, device="cpu", log_every=1, save_every=2, resume=True))
    assert same(last(whole), last(parts))
    steps = [json.loads(line)["step"] for line in (parts / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5]
    assert [start["step"] for start in json.loads((parts / "environment.json").read_text())["starts"]] == [0, 3]


@pytest.fixture
def stopped(tmp_path) -> Options:
    """How to go on with a run of digits that was stopped after 3 of 5 steps, with checkpoints of 2 and 3."""
    out = tmp_path / "run"
    with pytest.raises(RunStoppedError, match="stopped after step 3 of 5, saved"):
        train(short("contragan/digits", 5), Options(out, device="cpu", save_every=2), stop_after(3, signal.SIGINT))
    return Options(out, device="cpu", resume=True)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(stopped, capsys):
    newest = checkpoint.newest(stopped.out / "checkpoints")
    data = bytearray(newest.read_bytes())
    data[-5] ^= 1  # in a tensor: the file still parses
    newest.write_bytes(data)
    train(short("contragan/digits", 5), stopped)
    told = capsys.readouterr().out
    assert f"{newest} is damaged" in told
    assert "continuing from step 2" in told


def test_when_every_checkpoint_is_damaged_nothing_starts_over(stopped):
    for path in (stopped.out / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ZooError, match=r"no checkpoint of .* can be read"):
        train(short("contragan/digits", 5), stopped)


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ({"training.optimizer.beta1": 0.3}, {}, r"another config \(different: training.optimizer.beta1\)"),
        ({}, {"seed": 1}, "made with seed 0, not 1"),
        ({}, {"resume": False}, "holds a run already; continue it with --resume"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_touched(stopped, config, options, message):
    before = {path: path.read_bytes() for path in stopped.out.rglob("*") if path.is_file()}
    with pytest.raises(ZooError, match=message):
        train(short("contragan/digits", 5, **config), Options(**{**vars(stopped), **options}))
    after = {path: path.read_bytes() for path in stopped.out.rglob("*") if path.is_file()}
    assert before == after


@pytest.mark.parametrize("damaged", ["environment.json", "checkpoints", None])
def test_a_resumed_run_has_the_seed_that_it_began_with(damaged, tmp_path):
    config, out = short("contragan/digits", 3), tmp_path / "run"
    whole = train(config, Options(tmp_path / "whole", seed=4, device="cpu"))
    with pytest.raises(RunStoppedError):
        train(config, Options(out, seed=4, device="cpu"), stop_after(2))
    if damaged == "environment.json":
        (out / damaged).write_text("{")
    elif damaged:
        shutil.rmtree(out / damaged)
    with pytest.raises(ZooError, match="made with seed 4, not 0; leave out --seed"):
        train(config, Options(out, seed=0, device="cpu", resume=True))
    train(config, Options(out, device="cpu", resume=True))
    assert same(last(out), last(whole))


def test_a_run_of_more_steps_than_it_began_with_says_so(tmp_path):
    out = tmp_path / "run"
    train(short("contragan/digits", 2), Options(out, device="cpu", command="zoo train contragan/digits --steps 2"))
    train(short("contragan/digits", 3), Options(out, device="cpu", resume=True))
    origin = zoo.load(out, device="cpu").config.origin
    assert [line for line in origin.deviations if "steps:" in line] == ["training.steps: 3 instead of 8,000"]
    assert origin.command == f"zoo train contragan/digits --steps 2 && zoo train {out} --resume --steps 3"


def test_other_data_is_refused(tmp_path, some_data):
    config, data = short("infomax-gan/cifar10", 3), some_data("infomax-gan/cifar10")
    with pytest.raises(RunStoppedError):
        train(config, Options(tmp_path / "run", data, device="cpu"), stop_after(1))
    with np.load(data) as archive:
        arrays = dict(archive)
    arrays["train_images"][0, 0, 0, 0] ^= 1
    np.savez(data, **arrays)
    with pytest.raises(ZooError, match=r"made with data .*resume with the same --data"):
        train(config, Options(tmp_path / "run", data, device="cpu", resume=True))


def test_resuming_needs_a_run(tmp_path):
    with pytest.raises(ZooError, match="holds no run to resume"):
        train(short("contragan/digits"), Options(tmp_path / "none", resume=True))


def test_two_runs_cannot_share_a_folder(stopped):
    with pytest.raises(ZooError, match="another process is training into"):
        train(short("contragan/digits", 5), stopped, [lambda run: train(run.config, stopped) and None])


def test_not_a_number_ends_the_run_before_it_is_saved(tmp_path):
    def poison(run):
        if run.step == 3:
            with torch.no_grad():
                next(run.networks.discriminator.parameters()).fill_(torch.nan)

    out = tmp_path / "run"
    with pytest.raises(ZooError, match=r"not finite after step 4; the last good checkpoint is .*step-0000002"):
        train(short("contragan/digits", 6), Options(out, device="cpu", save_every=2), [poison])
    assert all(tensor.isfinite().all() for tensor in last(out).values())


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    """Stands in for the disk: once the first save is complete, nothing written reaches it."""
    real = os.fsync

    def fsync(handle):
        if (tmp_path / "run" / "losses.png").exists():
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(ZooError, match=r"No space left on device.*last good checkpoint is .*step-0000002"):
        train(short("contragan/digits", 6), Options(tmp_path / "run", device="cpu", log_every=1, save_every=2))
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-0000002.safetensors"]


def test_a_checkpoint_of_other_networks_is_refused(stopped):
    from training.networks import Networks

    path = checkpoint.newest(stopped.out / "checkpoints")
    with pytest.raises(WeightsCorruptedError, match="belongs to other networks"):
        checkpoint.load(path, Networks.build(short("infomax-gan/digits")))


def test_a_run_folder_is_enough_to_go_on(stopped, command):
    done = command("train", stopped.out, "--resume", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "continuing from step 3" in done.stdout
    assert checkpoint.steps(stopped.out / "checkpoints")[-1] == 5


SIDE_FILES = ("environment.json", "metrics.jsonl", "best.json", "losses.png", "model.safetensors", "alignment.json")
DAMAGES = (
    b"",
    b'{"st',
    b"\xff\xfe\n",
    b"[1]\n",
    b"[" * 10**5 + b"\n",
    b'{"step": "x"}\n',
    b'{"step":' + b"9" * 5000 + b"}\n",
)


def scored(run):
    """Scores of 2, 1 and 3 for the first steps."""
    run.offer_best("FD test", value := {1: 2.0, 2: 1.0}.get(run.step, 3.0))
    return {"FD test": value}


@pytest.fixture(scope="module")
def scored_runs(tmp_path_factory) -> tuple[Path, Path]:
    """A run of 3 steps that nobody disturbed, and one that was stopped after 2."""
    whole, stopped = tmp_path_factory.mktemp("whole") / "run", tmp_path_factory.mktemp("stopped") / "run"
    config = short("contragan/digits", 3)
    train(config, Options(whole, device="cpu", log_every=1), [scored])
    with pytest.raises(RunStoppedError):
        train(config, Options(stopped, device="cpu", log_every=1), [scored, *stop_after(2)])
    return whole, stopped


@pytest.mark.parametrize("damage", DAMAGES, ids=range(len(DAMAGES)))
def test_damaged_side_files_block_nothing(scored_runs, damage, tmp_path, capsys):
    """The checkpoint decides: the run goes on to the weights that it would have come to, and the best stays."""
    whole, out = scored_runs[0], tmp_path / "run"
    shutil.copytree(scored_runs[1], out)
    for name in SIDE_FILES:
        (out / name).write_bytes(damage)
    train(short("contragan/digits", 3), Options(out, device="cpu", log_every=1, resume=True), [scored])
    assert same(last(out), last(whole))
    assert json.loads((out / "best.json").read_text()) == {"step": 2, "metric": "FD test", "value": 1.0}
    assert same(weights.read(out / "best.safetensors"), weights.read(whole / "best.safetensors"))
    assert [start["step"] for start in json.loads((out / "environment.json").read_text())["starts"]] == [2]
    assert json.loads((out / "metrics.jsonl").read_text())["step"] == 3
    set_aside = sorted(path.name for path in out.glob("*.damaged"))
    assert {"best.json.damaged", "environment.json.damaged"} <= set(set_aside)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == len(set_aside), told
    assert zoo.load(out, device="cpu").sample(1, seed=0).shape == (1, 3, 32, 32)


def test_damaged_lines_of_metrics_leave_the_others(scored_runs, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(scored_runs[1], out)
    before = (out / "metrics.jsonl").read_bytes()
    (out / "metrics.jsonl").write_bytes(DAMAGES[2] + before + b"null\n" + b'{"step": 2, "g/lo')
    train(short("contragan/digits", 3), Options(out, device="cpu", log_every=1, resume=True), [scored])
    assert (out / "metrics.jsonl").read_bytes().startswith(before)
    assert (out / "metrics.jsonl.damaged").read_bytes() == DAMAGES[2] + before + b"null\n" + b'{"step": 2, "g/lo'
    assert "2 of its lines cannot be read, the others are kept" in capsys.readouterr().err


def test_damaged_best_weights_are_set_aside(scored_runs, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(scored_runs[1], out)
    (out / "best.safetensors").write_bytes(b"cut")
    train(short("contragan/digits", 3), Options(out, device="cpu", log_every=1, resume=True), [scored])
    assert (out / "best.safetensors.damaged").read_bytes() == b"cut"
    assert json.loads((out / "best.json").read_text())["step"] == 3
    assert "best.safetensors is damaged" in capsys.readouterr().err


def test_what_stands_in_the_way_of_a_run_is_set_aside(scored_runs, tmp_path, capsys):
    """Folders, pipes and files where a run writes something of another kind, and lines that are no numbers."""
    whole, out = scored_runs[0], tmp_path / "run"
    shutil.copytree(scored_runs[1], out)
    for name in ("environment.json", "losses.png", "samples"):
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (out / "environment.json").mkdir()
    (out / "losses.png").mkdir()
    (out / "samples").write_text("a file")
    (out / "best.json").unlink()
    os.mkfifo(out / "best.json")
    with (out / "metrics.jsonl").open("a") as log:
        log.write(
            '{"step": -5}\n{"step": true}\n{"step": 1, "d/real": NaN}\n{"step": 1, "d/real": ' + "9" * 400 + "}\n"
        )
    train(short("contragan/digits", 3), Options(out, device="cpu", log_every=1, resume=True), [scored])
    assert same(last(out), last(whole))
    assert [json.loads(line)["step"] for line in (out / "metrics.jsonl").read_text().splitlines()] == [1, 2, 3]
    aside = sorted(path.name for path in out.glob("*.damaged"))
    assert aside == [
        "best.json.damaged",
        "environment.json.damaged",
        "losses.png.damaged",
        "metrics.jsonl.damaged",
        "samples.damaged",
    ]
    assert len(capsys.readouterr().err.splitlines()) == len(aside)


def test_the_time_of_a_sitting(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(RunStoppedError, match="stopped after step 1 of 4, saved") as stop:
        train(short("infomax-gan/digits", 4), Options(run, device="cpu", minutes=0))
    assert stop.value.exit_status == 128 + TIME_IS_UP
    assert checkpoint.steps(run / "checkpoints") == [1]
    with stop_signals(60) as stopped:
        assert not stopped()
