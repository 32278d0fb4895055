"""The papers as data: nothing is left out, nothing is stale, and a cell goes from its name to its row."""

import ast
import importlib
import json
import shlex
from functools import cache
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.main import get_command

import zoo
from training.studies import (
    paper,
    paper_results,
    papers_command,
    papers_page,
    reproduce,
    sweep,
    sweep_cost,
)
from training.studies.command import app as sweep_app
from training.studies.infomax_form import EQUATION_4
from training.studies.paper_results import Results, claims_of, rows_of, verdict_on_number
from training.studies.sweep_report import weigh
from zoo.checkpoints.availability import availability
from zoo.cli.app import app as app_of_zoo
from zoo.common.errors import ZooError
from zoo.schema import registry
from zoo.schema.recipe import InfoMax

ROOT = Path(__file__).parents[3]
PARTS = [(name, part) for name in paper.names() for part in paper.load(name).parts]


def test_the_page_is_not_stale():
    results = Results([ROOT / "studies"])
    page = (ROOT / papers_page.PAGE).read_text(encoding="utf-8")
    assert page == papers_page.render(results), "run: zoo papers page"


@pytest.mark.parametrize(("name", "begins"), [("infomax-gan", "InfoMax-GAN, "), ("contragan", "ContraGAN, ")])
def test_every_published_number_is_a_cell(name, begins):
    rows = [row for part in paper.load(name).parts for row in rows_of(part, Results([]))]
    shown = {(row.model, row.metric.lower(), row.published.split(" ")[0]) for row in rows}
    for model, score in paper._scores():
        if score.source.startswith(begins):
            assert (model, score.metric.lower(), f"{score.value:g}") in shown, (model, score.source, str(score))


def test_every_table_figure_and_equation_has_a_part():
    ids = {name: " ".join(part.id for part in paper.load(name).parts) for name in paper.names()}
    for n in range(1, 11):
        assert f"table{n} " in f"{ids['infomax-gan']} "
    for n in (*range(1, 4), *(f"-a{n}" for n in range(1, 11))):
        assert f"table{n} " in f"{ids['contragan']} "
    for n in (*range(1, 4), "-a1", "-a2a", "-a2b", *(f"-a{n}" for n in range(3, 11))):
        assert f"figure{n} " in f"{ids['contragan']} "
    used = {of_sweep.sweep for _, part in PARTS for of_sweep in part.sweeps}
    assert set(sweep.names()) - used <= {"contragan-small"}  # the bundled models, whose lengths are this repository's


def test_tests_that_check_a_part_exist():
    for _, part in PARTS:
        for place in part.checked_by:
            path, _, function = place.partition("::")
            assert (ROOT / path).exists(), place
            if function:
                tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
                assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, place


@cache
def commands_of_zoo():
    """Its own, and those that training adds."""
    ours = typer.Typer()
    ours.command("reproduce")(reproduce.reproduce)
    ours.command("papers")(papers_command.papers)
    ours.add_typer(sweep_app, name="sweep")
    return get_command(app_of_zoo), get_command(ours)


def parsed(words: list[str]) -> None:
    """Parse a command line and run nothing; raises UsageError of click for what it does not know."""
    if words[:2] == ["python", "-m"]:
        one = typer.Typer()
        one.command()(importlib.import_module(words[2]).study)
        get_command(one).make_context(words[2], words[3:])
        return
    assert words[0] == "zoo"
    group, words = commands_of_zoo()[words[1] in ("reproduce", "papers", "sweep")], words[1:]
    while hasattr(group, "commands"):
        group, words = group.commands[words[0]], words[1:]
    group.make_context(words[0], words)


def test_the_command_of_every_part_is_one_that_exists():
    """And it names a model or a sweep that exists."""
    for name, part in PARTS:
        for line in papers_page.commands(paper.load(name), part):
            program, *words = shlex.split(line)
            if program == "pytest":
                assert all((ROOT / word.partition("::")[0]).exists() for word in words), line
                continue
            parsed([program, *words])
            if words[:2] in (["sweep", "cost"], ["sweep", "run"]):
                assert words[2] in sweep.names(), line
            if words[0] in ("info", "compare"):
                assert registry.config(words[1]), line
    with pytest.raises(Exception, match="No such option"):
        parsed(["zoo", "reproduce", "contragan", "table1", "--stepz", "3"])


