"""The command line as a user meets it: files, exit statuses, one-line errors, no tracebacks."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.cli import completion
from zoo.schema import registry


@pytest.fixture
def run(command):
    return command


def test_list_and_its_json(run):
    table = run("list", "--all").stdout
    assert all(name in table for name in registry.names())
    rows = [json.loads(line) for line in run("list", "*/cifar10", "--conditional", "--json").stdout.splitlines()]
    by_name = {row["name"]: row for row in rows}
    assert by_name["contragan/cifar10"]["published FID"] == 8.065
    tags = ("studiogan", "studiogan-hub", "studiogan-hub-2", "studiogan-hub-3")
    assert by_name["contragan/cifar10"]["weights"] == dict.fromkeys(tags, "studiogan")
    assert by_name["contragan/cifar10"]["here"] == []
    assert "infomax-gan/cifar10" not in by_name


@pytest.mark.parametrize("name", registry.names())
def test_every_model_can_be_described_and_has_a_card(name):
    from rich.console import Console

    from zoo.cli import describe
    from zoo.release import card

    config = registry.config(name)
    console = Console(width=120, file=io.StringIO())
    console.print(describe.describe(config))
    shown, text = console.file.getvalue(), card.render(config)
    for published in config.published:
        assert f"{published.value:g}" in shown
        assert f"{published.value:g}" in text


def test_info_json_is_the_config(run):
    result = run("info", "ContraGAN-CIFAR10", "--json")
    assert zoo.ModelConfig.from_dict(json.loads(result.stdout)) == zoo.info("contragan/cifar10")


def test_sample_writes_a_grid_by_class(run, tmp_path):
    out = tmp_path / "digits.png"
    result = run("sample", "contragan/digits", "-n", 20, "--label", "all", "--seed", 3, "-o", out)
    assert result.returncode == 0, result.stderr
    assert "20 images of 32x32" in result.stdout
    assert "seed 3" in result.stdout
    expected = zoo.load("contragan/digits").sample(20, label=[i // 2 for i in range(20)], seed=3)
    assert np.array_equal(np.asarray(Image.open(out)), np.asarray(expected.grid(columns=2)))


def test_sample_writes_a_folder_and_an_npz(run, tmp_path):
    assert (
        run(
            "sample", "contragan/digits", "-n", 9, "-l", "1,2,8", "-o", tmp_path / "d", "--batch-size", 4, "-q"
        ).returncode
        == 0
    )
    assert len(list((tmp_path / "d").glob("*.png"))) == 9
    assert run("sample", "infomax-gan/digits", "-n", 3, "-o", tmp_path / "x.npz", "--seed", 0).returncode == 0
    with np.load(tmp_path / "x.npz") as archive:
        assert np.array_equal(
            archive["images"], zoo.load("infomax-gan/digits").sample(3, seed=0).uint8.permute(0, 2, 3, 1).numpy()
        )


def test_the_default_file_and_no_overwriting(run, tmp_path):
    assert run("sample", "contragan-digits", "-n", 1).returncode == 0
    before = (tmp_path / "contragan-digits.png").read_bytes()
    again = run("sample", "contragan-digits", "-n", 1)
    assert again.returncode == 1
    assert "--force" in again.stderr
    assert (tmp_path / "contragan-digits.png").read_bytes() == before
    assert run("sample", "contragan-digits", "-n", 1, "--force", "--seed", 5).returncode == 0
    assert "it existed already" in run("sample", "contragan-digits", "-n", 1, "--seed", 5).stdout
    assert "--force" in run("sample", "contragan-digits", "-n", 1, "--seed", 6).stderr


def test_a_card_overwrites_nothing_unasked(run, tmp_path):
    for model, name in (("contragan/digits", "contragan-digits.png"), ("infomax-gan/digits", "infomax-gan-digits.md")):
        (tmp_path / name).write_text("mine")
        done = run("card", model, "-o", ".")
        assert (done.returncode, "exists" in done.stderr) == (1, True)
        assert (tmp_path / name).read_text() == "mine"
        assert run("card", model, "-o", ".", "--force").returncode == 0


def test_a_folder_is_checked_before_anything_is_written(run, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "000019.png").write_bytes(b"precious")
    assert "000019.png exists" in run("sample", "contragan/digits", "-n", 20, "--batch-size", 4, "-o", "d").stderr
    assert [p.name for p in (tmp_path / "d").iterdir()] == ["000019.png"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["sample", "contragn/digits"], 2, "did you mean contragan/digits"),
        (["sample", "infomax-gan/cifar10"], 1, "zoo import infomax-gan/cifar10@mimicry --from FILE"),
        (["sample", "contragan/digits", "--label", "eleven"], 2, 'no class "eleven"'),
        (["sample", "contragan/digits", "--label", "10"], 2, "classes 0 to 9"),
        (["sample", "contragan/digits", "--label", "all", "-n", "4"], 2, "ask for at least 10"),
        (["sample", "infomax-gan/digits", "--label", "all"], 2, "unconditional"),
        (["sample", "contragan/digits", "-o", "x.docx"], 2, "unknown format"),
        (["sample", "contragan/digits", "-o", "/dev/null/x.png"], 1, "/dev/null"),
        (["sample", "contragan/digits", "-n", "0"], 2, "-n"),
        (["sample", "contragan/digits", "--colour"], 2, "--colour"),
        (["list", "--available", "online"], 2, "offline"),
        (["list", "zebra*"], 1, "no model fits"),
        (["info", "nothing-like-it-at-all"], 2, "zoo list"),
        (["import", "contragan/cifar10", "--from", "missing.pth"], 1, "does not exist"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_errors_are_one_line_with_the_right_status(run, tmp_path, arguments, status, words):
    result = run(*arguments)
    assert result.returncode == status
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_version_help_and_completion(run):
    assert run("--version").stdout == f"zoo {zoo.__version__}\n"
    module = subprocess.run([sys.executable, "-m", "zoo", "--version"], capture_output=True, text=True, check=True)
    assert module.stdout == f"zoo {zoo.__version__}\n"
    assert "sample" in run("--help").stdout
    assert completion.model("contragan/ti") == ["contragan/tiny-imagenet"]
