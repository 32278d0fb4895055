"""A report reads back what it wrote, writes all or nothing, and draws what it found."""

import contextlib
import errno
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.common import files
from zoo.common.errors import ConfigError, ZooError
from zoo.evaluation.features import extractors
from zoo.evaluation.metrics import convergence
from zoo.evaluation.metrics.classwise import ClassReport, ClassRow
from zoo.evaluation.report import report
from zoo.evaluation.report.report import Report, number, round_to
from zoo.evaluation.report.verdicts import Comparison


@pytest.fixture(scope="module")
def full():
    """A report with everything in it."""
    metrics = ("fid", "kid", "is", "pr", "classes")
    options = {"extractor": "tiny", "num_fake": 200, "seeds": 2, "curve": True, "device": "cpu"}
    found = zoo.evaluate("contragan/digits", metrics, **options)
    row = Comparison(metric="FID", published=17.14, source="a | paper", verdict="not comparable", why="other counts")
    return found.model_copy(update={"comparisons": (row,)}).with_samples(found._samples)


def test_it_holds_what_is_needed_to_run_again(full):
    from zoo.checkpoints import weights
    from zoo.schema import registry

    config = registry.config("contragan/digits")
    assert full.subject.weights_sha256 == files.sha256(weights.locate(config)) == config.weights[0].sha256
    assert full.environment.keys() >= {"zoo", "torch", "torch-fidelity", "numpy", "python", "device", "command"}
    assert full.protocols[0].seeds == (0, 1)
    assert len(full.references[0]["checksum"]) == 64
    assert len(full.extractor.sha256) == 64
    assert full["fid"].settings["seeds"] == [0, 1]
    assert set(full.seconds) >= {"generation", "extraction", "metrics", "convergence", "classifier"}


def test_json_is_the_report(full, tmp_path):
    (tmp_path / "report.json").write_text(full.to_json())
    assert Report.from_file(tmp_path / "report.json").to_json() == full.to_json()
    for text in ("{}", "not json"):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(ConfigError, match="is not a report"):
            Report.from_file(tmp_path / "other.json")


def test_table_and_markdown_say_it_all(full):
    from rich.console import Console

    console = Console(width=300, file=io.StringIO())
    console.print(full)
    for text in (console.file.getvalue(), full._repr_markdown_()):
        for result in full.results:
            assert result.metric in text
            assert result.text in text
        for word in ("not comparable: other counts", full.extractor.sha256, full.subject.weights_sha256, "clean"):
            assert word in text
        assert "FID" in text, "the published one"
        assert "covariance" not in text or full.warnings
    assert r"a \| paper" in full._repr_markdown_()


def test_the_folder_holds_a_report_and_pictures(full, tmp_path):
    out = full.save(tmp_path / "deep" / "out")
    assert {path.name for path in out.iterdir()} == set(report.FILES)
    for name in ("samples.png", "convergence.png", "classes.png"):
        with Image.open(out / name) as picture:
            assert picture.size > (200, 200)
            assert np.asarray(picture.convert("L")).std() > 5, "something is drawn"
        assert f"({name})" in (out / "report.md").read_text(encoding="utf-8")
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_samples_are_those_of_the_first_seed_in_order_of_class(full):
    images = zoo.load("contragan/digits", device="cpu").sample(64, seed=0)
    order = images.labels.argsort(stable=True)
    assert np.array_equal(full._samples, images.uint8[order])


def test_nothing_is_overwritten(full, tmp_path):
    out = full.save(tmp_path / "out")
    before = (out / "report.json").read_bytes()
    with pytest.raises(ZooError, match="--force"):
        full.save(out)
    (out / "thesis.tex").touch()
    with pytest.raises(ZooError, match=r"holds thesis.tex, which no report wrote"):
        full.save(out, force=True)
    (out / "thesis.tex").unlink()
    changed = full.model_copy(update={"warnings": ("new",)}).with_samples(None)
    changed.save(out, force=True)
    assert Report.from_file(out / "report.json").warnings == ("new",)
    assert not (out / "samples.png").exists(), "what the new report has no picture of is gone"
    assert before != (out / "report.json").read_bytes()
    (tmp_path / "file").touch()
    with pytest.raises(ZooError, match="is a file"):
        full.save(tmp_path / "file", force=True)


