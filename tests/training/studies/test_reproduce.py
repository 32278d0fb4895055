"""`zoo reproduce`: from a part or a cell of a paper to its row."""

import json
from pathlib import Path

import pytest
import typer

from training.run.stopping import RunStoppedError
from training.studies import paper, part_studies, reproduce, sweep, sweep_scores
from training.studies.part_studies import PlannedStudy
from zoo.common.errors import UsageError, ZooError


def test_from_a_cell_to_its_row(app, tmp_path, some_data, monkeypatch, capsys):
    """Trained, scored, in the table; the same command again trains nothing."""
    ten_steps = sweep.shrunk
    monkeypatch.setattr(sweep, "shrunk", lambda config: ten_steps(config).updated({"training.steps": 2}))
    monkeypatch.setattr(sweep_scores, "measure", lambda definition, *_: dict.fromkeys(definition.metrics, 12.5))
    paper.runs_of.cache_clear()
    data, out = some_data("sngan/cifar10"), tmp_path / "out"
    command = ["reproduce", "infomax-gan", "table1", "--cell", "cifar10/sngan", "--smallest", "--data", str(data)]
    command += ["--device", "cpu", "--out", str(out)]
    app(command, standalone_mode=False)
    said = capsys.readouterr().out
    assert "| cifar10/sngan | FID | 18.63 ± 0.22 | 12.50 FD (efficientnet-lite0) in ten steps | not run" in said
    assert list(out.glob("smallest/infomax-comparison/work/*/model.safetensors"))
    assert f"page with plots: {out / 'smallest' / 'infomax-comparison' / 'README.md'}" in said.replace("\n", "")
    monkeypatch.setattr(sweep_scores, "measure", None)
    app(command, standalone_mode=False)
    assert "(finished)" in capsys.readouterr().out
    paper.runs_of.cache_clear()


def test_what_was_stopped_is_continued_by_the_same_command(app, tmp_path, monkeypatch):
    def stop(*_):
        raise RunStoppedError(2, "stopped after step 5 of 10, saved; continue with the same command and --resume")

    monkeypatch.setattr("training.studies.sweep_runs.run_all", stop)
    one = ["table1", "--cell", "cifar10/sngan", "--smallest", "--device", "cpu"]
    with pytest.raises(RunStoppedError) as stopped:
        app(["reproduce", "infomax-gan", *one, "--out", str(tmp_path)], standalone_mode=False)
    assert str(stopped.value) == "stopped after step 5 of 10, saved; the same command continues"
    assert stopped.value.exit_status == 130


def test_a_budget_takes_the_largest_size_that_fits(monkeypatch, tmp_path):
    part = paper.load("infomax-gan").part("table1")
    monkeypatch.setattr(reproduce.Cost, "of", lambda self, config: config.training.steps / 10)

    def fit(limit):
        return reproduce.fitting(part, ["cifar10"], "paper", tmp_path, None, "cpu", limit)

    # three methods and three seeds: 90,000 s as the paper, 720 s at the CPU's size, 240 s with one seed, 3 s at least
    sizes = [
        (fit(limit)[1].split(":")[0], sum(len(p.runs) for p in fit(limit)[0])) for limit in (1e5, 40_000, 700, 200)
    ]
    assert sizes == [
        ("size paper, all seeds", 9),
        ("size paper, the first seed", 3),
        ("size small, the first seed", 3),
        ("size smallest, all seeds", 3),
    ]
    plans, told = fit(2.5)
    assert told == "size smallest, 2 of 3 runs fit"
    assert [run.where["method"] for plan in plans for run in plan.runs] == ["SNGAN", "SSGAN"]
    with pytest.raises(ZooError, match="give a larger --budget"):
        fit(0.5)
    assert [reproduce.seconds_of(text) for text in ("15m", "2h", "1.5d")] == [900, 7200, 129_600]
    with pytest.raises(UsageError, match='"soon" is not a time'):
        reproduce.seconds_of("soon")


@pytest.mark.parametrize(
    "arguments", [("reproduce", "infomax-gan", "table1", "--budget", "15m"), ("sweep", "run", "infomax-weights")]
)
def test_data_that_are_not_there_are_refused_before_any_work(arguments, command, tmp_path):
    result = command(*arguments, "--data", "gone.npz")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("zoo: gone.npz does not exist; give a folder of images")
    assert not list(tmp_path.iterdir())