def test_infomax_gan_has_what_table_6_says():
    """I(C(x); E(x)) of the discriminator's features, by InfoNCE; no code enters the generator."""
    config = registry.config("infomax-gan/cifar10")
    (part,) = config.training.auxiliary
    assert isinstance(part, InfoMax)
    assert config.discriminator.infomax.global_after is None
    assert config.num_classes == 0


def test_a_cell_by_its_name():
    known = ["cifar10/sngan", "cifar10/ssgan", "cifar10/ssgan-im", "cifar-100/sngan"]
    assert paper.chosen_cells(known, ["CIFAR10/SSGAN"]) == ["cifar10/ssgan"]
    assert paper.chosen_cells(known, ["cifar100"]) == ["cifar-100/sngan"]
    assert paper.chosen_cells(known, ["cifar10"]) == known[:3], "no other data set"
    assert paper.chosen_cells(known, []) == known
    with pytest.raises(ZooError, match='no cell is called "stl10"; there are cifar10/sngan'):
        paper.chosen_cells(known, ["stl10"])
    with pytest.raises(ZooError, match='no part of infomax-gan is called "table99"; did you mean table9'):
        paper.load("infomaxgan").part("table99")
    with pytest.raises(ZooError, match='no paper is called "stylegan"; there are contragan, infomax-gan'):
        paper.load("stylegan")


@pytest.mark.parametrize(
    ("values", "value", "std", "verdict"),
    [
        ([17.0, 17.2, 17.4], 17.14, 0.2, "agrees"),
        ([18.0, 18.0, 18.0], 17.14, 0.2, "disagrees"),
        ([17.5], 17.14, 0.2, "agrees"),
        ([31.0], 30.286, None, "agrees"),
        ([35.0], 30.286, None, "disagrees"),
    ],
)
def test_a_number_agrees_within_twice_the_spread(values, value, std, verdict):
    assert verdict_on_number(values, value, std) == verdict


def test_a_comparison_is_weighed():
    assert weigh([1.0, 1.2], "less", [2.0, 2.2]) == "agrees"
    assert weigh([1.0, 1.2], "greater", [2.0, 2.2]) == "disagrees"
    assert weigh([1.0, 2.0], "less", [1.2, 2.2]) == "too close"
    assert weigh([], "less", [1.0]) == "not run"


def study(folder, name, **data):
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "results.json").write_text(json.dumps(data), encoding="utf-8")


def test_a_study_with_another_equation_has_no_verdict(tmp_path):
    part, curves = paper.load("infomax-gan").part("figure2"), {"mean": [0.9, 0.91], "first 2": [0.8, 0.81]}
    without = {"mean": [0.7, 0.71], "first 2": [0.6, 0.61], "at change 2": [0.3, 0.31], "last 2": [0.8, 0.81]}
    summary = {"with InfoMax": curves | {"at change 2": [0.3, 0.32]}, "without InfoMax": without}
    assert [claim.verdict for claim in claims_of(part, Results([tmp_path]))] == ["not run"] * 8
    study(tmp_path, "forgetting-equation4", settings={}, summary=summary)
    claims = claims_of(part, Results([tmp_path]))
    assert claims[1].verdict == "not run: with InfoMax-GAN Eq. 4"
    assert claims[1].numbers.startswith("with the released code's form: agrees, 0.905 ± 0.005 against 0.705 ± 0.005")
    study(tmp_path, "forgetting-equation4", settings={"InfoMax": EQUATION_4}, summary=summary)
    claims = claims_of(part, Results([tmp_path]))
    assert [claim.verdict for claim in claims][:3] == ["agrees", "agrees", "too close"]
    assert "0.305 ± 0.005 against 0.805 ± 0.005, at the CPU's size (" in claims[0].numbers
    machine = {"command": "python -m training.studies.forgetting --paper"}
    study(tmp_path, "forgetting-equation4", settings={"InfoMax": EQUATION_4}, summary=summary, machine=machine)
    assert ", at the paper's size (" in claims_of(part, Results([tmp_path]))[0].numbers


