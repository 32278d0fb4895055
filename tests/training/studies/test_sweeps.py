"""Sweeps: runs are what the file says, stopping costs nothing, pages say what was seen."""

import importlib.util
import io
import json
import os
import re
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import submitit
import torch
from narrow import tiny

from training.run.periodic_evaluation import PeriodicEvaluation
from training.run.stopping import RunStoppedError
from training.studies import side_by_side, sweep, sweep_report, sweep_runs, sweep_scores
from training.studies.sweep import PaperClaim, PlannedRun, Size
from training.studies.sweep_runs import SweepSetup
from zoo.common.errors import ConfigError, ZooError
from zoo.schema import registry

# ------------------------------------------------------------------------------------------------------ a sweep's file


def small_sweep(**changes) -> dict:
    tiny_set = {
        "generator.channels": [8, 8, 8, 8],
        "discriminator.channels": [8, 8, 8, 8],
        "training.steps": 2,
        "training.batch_size": 4,
    }
    return {
        "name": "mine",
        "title": "Mine",
        "source": "Nowhere",
        "question": "Why?",
        "model": "infomax-gan/digits",
        "axes": {
            "alpha": {
                "0": {"set": {"training.auxiliary.0.alpha": 0.0}},
                "1": {"set": {"training.auxiliary.0.alpha": 1.0}},
            },
            "n_dis": {
                "1": {"set": {"training.discriminator_steps": 1}},
                "2": {"set": {"training.discriminator_steps": 2}},
            },
        },
        "metrics": [],
        "curves": ["d/infomax"],
        "small": {"set": tiny_set},
        "paper": {},
    } | changes


@pytest.fixture
def file(tmp_path):
    def write(**changes) -> Path:
        path = tmp_path / "mine.json"
        path.write_text(json.dumps(small_sweep(**changes)))
        return path

    return write


def test_the_product_of_the_axes(file):
    size = small_sweep()["small"]
    runs = sweep.load(file(small=size | {"seeds": [3, 4], "only": {"n_dis": ["2"]}})).runs()
    assert [(run.where["alpha"], run.where["n_dis"], run.seed) for run in runs] == [
        ("0", "2", 3),
        ("0", "2", 4),
        ("1", "2", 3),
        ("1", "2", 4),
    ]
    assert runs[0].id == "alpha-0-n-dis-2-seed3"
    assert runs[2].config.training.auxiliary[0].alpha == 1
    assert len(sweep.load(file()).runs()) == 4


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"colour": "red"}, "colour: unknown key"),
        ({"claims": [{"text": "x", "where": {"alpha": "7"}, "than": {}}]}, "no option '7' of an axis 'alpha'"),
        ({"small": {"only": {"alpha": ["5"]}}}, "alpha has no option 5, which only or among names"),
        ({"small": {"seeds": []}}, "small.seeds"),
    ],
)
def test_a_wrong_file_is_refused(file, changes, says):
    with pytest.raises(ConfigError, match=says):
        sweep.load(file(**changes))


def test_a_wrong_change_names_its_run(file):
    axes = {"alpha": {"-1": {"set": {"training.auxiliary.0.alpha": -1.0}}}}
    with pytest.raises(ConfigError, match=r"sweep mine, alpha -1: .*alpha.*greater than or equal to 0"):
        sweep.load(file(axes=axes)).runs()
    with pytest.raises(ZooError, match=r"neither a sweep nor a \.json file; `zoo sweep list`"):
        sweep.load("nothing")
    for name, meant in (
        ("infomax-weigths", "infomax-weights"),
        ("mode-colapse", "python -m training.studies.mode_coll"),
    ):
        with pytest.raises(ZooError, match=f"did you mean {meant}"):
            sweep.load(name)
    assert all(importlib.util.find_spec(f"training.studies.{study}") for study in sweep.STUDIES)


# ------------------------------------------------------------------------------------------------------------- running


