"""What the user is told: doubts, the command, reports and `zoo info`."""

import json
import shutil

import pytest
from relabel import ORDER, permuted

import zoo
from zoo.release.export import export_folder
from zoo.schema import registry
from zoo.schema.label_alignment import PERMUTED, percent
from zoo.schema.labels import doubt


def said_on_stderr(capsys, function) -> str:
    capsys.readouterr()
    function()
    return capsys.readouterr().err


def test_labels_of_a_2c_loss_are_doubted_once(run, digits, capsys):
    model = zoo.load(run)
    assert said_on_stderr(capsys, lambda: model.sample(1, seed=0)) == "", "no class was asked for"
    said = said_on_stderr(capsys, lambda: model.sample(1, 3, seed=0))
    assert said.startswith("zoo: ")
    assert said.count("\n") == 1
    assert f"zoo align {run}" in said
    assert said_on_stderr(capsys, lambda: model.sample(1, 3, seed=0)) == ""
    assert said_on_stderr(capsys, lambda: zoo.load(run).sample(1, 3, labels="trained")) == ""
    assert said_on_stderr(capsys, lambda: zoo.load("contragan/digits").sample(1, 3)) == "", "measured"
    assert said_on_stderr(capsys, lambda: zoo.load("contragan/cifar10", weights="random").sample(1, 3)) == ""


def test_a_projection_discriminator_is_trusted():
    assert doubt(registry.config("biggan/cifar10"), "biggan/cifar10", None) is None
    assert "zoo align" in doubt(registry.config("contragan/cifar10"), "contragan/cifar10", None)


def test_the_command_prints_writes_and_keeps(run, tmp_path, command):
    out = tmp_path / "report"
    result = command("align", run, "-n", "30", "-o", out)
    assert result.returncode == 0
    assert "labels are permuted" in result.stdout
    assert "class as assigned" in result.stdout
    assert sorted(path.name for path in out.iterdir()) == ["alignment.json", "alignment.md", "confusion.png"]
    assert json.loads((out / "alignment.json").read_text())["assignment"] == ORDER
    assert command("align", run, "-n", "30", "-o", out).returncode == 1
    printed = command("align", run, "-n", "30", "--json", "--no-keep")
    assert json.loads(printed.stdout)["verdict"] == PERMUTED
    shutil.rmtree(out)
    assert "one" not in command("info", run).stderr


def test_evaluation_reports_classes_both_ways(digits, found):
    model = permuted(digits, ORDER)
    options = {"extractor": "tiny", "num_fake": 400, "seeds": 1, "device": "cpu"}
    plain = zoo.evaluate(digits, ("classes",), **options)
    by_images = zoo.evaluate(model, ("classes",), **options)
    model.alignment = found
    by_alignment = zoo.evaluate(model, ("classes",), **options)
    assert plain["class accuracy"].value == plain["class accuracy as assigned"].value
    for report in (by_images, by_alignment):
        assert report["class accuracy"].value < 0.35 < report["class accuracy as assigned"].value
        assert report["class accuracy as assigned"].metric == "class accuracy as assigned (tiny)"
        assert report["intra-class fid as assigned"].value < report["intra-class fid"].value
        assert report["intra-class fid as assigned"].value == pytest.approx(plain["intra-class fid"].value, rel=0.2)
        assert "as assigned" in report._repr_markdown_()
    label_of = {row.index: row.label for row in by_alignment.classes.rows_assigned}
    assert label_of == {c: i for i, c in enumerate(ORDER)}
    assert by_alignment.classes.assigned_by == "the alignment kept with the weights"
    again = type(plain).model_validate_json(by_alignment.to_json())
    assert again.classes.assignment == tuple(ORDER)


def test_info_of_a_folder_tells_of_its_own_weights(run, tmp_path, command):
    """Of a run, before and after the measurement, and of an export that carries it."""
    before = command("info", run).stdout
    assert "none yet" not in before
    assert "may be permuted" in before
    zoo.align(run, 30)
    assert "labels are permuted" in command("info", run).stdout
    out = export_folder(run, tmp_path / "out")
    said = command("info", out).stdout
    assert "labels are permuted" in said
    assert "model.safetensors" in said


def test_percents_are_rounded_as_people_do():
    assert [percent(n, 200) for n in (0, 1, 2, 101, 121, 200)] == ["0%", "1%", "1%", "51%", "61%", "100%"]
    assert percent(1, 1000) == "<1%"