def test_one_class_above_all_is_not_consistently_worse(tmp_path):
    part, last = paper.load("infomax-gan").part("figure3"), {"all classes": 0.4, "one image": 0.0}
    for highest, verdict in ((0.39, "agrees"), (0.41, "disagrees")):
        record = last | {"one class 0": 0.2, "one class 1": highest}
        study(tmp_path, "mode-collapse", settings={"InfoMax": EQUATION_4}, records=[{}, record])
        claims = {claim.text: claim for claim in claims_of(part, Results([tmp_path]))}
        assert claims["All classes are answered better than each single class"].verdict == verdict
        assert claims["One image is answered worse than all classes"].verdict == "agrees"


@pytest.mark.parametrize(
    ("made", "verdict", "row"),
    [
        ({"machine": {"command": "x --paper"}}, "agrees", ("61.5 ± 0.5 at the paper's size", "agrees")),
        ({}, "agrees", ("61.5 ± 0.5 at the CPU's size", "not run")),
        ({"shortened": "in 10 of 1,200 steps"}, "not run", ("61.5 ± 0.5 in 10 of 1,200 steps", "not run")),
    ],
)
def test_the_numbers_of_a_study_are_cells(tmp_path, made, verdict, row):
    runs = {"K = 1/4, DCGAN": {"modes": [27.0, 28.0], "KL": [5.4, 5.5]}}
    runs["K = 1/4, DCGAN + IM"] = {"modes": [61.0, 62.0], "KL": [4.7, 4.7]}
    name, part = "mode-recovery-quarter-equation4", paper.load("infomax-gan").part("table5")
    data = {"settings": {"InfoMax": EQUATION_4}, "runs": runs, "enough steps": {"K = 1/4": True}}
    study(tmp_path / "one", name, **data, **made)
    rows = {(r.cell, r.metric): (r.here, r.verdict) for r in rows_of(part, Results([tmp_path]))}
    assert rows["k-1-4/dcgan-im", "modes"] == row
    assert rows["k-1-2/dcgan-im", "modes"] == ("", "not run")
    assert [c.verdict for c in claims_of(part, Results([tmp_path]))] == [verdict, "not run", verdict, "not run"]
    study(tmp_path / "two", name, **data)
    assert ("shortened" in Results([tmp_path]).study(name)) is False, "the largest size"
    runs["K = 1/4, DCGAN + IM"]["modes"] = [90.0, 27.5]  # more on average, and fewer with the second seed
    study(tmp_path / "two", name, **data)
    assert claims_of(part, Results([tmp_path / "two"]))[0].verdict == "too close"
    runs["K = 1/4, DCGAN + IM"]["modes"] = [61.0, 62.0]
    study(tmp_path / "one", name, **data | {"enough steps": {"K = 1/4": False}})
    (claim, *_) = claims_of(part, Results([tmp_path / "one"]))
    assert (claim.verdict, claim.numbers[:42]) == ("not run", "61.5 ± 0.5 against 27.5 ± 0.5, too few ste")