def test_a_scheduler_gets_the_command_of_each_run(app, capsys, tmp_path):
    command = ["reproduce", "contragan", "table1", "--cell", "tiny-imagenet", "--dry-run", "--out", str(tmp_path / "x")]
    app([*command, "--data", "tiny"], standalone_mode=False)
    out = tmp_path / "x" / "paper" / "contragan-tiny"
    expected = f"zoo sweep run contragan-tiny --paper --data tiny --out {out} --run method-contragan-seed0"
    assert expected in capsys.readouterr().out.replace("  ", "").split("\n")
    assert not (tmp_path / "x").exists()


# --------------------------------------------------------------------------------------------------------- studies


def commands(part: str, size: str) -> list[str]:
    chosen = paper.load("infomax-gan").part(part)
    return [str(plan) for plan in part_studies.plans_of(chosen, size, Path("out"), Path("x.npz"), "cuda:1")]


def test_a_part_that_a_study_measures_runs_it_at_three_sizes():
    start, end = "python -m training.studies.forgetting", "--data x.npz --device cuda:1 --out out"
    assert commands("figure2", "paper") == [f"{start} --paper {end}/paper/forgetting-equation4"]
    assert commands("figure2", "small") == [
        f"{start} {end}/small/forgetting-equation4",
        f"{start} --steps 20000 {end}/small/forgetting-equation4-long",
    ]
    assert commands("figure2", "smallest") == [f"{start} --steps 20 --seeds 0 {end}/smallest/forgetting-equation4"]
    (cost,) = commands("figure5", "smallest")
    assert "--data" not in cost, "its images are random"


@pytest.mark.parametrize("option", [("--cell", "x"), ("--budget", "2h")])
def test_a_study_measures_a_part_as_a_whole(app, option):
    with pytest.raises(UsageError, match=f"{option[0]} chooses runs of a sweep, and figure2 is measured as a whole"):
        app(["reproduce", "infomax-gan", "figure2", *option], standalone_mode=False)


def test_what_has_no_runs_says_its_command(app):
    with pytest.raises(UsageError, match=r"has no runs of its own; run: zoo info infomax-gan/cifar10 --json"):
        app(["reproduce", "infomax-gan", "table6"], standalone_mode=False)


_STUDY = """
import json, pathlib, signal, sys, time
out = pathlib.Path(sys.argv[-1]) if sys.argv[-1] != "--resume" else pathlib.Path(sys.argv[-2])
(out / "work").mkdir(parents=True, exist_ok=True)
if {waits} and "--resume" not in sys.argv:
    signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(143)))
    (out / "work" / "begun").touch()
    time.sleep(60)
if {fails}:
    sys.exit("studies: no luck")
(out / "results.json").write_text(json.dumps(dict(machine=dict(date="2026-01-01", command="it"))))
"""


def planned(out: Path, waits=False, fails=False) -> PlannedStudy:
    return PlannedStudy(["-c", _STUDY.format(waits=waits, fails=fails), str(out)], out)


def test_a_finished_study_is_not_run_again(tmp_path, capsys):
    part_studies.run(planned(tmp_path / "x"))
    assert json.loads((tmp_path / "x" / "results.json").read_text(encoding="utf-8"))
    part_studies.run(planned(tmp_path / "x", fails=True))
    assert f"{tmp_path / 'x'}: finished on 2026-01-01 by `it`; remove it to run it again" in capsys.readouterr().out
    (tmp_path / "x" / "results.json").write_text("{", encoding="utf-8")
    with pytest.raises(ZooError, match=r"results\.json cannot be read"):
        part_studies.run(planned(tmp_path / "x"))


def test_a_study_that_fails_has_said_why(tmp_path, capfd):
    with pytest.raises(typer.Exit) as ended:
        part_studies.run(planned(tmp_path / "x", fails=True))
    assert ended.value.exit_code == 1
    assert "studies: no luck" in capfd.readouterr().err


def test_a_study_that_is_stopped_saves_and_goes_on(tmp_path, monkeypatch, capfd):
    begun, stops = tmp_path / "x" / "work" / "begun", []

    def stopped() -> int:
        stops.append(begun.exists())
        return 15 if begun.exists() else 0

    class Stop:
        def __enter__(self):
            return stopped

        def __exit__(self, *_):
            pass

    with monkeypatch.context() as patch:
        patch.setattr(part_studies, "stop_signals", Stop)
        with pytest.raises(RunStoppedError, match="the same command continues") as error:
            part_studies.run(planned(tmp_path / "x", waits=True))
    assert error.value.exit_status == 143
    assert "saved" in capfd.readouterr().out
    part_studies.run(planned(tmp_path / "x", waits=True))
    assert (tmp_path / "x" / "results.json").exists()