def test_a_sweep_from_file_to_page_in_two_goes(file, tmp_path, command, monkeypatch):
    path, out = file(axes={"alpha": small_sweep()["axes"]["alpha"]}), tmp_path / "out"
    done = command("sweep", "run", path, "--out", out, "--device", "cpu", "--only", "alpha=0")
    assert done.returncode == 0, done.stderr
    assert "finished: 1 run;" in done.stdout
    again = command("sweep", "run", path, "--out", out, "--device", "cpu")
    assert again.returncode == 1
    assert "continue with --resume" in again.stderr
    trained = []
    train = sweep_runs.runs.train
    monkeypatch.setattr(sweep_runs.runs, "train", lambda c, o, h: trained.append(o.out.name) or train(c, o, h))
    done = command("sweep", "run", path, "--out", out, "--device", "cpu", "--resume")
    assert done.returncode == 0, done.stderr
    assert trained == ["alpha-1-seed0"]
    page = (out / "README.md").read_text(encoding="utf-8")
    assert "losses.png" in page
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert [run["alpha"] for run in results["runs"]] == ["0", "1"]
    assert command("sweep", "run", path, "--out", out).returncode == 1
    wrong = command("sweep", "run", path, "--out", tmp_path / "other", "--only", "alpha=5")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "there are alpha=0|1" in wrong.stderr
    assert not (tmp_path / "other").exists()


def test_one_run_of_several_fails(file, tmp_path, capsys):
    axes = {"data": {"digits": {}, "cifar10": {"set": {"data.dataset": "cifar10"}}}}  # which is not here
    setup = SweepSetup(str(file(axes=axes)), tmp_path / "out", device="cpu")
    digits, cifar = setup.planned()
    setup.folder(digits).mkdir(parents=True)
    (setup.folder(digits) / "scores.json").write_text('{"fid": 1.5}')  # finished before
    with pytest.raises(ZooError, match=r"1 of 1 runs failed: data-cifar10-seed0: zoo: cifar10 is not in"):
        side_by_side.run_side_by_side(setup, setup.planned(), ["cpu", "cpu"])
    assert "1 of 1: data-cifar10-seed0 failed" in capsys.readouterr().out
    assert sweep_runs.scores_of(setup, digits) == {"fid": 1.5}
    assert sweep_runs.scores_of(setup, cifar) is None


def test_as_many_runs_at_a_time_as_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert side_by_side.devices("cpu") == ["cpu"] * 3
    assert side_by_side.devices("cpu", jobs=2) == ["cpu"] * 2
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert len(side_by_side.devices("cpu")) == 8
    monkeypatch.setattr(side_by_side, "_is_cpu", lambda device: False)
    assert side_by_side.devices("cuda:0, cuda:1") == ["cuda:0", "cuda:1"]
    assert side_by_side.devices("cuda:0,cuda:1", jobs=2) == ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]