def test_ones_own_results_come_before_those_that_ship(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    part = paper.load("contragan").part("table3")
    shipped = {r.cell: r.here for r in rows_of(part, paper_results.usual())}
    definition = paper.sweep_of("contragan-regularizers")
    runs = [{**one.where, "seed": one.seed, "fid": 12.5} for one in definition.runs(False)]
    study(tmp_path / "reproduced" / "mine", "x", sweep="contragan-regularizers", size="small", runs=runs)
    own = {r.cell: r.here for r in rows_of(part, paper_results.usual())}
    changed = {name for name in own if own[name] != shipped[name]}
    assert changed
    assert all(own[name].startswith("12.50 ± 0.00") for name in changed)


def test_paper_size_results_get_a_verdict_and_small_ones_none(tmp_path):
    part = paper.load("infomax-gan").part("table2")
    runs = [{"method": "SSGAN", "seed": seed, "fid": 16.5 + seed / 10} for seed in range(3)]
    for size, verdict in (("small", "not run"), ("paper", "agrees")):
        study(tmp_path, size, sweep="infomax-comparison", size=size, runs=runs)
        row = next(r for r in rows_of(part, Results([tmp_path])) if r.cell == "cifar10/ssgan")
        assert (row.published, row.verdict) == ("16.59 ± 0.13", verdict)
        assert row.here.startswith("16.60 ± 0.08")


def test_ten_steps_are_shown_and_decide_nothing(tmp_path):
    part = paper.load("contragan").part("figure-a1")
    runs = [{"temperature": temperature, "seed": 0, "fid": fid} for temperature, fid in (("0.1", 190.0), ("1.0", 90.0))]
    for size, verdict in (("smallest", "not run"), ("small", "agrees")):
        study(tmp_path, size, sweep="contragan-temperature", size=size, runs=runs)
        (claim,) = claims_of(part, Results([tmp_path]))
        assert (claim.verdict, claim.numbers[:22]) == (verdict, "90.0 against 190.0 (FD")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be read"),
        ('{"sweep": "contragan-temperature", "size": "huge", "runs": []}', "is not of the sweep contragan-temperature"),
        ('{"sweep": "contragan-temperature", "size": "small", "runs": [{"seed": 0}]}', "is not of the sweep"),
        ('{"sweep": "contragan-temperature"}', "is not of the sweep"),
    ],
)
def test_damaged_results_are_named(tmp_path, text, reason):
    path = tmp_path / "results.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ZooError, match=reason) as error:
        rows_of(paper.load("contragan").part("figure-a1"), Results([tmp_path]))
    assert str(error.value).startswith(str(path))


def test_the_command_of_cells_runs_all_of_them():
    found = paper.load("infomax-gan")
    part = found.part("table1")
    assert papers_page.commands(found, part, ["cifar-100"]) == ["zoo reproduce infomax-gan table1 --cell cifar-100"]
    two = papers_page.commands(found, part, ["CIFAR10/SSGAN", "stl 10"])
    assert two == ["zoo reproduce infomax-gan table1 --cell CIFAR10/SSGAN --cell 'stl 10'"]
    plans = reproduce.plans_of(part, ["cifar-100"], "smallest", Path("out"), None, "cpu")
    assert {run.where["method"] for plan in plans for run in plan.runs} == {"SNGAN", "SSGAN", "InfoMax-GAN"}
    found = paper.load("contragan")
    part = found.part("table3")
    assert papers_page.commands(found, part, ["Table 3, column A"]) == list(part.commands), "counted, in no run"


def test_every_cell_that_can_be_run_is_a_row():
    for _, part in PARTS:
        cells = {cell for of_sweep in part.sweeps for cell in paper.cells_of(of_sweep)}
        assert cells <= {row.cell for row in rows_of(part, Results([]))}, part.id


def test_cells_of_curves_are_rows_without_a_number(tmp_path):
    part = paper.load("infomax-gan").part("figure7")
    rows = [(row.cell, row.metric, row.here, row.verdict) for row in rows_of(part, Results([tmp_path]))]
    assert rows == [("0.2", "curves", "", "not run"), ("1.0", "curves", "", "not run")]
    study(tmp_path, "x", sweep="infomax-loss-scales", size="smallest", runs=[{"alpha = beta": "1.0", "seed": 0}])
    assert [row.here for row in rows_of(part, Results([tmp_path]))] == ["", "drawn in ten steps"]
    said = reproduce.comparison(part, ["1.0"], tmp_path)
    assert "| 1.0 | curves | drawn in the paper | drawn in ten steps | not run |" in said
    assert "0.2" not in said


def test_others_scores_and_those_of_weights_stand_where_the_model_is_the_cell():
    rows = {
        row.cell: row for row in rows_of(paper.load("infomax-gan").part("table1"), Results([])) if row.metric == "FID"
    }
    assert rows["cifar10/sngan"].elsewhere == "16.77 ± 0.04 (Mimicry README, a7fda06)"
    rows = {row.cell: row for row in rows_of(paper.load("contragan").part("table1"), Results([]))}
    row = rows["cifar10/snresgan-contragan"]
    assert (row.here, row.verdict) == ("27.38 ± 0.18 FD (efficientnet-lite0) of the weights zoo", "not run")
    varied = rows_of(paper.load("contragan").part("table-a9"), Results([]))
    assert not any(row.elsewhere or row.here for row in varied), "of other settings than the weights'"