def test_a_full_disk_leaves_the_old_report(full, tmp_path, monkeypatch):
    out = full.save(tmp_path / "out")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    written = []

    def full_disk(self, data):
        written.append(self.name)
        if len(written) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)

    monkeypatch.setattr("pathlib.Path.write_bytes", full_disk)
    for target, force in ((out, True), (tmp_path / "new", False)):
        written.clear()
        with pytest.raises(ZooError, match=r"the disk of .* is full; nothing was written"):
            full.save(target, force=force)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_pictures_without_a_report_are_somebody_else_s(full, tmp_path):
    plain = full.model_copy(update={"classes": None, "convergence": None}).with_samples(None)
    for names, force in ((("classes.png",), True), (("samples.png", "report.md"), True), (("report.json",), True)):
        folder = tmp_path / names[0]
        folder.mkdir()
        for name in names:
            (folder / name).write_text("mine")
        with pytest.raises(ZooError, match="which no report wrote"):
            plain.save(folder, force=force)
        assert all((folder / name).read_text() == "mine" for name in names)
    out = plain.save(tmp_path / "out")
    (out / "classes.png").write_text("mine")
    with pytest.raises(ZooError, match=r"classes\.png, which no report wrote"):
        full.save(out, force=True)


def test_a_report_is_replaced_file_by_file_and_report_json_comes_last(full, tmp_path, monkeypatch):
    """Cut short anywhere, what is there is of one report: report.json stands only beside its own pictures."""
    changed = full.model_copy(update={"warnings": ("new",)}).with_samples(None)
    wanted = {path.name: path.read_bytes() for path in changed.save(tmp_path / "wanted").iterdir()}
    replace = Path.replace
    for moves in range(6):
        out, left = full.save(tmp_path / f"out-{moves}"), [moves]

        def cut_short(self, target, left=left):
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            return replace(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", cut_short)
            with contextlib.suppress(KeyboardInterrupt):
                changed.save(out, force=True)
        there = {path.name: path.read_bytes() for path in out.iterdir()}
        assert ("report.json" in there) == (moves in (0, 5))
        assert moves < 5 or there == wanted
        changed.save(out, force=True)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == wanted
    assert not list(tmp_path.glob(".*"))


def test_measured_scores_fit_a_config(full):
    scores = {score.metric: score for score in full.measured()}
    assert (scores["FD (tiny)"].num_real, scores["FD (tiny)"].num_fake, scores["FD (tiny)"].seeds) == (1797, 200, 2)
    assert (scores["CS (tiny)"].num_real, scores["CS (tiny)"].split) == (None, None)
    assert scores["FD (tiny)"].protocol == "clean"
    for score in scores.values():
        assert score.value == pytest.approx(full[score.metric].value, abs=max(score.std or 0, 1e-4))


@pytest.mark.parametrize(
    ("value", "like", "text"),
    [
        (17.1412, None, "17.14"),
        (0.2049, 17.14, "0.20"),
        (0.01123, None, "0.01123"),
        (1032.54, None, "1033"),
        (0, None, "0"),
    ],
)
def test_numbers_have_the_decimals_they_need(value, like, text):
    assert number(value, like) == text


def test_rounding_keeps_two_digits_of_the_deviation():
    assert round_to(17.14159, 0.2049) == 17.14
    assert round_to(0.0112345, 0.000123) == 0.01123
    assert round_to(1032.567, None) == 1032.6


# ------------------------------------------------------------------------------------------------- convergence


def test_a_line_over_the_inverse_count_is_found_exactly():
    counts = [1000, 2000, 5000, 10_000]
    found = convergence.fit(counts, [12 + 3000 / n for n in counts])
    assert (found.infinity, found.slope, found.straightness) == pytest.approx((12, 3000, 1))


def test_the_limit_is_nearer_to_the_truth_than_any_count():
    """Two Gaussians whose distance is known: |mu|^2 + D (s - 1)^2."""
    import torch

    from zoo.evaluation.metrics.formulas import Statistics

    draw, dim = np.random.RandomState(0), 32
    truth = 0.1**2 * dim + dim * (1.2 - 1) ** 2
    fake = torch.from_numpy(draw.randn(5000, dim) * 1.2 + 0.1).float()
    found = convergence.curve(fake, Statistics(np.zeros(dim, np.float32), np.eye(dim), 10**6))
    assert len(found.counts) == 15
    assert found.counts[0] > dim
    assert found.distances[-1] - truth > 3 * abs(found.infinity - truth)


ODD = ("$\\frac{", "a $5 b", "<b>|</b>", "猫", "\x1b[2J", "x" * 300)


def test_pictures_show_names_of_any_kind():
    from zoo.evaluation.report import report_plots

    shares = np.eye(len(ODD))
    png = report_plots.heat_maps([("as asked", shares, list(ODD))], ODD, "model $\\frac{ 猫", named=True)
    assert png.startswith(b"\x89PNG")
    rows = tuple(ClassRow(index=i, name=name, num_real=5, num_fake=5, accuracy=0.5) for i, name in enumerate(ODD))
    report = ClassReport(rows=rows, accuracy=0.5, accuracy_on_real=0.5, classifier="c")
    assert report_plots.classes(report).startswith(b"\x89PNG")


def test_a_report_of_others_is_shown_as_text(tmp_path, full):
    odd = "<img src=x> | [a](javascript:b) `c` *d*"
    data = json.loads(full.to_json())
    data["subject"]["name"] = odd + "\x1b[2J"
    data |= {"warnings": [odd + "\n# heading"], "environment": {"command": f"zoo\n```\n{odd}"}}
    data["results"][0]["protocol"] = odd
    (tmp_path / "report.json").write_text(json.dumps(data))
    report = Report.from_file(tmp_path / "report.json")
    shown = report._repr_markdown_()
    page, _, command = shown.partition("```")
    assert "<" not in page
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", shown)
    assert "# heading" not in page.splitlines()
    assert "](javascript" not in page
    assert command.rstrip().endswith("```")
    for wrong in ({"references": [{}]}, {"warnings": [1]}, {"results": []} | {"x" * 10**6: 1}):
        (tmp_path / "report.json").write_text(json.dumps(data | wrong))
        with pytest.raises(ConfigError, match="is not a report") as error:
            Report.from_file(tmp_path / "report.json")
        assert len(str(error.value)) < 1500


def test_replacing_a_report_removes_the_files_of_a_report_and_no_others(full, tmp_path, monkeypatch):
    """One that comes between the look and the replacement stays, as do the permissions of the folder."""
    out = full.save(tmp_path / "out")
    out.chmod(0o750)
    files = type(full).files

    def meanwhile(report):
        (out / "mine.txt").write_text("mine")
        return files(report)

    monkeypatch.setattr(type(full), "files", meanwhile)
    full.save(out, force=True)
    assert (out / "mine.txt").read_text() == "mine"
    assert out.stat().st_mode & 0o777 == 0o750
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["FD (x-y)", "FD x-y", "intra-class KD as assigned (x-y)", "precision (x-y)"])
def test_a_label_has_its_extractor_in_parentheses_and_is_read_without_too(name):
    metric, extractor = extractors.metric_and_extractor(name)
    assert extractor == "x-y"
    stem = name.removesuffix("(x-y)").removesuffix("x-y").strip()
    assert extractors.metric_name(metric, extractor) == f"{stem} (x-y)"
    assert extractors.metric_and_extractor(f"{stem} ()") is None
