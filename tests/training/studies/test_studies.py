"""The papers' analyses from data to page: what they write and refuse, and how they go on."""

import json
import subprocess
import sys

import numpy as np
import pytest
from narrow import tiny

from training.studies import forgetting, mode_collapse, mode_recovery, options, paper, paper_results
from training.studies.cost import overhead
from training.studies.infomax_form import EQUATION_4, infomax_form
from training.studies.study_report import StudyReport, Table, mean_and_spread
from zoo import datasets
from zoo.common.errors import ZooError
from zoo.schema import registry
from zoo.schema.config import ModelConfig

# ------------------------------------------------------------------------------------------------------ whole studies


def npz(path, side, count=700, shape=3):
    chance = np.random.default_rng(0)
    parts = {}
    for split in ("train", "test"):
        parts[f"{split}_images"] = chance.integers(0, 256, (count, side, side, shape), dtype=np.uint8)
        parts[f"{split}_labels"] = np.arange(count) % 10
    np.savez(path, **parts)
    return path


@pytest.fixture
def narrow_registry(monkeypatch):
    """Every model of the registry with narrow layers, so that a whole study takes seconds."""
    original = registry.config
    monkeypatch.setattr(registry, "config", lambda name: tiny(original(name)))


def page_of(out):
    text = (out / "README.md").read_text(encoding="utf-8")
    for name in out.glob("*.png"):
        assert f"({name.name})" in text
    return text, json.loads((out / "results.json").read_text(encoding="utf-8"))


def test_mode_collapse_from_data_to_page(tmp_path, narrow_registry, monkeypatch):
    monkeypatch.setattr(mode_collapse, "SMALL", {"training.batch_size": 8, "training.steps": 3})
    data = npz(tmp_path / "data.npz", 32)
    mode_collapse.study(tmp_path / "out", data, device="cpu")
    text, results = page_of(tmp_path / "out")
    assert "one image" in text
    assert results["records"][-1]["step"] == 3
    assert "shortened" not in results
    assert EQUATION_4 in text
    with pytest.raises(ZooError, match="holds a finished study"):
        mode_collapse.study(tmp_path / "out", data, device="cpu")


def test_a_study_that_was_cut_short_concludes_nothing(tmp_path, narrow_registry, monkeypatch):
    monkeypatch.setattr(mode_collapse, "SMALL", {"training.batch_size": 8, "training.steps": 4000})
    out = tmp_path / "mode-collapse"
    mode_collapse.study(out, npz(tmp_path / "data.npz", 32), device="cpu", steps=3)
    text, results = page_of(out)
    assert "Nothing follows from these numbers: the study was run in 3 of 4,000 steps" in text
    assert "The order is" not in text + json.dumps(results)
    assert results["records"][-1]["step"] == 3
    claims = paper_results.claims_of(paper.load("infomax-gan").part("figure3"), paper_results.Results([tmp_path]))
    assert [claim.verdict.partition(":")[0] for claim in claims] == ["not run"] * 2
    assert all("in 3 of 4,000 steps" in claim.numbers for claim in claims)


def test_forgetting_from_data_to_page(tmp_path, narrow_registry, monkeypatch):
    monkeypatch.setattr(forgetting, "SMALL", {"training.batch_size": 4})
    monkeypatch.setattr(forgetting, "SMALL_TASK", 1)
    forgetting.study(tmp_path / "out", npz(tmp_path / "data.npz", 32, 100), seeds="3,4", device="cpu")
    text, results = page_of(tmp_path / "out")
    assert "of 2 seeds" in text
    assert EQUATION_4 in text
    config = ModelConfig.from_file(tmp_path / "out" / "work" / "with-InfoMax-3" / "config.json")
    assert infomax_form(config) == EQUATION_4
    with pytest.raises(ZooError, match="give a multiple of 20"):
        forgetting.study(tmp_path / "other", tmp_path / "data.npz", steps=30)
    assert [len(results["summary"][name]["at change 2"]) for name in ("without InfoMax", "with InfoMax")] == [2, 2]
    assert len(results["curves"]["with InfoMax"]) == 20 + 19  # at each change both classes are measured
    runs = [sorted(tmp_path.glob(f"out/work/{name}-*")) for name in ("with-InfoMax", "without-InfoMax")]
    assert [[folder.name[-1] for folder in found] for found in runs] == [["3", "4"]] * 2