def test_runs_at_a_time_share_the_threads(file, tmp_path, command, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    path, out = file(axes={"alpha": small_sweep()["axes"]["alpha"]}), tmp_path / "out"
    done = command("sweep", "run", path, "--out", out, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()[:2]] == ["1 of 2", "2 of 2"]
    for run in SweepSetup(str(path), out).planned():
        start = json.loads((out / "work" / run.id / "environment.json").read_text(encoding="utf-8"))["starts"][0]
        assert start["device"] == "CPU, 1 thread"
    assert (out / "README.md").exists()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_sees_how_far_all_runs_are(file, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    monkeypatch.setenv("COLUMNS", "160")
    setup = SweepSetup(str(file(axes={"alpha": small_sweep()["axes"]["alpha"]})), tmp_path / "out", device="cpu")
    first, second = setup.planned()
    with side_by_side._SweepProgress(setup, [first, second]) as progress:
        for run, step in ((first, 2), (second, 1)):
            setup.folder(run).mkdir(parents=True)
            (setup.folder(run) / "metrics.jsonl").write_text(f'{{"step": {step}}}\n')
        progress.show([first, second])
        progress._started -= 600  # 3 of 4 steps in ten minutes
        progress.ended(first, "finished")
    assert f"1 of 2: {first.id} finished; 3 min left" in screen.getvalue()
    assert "75 %" in screen.getvalue()
    assert f"{first.id} finishing  {second.id} 50%" in screen.getvalue()


def test_a_stopped_sweep_saves_its_runs(file, tmp_path):
    size = small_sweep()["small"]
    path = file(small={"set": size["set"] | {"training.steps": 100_000}})
    setup = SweepSetup(str(path), tmp_path / "out", device="cpu")
    work = tmp_path / "out" / "work"
    work.mkdir(parents=True)

    def stop_when_it_trains():
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and not list(work.glob("*/metrics.jsonl")):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop_when_it_trains)
    thread.start()
    with pytest.raises(RunStoppedError, match="stopped, 1 runs saved; continue with --resume") as stopped:
        side_by_side.run_side_by_side(setup, setup.planned(), ["cpu"])
    thread.join()
    assert stopped.value.exit_status == 128 + signal.SIGTERM
    assert len(list(work.glob("*/checkpoints/step-*.safetensors"))) == 1


def test_ranks_share_the_runs_and_the_last_writes_the_page(file, tmp_path, command, monkeypatch):
    path, out = file(), tmp_path / "out"
    setup, started = SweepSetup(str(path), out, device="cpu"), []

    def run(setup, planned, devices):
        for one in planned:
            started.append((one.id, devices))
            setup.folder(one).mkdir(parents=True)
            (setup.folder(one) / "scores.json").write_text("{}")

    monkeypatch.setattr(side_by_side, "run_side_by_side", run)
    monkeypatch.setenv("WORLD_SIZE", "2")
    ids = [one.id for one in setup.planned()]
    for rank, mine in (("0", ids[0::2]), ("1", ids[1::2])):
        started.clear()
        monkeypatch.setenv("RANK", rank)
        done = command("sweep", "run", path, "--out", out, "--device", "cpu")
        assert done.returncode == 0, done.stderr
        assert started == [(one, ["cpu"]) for one in mine]
        assert (out / "README.md").exists() == (rank == "1")


def test_a_cluster_runs_them_too(file, tmp_path):
    """The path that README.md shows: submitit, here on this machine."""
    setup = SweepSetup(str(file()), tmp_path / "out", device="cpu")
    executor = submitit.LocalExecutor(folder=tmp_path / "jobs")
    executor.update_parameters(timeout_min=5)
    first, *others = setup.planned()
    assert executor.submit(sweep_runs.run_one, setup, first.id).result() == {}
    assert sweep_runs.scores_of(setup, first) == {}
    assert all(sweep_runs.scores_of(setup, run) is None for run in others)


def test_the_example_for_a_cluster_submits_every_run(file, tmp_path, monkeypatch):
    page = Path(sweep_runs.__file__).with_name("README.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```py\n(.*?)```", page, re.DOTALL) if "submitit" in block)
    setup, executor = SweepSetup(str(file()), tmp_path / "out"), MagicMock()
    monkeypatch.setattr(submitit, "AutoExecutor", lambda **_: executor)
    monkeypatch.setattr(sweep_runs, "SweepSetup", lambda *_, **__: setup)
    exec(compile(code, "README.md", "exec"), {})
    submitted = [call.args for call in executor.submit.call_args_list]
    assert submitted == [(sweep_runs.run_one, setup, run.id) for run in setup.planned()]


# -------------------------------------------------------------------------------------------------------------- reports


def scored(*values, seeds=(0,)):
    config = tiny(registry.config("infomax-gan/digits"))
    return [
        (PlannedRun("mine", {"alpha": alpha}, seed, config), {"fid": value})
        for alpha, *of_seeds in values
        for seed, value in zip(seeds, of_seeds, strict=True)
    ]


CLAIM = PaperClaim(text="One beats none", where={"alpha": "1"}, than={"alpha": "0"})


def test_a_direction_is_seen_or_not_or_too_close():
    size, two = Size(), Size(seeds=(0, 1))
    judge = sweep_report.judge
    assert "seen here, 5.0 against 9.0 (FID)" in judge(CLAIM, scored(("0", 9), ("1", 5)), size)
    assert "**not** seen here" in judge(CLAIM, scored(("0", 5), ("1", 9)), size)
    assert "too close to tell" in judge(CLAIM, scored(("0", 9.2), ("1", 9)), size)
    assert "not run at this size" in judge(CLAIM, scored(("0", 5)), size)
    assert "too close to tell" in judge(CLAIM, scored(("0", 9, 5), ("1", 8, 5), seeds=(0, 1)), two)
    close = judge(CLAIM, scored(("0", 9, 9), ("1", 5, 5), seeds=(0, 1)), two)
    assert "seen here, 5.0 ± 0.0 against 9.0 ± 0.0" in close
    greater = CLAIM.model_copy(update={"relation": "greater"})
    assert "**not** seen here" in judge(greater, scored(("0", 9), ("1", 5)), size)
    alike = CLAIM.model_copy(update={"relation": "alike"})
    assert "no more than seeds differ" in judge(alike, scored(("0", 9, 5), ("1", 8, 5), seeds=(0, 1)), two)
    assert "**not** seen here" in judge(alike, scored(("0", 9, 9), ("1", 5, 5), seeds=(0, 1)), two)
    of_ten_steps = judge(CLAIM, scored(("0", 9), ("1", 5)), sweep.SMALLEST)
    assert of_ten_steps == "One beats none: ten steps decide nothing, 5.0 against 9.0 (FD (efficientnet-lite0))."