def test_a_cell_is_shown_with_its_command(app, capsys):
    app(["papers", "infomax-gan", "table1", "--cell", "cifar10/ssgan"], standalone_mode=False)
    said = capsys.readouterr().out
    assert "zoo reproduce infomax-gan table1 --cell cifar10/ssgan" in said
    assert "16.59 ± 0.13" in said
    assert "18.63" not in said, "another cell"


def test_parameters_are_counted_without_weights():
    assert paper_results.parameters(registry.config("contragan/tiny-imagenet")) == 17_335_204 + 31_678_130


def test_the_cost_of_a_step_stands_beside_the_papers(monkeypatch):
    class Timed:
        def __init__(self, config, device):
            pass

        def seconds(self, steps):
            return steps / 8

    monkeypatch.setattr(sweep_cost, "Timed", Timed)
    definition = sweep.load("contragan-regularizers")
    rows = sweep_cost.table(definition, True, "cpu", 4, ["column=E: 2C"]).rows
    assert rows == [("column E: 2C", "49.01", "0.500", "on a GPU alone", "49", "0.967")]
    (smallest,) = sweep_cost.table(definition, True, "cpu", 4, ["column=E: 2C"], smallest=True).rows
    assert float(smallest[1]) < 1
    with pytest.raises(ZooError, match='--only "E" names no option; there are column='):
        sweep_cost.table(definition, True, "cpu", 4, ["E"])


def test_a_figure_of_samples_is_drawn_from_models_that_exist():
    figures = [(name, part) for name, part in PARTS if part.title.startswith("Samples of ")]
    assert len(figures) == 4 + 8
    assert [(name, part) for name, part in PARTS if part.samples] == figures
    for name, part in figures:
        for sheet in part.samples:
            assert registry.config(sheet.model)
            for small in sheet.small:
                assert availability(registry.config(small)).source == "bundled"
        told = papers_page.commands(paper.load(name), part)
        lacking = [sheet for sheet in part.samples if availability(registry.config(sheet.model)).status == "train"]
        assert told, part.id
        assert (f"zoo papers {name} {part.id} -o {part.id}.png" in told) == (not lacking)


def test_a_sheet_has_a_row_of_each_class_and_other_models_beside_it(app, capsys, tmp_path):
    out = tmp_path / "figure.png"
    command = ["papers", "contragan", "figure-a6", "-o", str(out)]
    models = ["contragan/digits", "infomax-gan/digits", "contragan/digits"]
    app([*command, *(word for name in models for word in ("--model", name))], standalone_mode=False)
    assert f"wrote {out}" in capsys.readouterr().out
    picture, side = Image.open(out), 10 * 34 + 2
    assert picture.size == (2 * (side + 8), 2 * (side + 16 + 8)), "two columns of the figure, three sheets"
    sheets = [picture.crop((x, y, x + side, y + side)) for x, y in ((4, 16), (4 + side + 8, 16), (4, 16 + side + 24))]
    classes = zoo.load("contragan/digits", device="cpu").sample(100, [i // 10 for i in range(100)], seed=0)
    plain = zoo.load("infomax-gan/digits", device="cpu").sample(100, seed=0)
    assert [sheet.tobytes() for sheet in sheets] == [images.grid(10).tobytes() for images in (classes, plain, classes)]
    with pytest.raises(ZooError, match="overwrite"):
        app([*command, "--model", "contragan/digits"], standalone_mode=False)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("contragan table1 -o x.png", "contragan table1 shows no samples; figure3, figure-a4, "),
        ("contragan figure-a6 -o x.md", r"x\.md is not a \.png file"),
        ("page -o x.png", "not an .md file"),
        ("contragan -o x.png", "name the figure"),
        ("contragan figure-a6 --model contragan/digits", "give -o"),
        ("contragan figure-a6 -o x.png --model contragon/digits", "contragan/digits"),
        ("contragan figure-a4 -o x.png", "acgan-biggan/cifar10"),
    ],
)
def test_what_cannot_be_drawn_is_refused(app, tmp_path, monkeypatch, words, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ZooError, match=reason):
        app(["papers", *words.split()], standalone_mode=False)
    assert not list(tmp_path.iterdir())