def test_mode_recovery_from_data_to_page(tmp_path, monkeypatch):
    monkeypatch.setattr(mode_recovery, "SMALL", {"training.batch_size": 8, "training.steps": 2})
    monkeypatch.setattr(mode_recovery, "SMALL_IMAGES", 50)
    monkeypatch.setitem(datasets.CATALOGUE["stacked-mnist"].splits, "train", 300)
    data = npz(tmp_path / "data.npz", 28, 100, 1)
    mode_recovery.study(tmp_path / "out", data, seeds="0,1", device="cpu")
    text, results = page_of(tmp_path / "out")
    assert "27.67 ± 0.47" in text  # Table 5
    assert "716.67 ± 1.25" in text
    assert len(results["runs"]["K = 1/4, DCGAN + IM"]["modes"]) == 2
    (tmp_path / "out" / "results.json").unlink()  # as if stopped before the page was written
    with pytest.raises(ZooError, match="--resume"):
        mode_recovery.study(tmp_path / "out", data, seeds="0,1", device="cpu")
    monkeypatch.setattr("training.studies.runs.train", lambda *_: pytest.fail("a finished run is not trained again"))
    mode_recovery.study(tmp_path / "out", data, seeds="0,1", device="cpu", resume=True)
    assert page_of(tmp_path / "out")[1]["runs"] == results["runs"]


@pytest.mark.parametrize(
    ("plain", "infomax", "short", "says"),
    [
        ([610.0, 600.0], [716.0, 700.0], False, "(more in 2 of 2 seeds), as in the paper"),
        ([27.0], [62.0], False, "(more in 1 of 1 seeds), as in the paper"),
        ([27.0, 30.0], [62.0, 20.0], True, "(more in 1 of 2 seeds), the seeds **do not agree**"),
        ([700.0], [610.0], True, "(not more in any seed), **unlike** the paper"),
        ([10.0], [12.0], True, "**too few steps to tell**"),
    ],
)
def test_what_is_said_of_modes(plain, infomax, short, says):
    assert says in mode_recovery._finding("1/2", plain, infomax, short)


def test_a_study_begins_goes_on_or_refuses(tmp_path):
    with pytest.raises(ZooError, match="no study to continue"):
        options.begin(tmp_path / "x", resume=True)
    work = options.begin(tmp_path / "x", resume=False)
    with pytest.raises(ZooError, match="--resume"):
        options.begin(tmp_path / "x", resume=False)
    assert options.begin(tmp_path / "x", resume=True) == work
    results = tmp_path / "x" / "results.json"
    results.write_text('{"unfinished": 2}')  # the page of a part of a sweep
    assert options.begin(tmp_path / "x", resume=True) == work
    results.write_text("{}")
    with pytest.raises(ZooError, match="finished study"):
        options.begin(tmp_path / "x", resume=True)
    for text in ("a", "1,1", "", "-1"):
        with pytest.raises(ZooError, match="list of seeds"):
            options.numbers(text)


def test_a_size_and_what_is_given_beside_it():
    small, large = {"training.steps": 5, "data.resolution": 16}, {"training.steps": 9}
    assert options.changes(small, large, False, precision=None, steps=7) == {**small, "training.steps": 7}
    assert options.changes(small, large, True, precision="tf32") == {**large, "training.precision": "tf32"}
    assert small["training.steps"] == 5


def test_bad_input_is_one_line(tmp_path):
    command = [sys.executable, "-m", "training.studies.forgetting", "--data", "nothing.npz", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "nothing.npz does not exist" in done.stderr
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------------------------------- the reports


def test_overhead_is_a_ratio_within_turns():
    middle, spread = overhead([1.0, 2.0, 4.0], [1.1, 2.2, 4.4])
    assert middle == pytest.approx(0.1)
    assert spread == pytest.approx(0, abs=1e-9)
    assert overhead([2.0], [3.0]) == (0.5, 0.0)


def test_numbers_are_written_with_their_spread():
    assert mean_and_spread([1.0]) == "1.00"
    assert mean_and_spread([1.0, 3.0], 1) == "2.0 ± 1.0"


def test_a_page_is_written_whole_and_says_where(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/training/studies/cost.py", "--data", "/secret/place/mnist.npz"])
    table = Table("A table:", ("a", "b"), [("1", "2")])
    report = StudyReport("Title", "Paper", "Why?", ["How."], {"seed": 0}, ["Found."], {"x": 1}, [table])
    report.write(tmp_path)
    text, results = page_of(tmp_path)
    assert "| a | b |\n|---|---|\n| 1 | 2 |" in text
    assert results["findings"] == ["Found."]
    assert results["machine"]["command"] == "python -m training.studies.cost --data mnist.npz"
    assert "/secret" not in text