def test_damaged_scores_are_named(file, tmp_path):
    setup = SweepSetup(str(file()), tmp_path / "out", device="cpu")
    run = setup.runs()[0]
    path = setup.folder(run) / "scores.json"
    path.parent.mkdir(parents=True)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ZooError, match=r"scores\.json cannot be read \(.*\); remove it"):
        sweep_runs.scores_of(setup, run)


def test_scores_of_another_recipe_or_of_other_data_are_no_answer(file, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 32, 32, 3), dtype=np.uint8)
    for name, some in zip(("a", "b", "again"), images, strict=True):
        np.savez(tmp_path / name, train_images=images[0] if name == "again" else some)

    def scores(data: str | None, **changes) -> dict | None:
        setup = SweepSetup(str(file(**changes)), tmp_path / "out", data=data and tmp_path / data, device="cpu")
        left = sweep_runs.unfinished(setup, setup.runs()[:1])
        found = sweep_runs.scores_of(setup, setup.runs()[0])
        assert left == [run for run in setup.runs()[:1] if found is None]
        return found

    setup = SweepSetup(str(file()), tmp_path / "out", data=tmp_path / "a.npz", device="cpu")
    assert scores("a.npz") is None
    assert sweep_runs.run_one(setup, setup.runs()[0].id) == scores("a.npz") == scores("again.npz") == {}
    with pytest.raises(ZooError, match=r"is a run of other data than .*b\.npz"):
        scores("b.npz")
    (tmp_path / "a.npz").rename(tmp_path / "moved.npz")
    assert scores(None) == scores("a.npz") == scores("moved.npz") == {}, "what is finished needs no data"
    (tmp_path / "moved.npz").rename(tmp_path / "a.npz")
    (setup.folder(setup.runs()[0]) / "scores.json").rename(tmp_path / "scores.json")
    with pytest.raises(ZooError, match="other data"):  # nor is a trained run scored on these
        sweep_runs.run_one(replace(setup, data=tmp_path / "b.npz"), setup.runs()[0].id)
    (tmp_path / "scores.json").rename(setup.folder(setup.runs()[0]) / "scores.json")
    axes = small_sweep()["axes"]
    axes["n_dis"]["1"]["set"]["training.discriminator_steps"] = 3
    with pytest.raises(ZooError, match=r"another config \(different: training\.discriminator_steps\)"):
        scores("a.npz", axes=axes)


def test_an_accuracy_at_chance_is_called_so():
    config = tiny(registry.config("contragan/digits"))  # ten classes
    for accuracy, said in ((0.12, True), (0.3, False)):
        done = [(PlannedRun("mine", {"alpha": "0"}, 0, config), {"class accuracy": accuracy})]
        assert any("at chance" in line for line in sweep_report._caveats(Size(), done, ["class accuracy"])) == said
    cells = (("one", 0.2), ("one", 0.08), ("two", 0.3))  # the first has two seeds, of mean 0.14
    done = [(PlannedRun("mine", {"by": by}, i, config), {"class accuracy": a}) for i, (by, a) in enumerate(cells)]
    assert sweep_report._blind(done) == ["Class accuracy is at chance, or less than 0.05 above it: one."]


def test_a_table_has_the_papers_numbers_beside_ours(file):
    published = [{"where": {"alpha": "1"}, "value": 17.1, "std": 0.2}]
    axes = {"alpha": {"0": {}, "1": {}}}
    whole = sweep.load(file(axes=axes, published=published, metrics=["fid"]))
    table = sweep_report._table(whole, Size(), scored(("0", 9.25), ("1", 5.0)), ["fid"])
    assert table.head == ("alpha", "FID", "paper: FID")
    assert table.rows == [("0", "9.2", ""), ("1", "5.0", "17.1 ± 0.2")]
    assert sweep_report.title_of("fid", Size(extractor="efficientnet-lite0")) == "FD (efficientnet-lite0)"


