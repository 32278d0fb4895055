"""`zoo evaluate` and `zoo verify` as a user meets them: tables, files, exit statuses, one-line errors."""

import json

import pytest
from PIL import Image

from zoo.schema import registry
from zoo.schema.entries import Measured

EVALUATE = ("evaluate", "infomax-gan/digits", "--extractor", "tiny", "--num-fake", "100", "--seeds", "1")


def test_evaluate_prints_a_table_and_writes_a_report(command, tmp_path):
    result = command(*EVALUATE, "--curve", "-o", "out")
    assert result.returncode == 0, result.stderr
    for word in (
        "FD (tiny)",
        "KD (tiny)",
        "CS (tiny)",
        "precision (tiny)",
        "1,797 / 100",
        "fid.num_fake: 100, not 50000",
    ):
        assert word in result.stdout
    assert "FID" not in result.stdout.replace("Frechet", "")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "report.json",
        "report.md",
        "samples.png",
        "convergence.png",
    }
    again = command(*EVALUATE, "-o", "out")
    assert again.returncode == 1
    assert "--force" in again.stderr
    assert command(*EVALUATE, "-m", "fid", "-o", "out", "--force").returncode == 0


def test_json_is_the_report(command):
    report = json.loads(command(*EVALUATE, "-m", "fid,is", "--json").stdout)
    assert [r["metric"] for r in report["results"]] == ["FD (tiny)", "CS (tiny)"]


def test_the_offline_extractor_on_a_bundled_model(command):
    """The command that needs no network and no data, on fewer images than the covariance has dimensions."""
    digits = (
        "--extractor",
        "efficientnet-lite0",
        "--seeds",
        "1",
        "--num-real",
        "60",
        "--num-fake",
        "40",
        "-m",
        "fid,kid",
    )
    result = command("evaluate", "infomax-gan/digits", *digits)
    assert result.returncode == 0, result.stderr
    assert "FD (efficientnet-lite0) of 40 generated and 60 real images: fewer than the 1,280 features" in result.stdout


def test_verify_by_its_exit_status(command, tmp_path):
    score = {"extractor": "tiny", "protocol": "clean", "num_real": 1797, "num_fake": 100, "split": "train"}
    measured = json.loads(command(*EVALUATE, "-m", "fid", "--json").stdout)["results"][0]["value"]
    for name, value in (("test/right", measured), ("test/wrong", measured / 100)):
        config = registry.config("infomax-gan/digits")
        scores = (Measured(metric="FD (tiny)", value=value, **score),)
        weights = config.weights[0].model_copy(update={"scores": scores})
        registry.register(config.model_copy(update={"name": name, "weights": (weights,), "published": ()}))
    right, wrong = command("verify", "test/right", "-o", "r"), command("verify", "test/wrong")
    assert (right.returncode, wrong.returncode) == (0, 1)
    assert "not reproduced" in wrong.stdout
    assert wrong.stderr == ""
    assert (tmp_path / "r" / "report.json").is_file()
    many = command("verify", "test/right", "test/wrong", "-o", "reports")
    assert many.returncode == 1
    assert "reports/summary.md: 2 verified, 0 not verified here" in many.stdout
    again = command("verify", "test/right", "test/wrong", "-o", "reports")
    assert again.stdout.count("(from an earlier run)") == 2


def test_verify_all_where_nothing_is_reachable(command, monkeypatch, tmp_path):
    monkeypatch.setattr("zoo.evaluation.rounds._stated", lambda: ["infomax-gan/cifar10@mimicry", "sngan/stl10@mimicry"])
    result = command("verify", "--all")
    assert result.returncode == 1
    assert "nothing could be verified here; reports/summary.md says why" in result.stderr
    assert "zoo import sngan/stl10@mimicry" in (tmp_path / "reports" / "summary.md").read_text()


@pytest.mark.parametrize(
    ("status", "arguments", "words"),
    [
        (1, ["verify", "infomax-gan/cifar10"], "weights-inception-2015-12-05-6726825d.pth"),
        (1, ["evaluate", "infomax-gan/digits", "--extractor", "inception"], "--inception-weights"),
        (1, ["evaluate", "infomax-gan/digits", "--inception-weights", "no.pth"], "no.pth does not exist"),
        (2, ["verify"], "give the names of models, or --all"),
        (2, ["verify", "a/b", "--all"], "give the names of models, or --all"),
        (2, ["verify", "stl10"], "no model is called"),
        (1, ["evaluate", "empty", "--extractor", "tiny", "--data", "digits"], "empty has no images (.jpg"),
        (2, [*EVALUATE, "-m", "fid,lpips"], "'lpips' is unknown; give one of fid, kid"),
        (2, [*EVALUATE, "--labels", "many"], "'many' is unknown; give one of uniform, data"),
        (1, [*EVALUATE, "--data", "gone.npz"], "gone.npz does not exist"),
        (1, [*EVALUATE, "--data", "gone/pictures"], "gone/pictures does not exist"),
        (2, [*EVALUATE, "--device", "cuda:9"], "cannot be used"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(command, tmp_path, status, arguments, words):
    (tmp_path / "empty").mkdir()
    result = command(*arguments, "-o", "out")
    assert result.returncode == status
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_picture_of_the_samples(command, tmp_path):
    assert command(*EVALUATE, "-m", "is", "-o", "out").returncode == 0
    with Image.open(tmp_path / "out" / "samples.png") as picture:
        assert picture.size == (8 * 34 + 2, 8 * 34 + 2)