def test_models_and_settings_that_options_name(file):
    """A pattern of axes names the models; a setting is that of ContraGAN's Table A9, below the option's own changes."""
    axes = {
        "dataset": {"CIFAR": {"fills": "cifar10", "setting": "E"}, "Tiny": {"fills": "tiny-imagenet", "setting": "F"}},
        "method": {"BigGAN": {"fills": "biggan"}, "ContraGAN": {"fills": "contragan"}},
    }
    axes["dataset"]["Tiny"]["set"] = {"training.discriminator_steps": 3}
    size = {"set": {"training.steps": 2}}
    whole = sweep.load(file(model=None, models="{method}/{dataset}", axes=axes, small=size, curves=[]))
    runs = {tuple(run.where.values()): run.config for run in whole.runs()}
    assert {config.name for config in runs.values()} == {
        f"{method}/{dataset}" for method in ("biggan", "contragan") for dataset in ("cifar10", "tiny-imagenet")
    }
    first, last = runs["CIFAR", "BigGAN"].training, runs["Tiny", "ContraGAN"].training
    assert (first.discriminator_steps, first.optimizer.discriminator_lr, first.optimizer.beta1) == (5, 0.0002, 0.5)
    assert (last.discriminator_steps, last.optimizer.discriminator_lr, last.optimizer.beta1) == (3, 0.0004, 0.0)


def test_scores_while_training_are_one_plot(file, tmp_path, monkeypatch):
    monkeypatch.setattr(PeriodicEvaluation, "score", lambda self, run: ("FD (efficientnet-lite0)", float(run.step)))
    monkeypatch.setattr(sweep_scores, "measure", lambda *_: {"fid": 1.0})
    small = small_sweep()["small"] | {"extractor": "efficientnet-lite0"}
    axes = {"alpha": {"0": {}}}
    path = file(axes=axes, metrics=["fid"], scores_while_training=2, curves=[], small=small)
    setup = SweepSetup(str(path), tmp_path / "out", device="cpu")
    drawn = {}
    monkeypatch.setattr(sweep_report.study_plots, "curves", lambda series, *_, **__: drawn.update(series) or b"png")
    sweep_runs.run_all(setup, setup.planned())
    report = sweep_report.make_report(setup)
    assert drawn == {"alpha 0": [(1, 1.0), (2, 2.0)]}
    assert "FD (efficientnet-lite0) while training" in [figure.caption for figure in report.figures]


@pytest.mark.parametrize(
    ("name", "images", "expected"),
    [
        ("infomax-comparison", 60_000, [("infomax-gan", ("fid", "kid", "is"), None, None, "train")]),
        ("infomax-comparison", 300, [("infomax-gan", ("fid", "kid", "is"), None, 300, "train")]),
        (
            "contragan-comparison",
            10_000,
            [("contragan", ("fid",), None, None, "test"), ("clean", ("kid", "classes"), 10_000, 10_000, "test")],
        ),
    ],
)
def test_the_papers_size_is_scored_by_the_papers_protocol(name, images, expected, monkeypatch, tmp_path):
    """What the protocol has is measured by it, in its own counts; of fewer real images than it asks for, all."""
    calls, loaded = [], []

    def evaluate(folder, metrics, *, protocol, num_fake=None, num_real=None, seeds, **_):
        assert seeds == 1
        calls.append((protocol, metrics, num_fake, num_real, loaded[-1]))
        return SimpleNamespace(results=[SimpleNamespace(kind=metric, value=1.0) for metric in metrics], classes=None)

    monkeypatch.setattr(sweep_scores.zoo, "evaluate", evaluate)
    monkeypatch.setattr(
        sweep_scores.datasets, "load_for", lambda config, split, root: loaded.append(split) or range(images)
    )
    whole = sweep.load(name)
    run = whole.runs(paper=True)[0]
    found = sweep_scores.measure(whole, whole.paper, run, tmp_path, None, "cpu")
    assert calls == expected
    assert set(found) == set(whole.metrics)


def test_the_length_of_every_run_is_told(file):
    axes = {"length": {"2": {}, "3": {"set": {"training.steps": 3}}}}
    shown = sweep_report.show(sweep.load(file(axes=axes)))
    assert "default: 2 runs of 2 or 3 steps" in shown
    assert "length-3-seed0: infomax-gan/digits, 3 steps, n_dis 1, batch 4" in shown


def test_listing_and_showing(command):
    listed = command("sweep", "list").stdout
    assert all(name in listed for name in sweep.names())
    assert "9 on mnist" in listed  # contragan-comparison
    assert "27 on cifar10" in listed
    assert "alpha-0.2-beta-0.2-seed0" in command("sweep", "show", "infomax-weights").stdout
