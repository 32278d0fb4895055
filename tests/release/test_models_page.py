"""docs/models.md and docs/models.csv: never stale, and each figure where it belongs."""

import csv
import io

import pytest
from published_facts import CONFIGS, TESTS

from zoo.cli import app
from zoo.common.errors import ZooError
from zoo.release import models_page
from zoo.schema.config import ModelConfig

DOCS = TESTS.parent / "docs"


@pytest.fixture(scope="module")
def rows():
    return models_page.rows()


@pytest.mark.parametrize(("name", "render"), [("models.md", models_page.as_page), ("models.csv", models_page.as_csv)])
def test_the_committed_files_are_rendered_from_the_configs(name, render, rows):
    assert (DOCS / name).read_text(encoding="utf-8") == render(rows), "run: zoo registry page"


def test_every_model_and_every_entry_has_a_row(rows):
    entries = {(config.name, w.tag) for config in CONFIGS.values() for w in config.weights}
    without = {(name, "none") for name, config in CONFIGS.items() if not config.weights}
    assert {(row["model"], row["tag"]) for row in rows} == entries | without
    assert len(rows) == len(entries | without)
    page = models_page.as_page(rows)
    assert all(f"| `{name}@{tag}`" in page for name, tag in entries)
    assert all(f"| `{name}`" in page for name, _ in without)
    assert f"{len(CONFIGS)} models, {len(entries)} entries of weights" in page
    assert list(csv.DictReader(io.StringIO(models_page.as_csv(rows)))) == [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in rows
    ]


def test_a_row_holds_the_figures_of_its_own_weights(monkeypatch, tmp_path):
    data = CONFIGS["contragan/cifar10"].to_dict()
    score = {"metric": "FID", "value": 9.5, "source": "mmagic", "settings": {"remeasured_by": "mmagic"}}
    data["published"].append({**score, "tag": "studiogan"})
    path = tmp_path / "config.json"
    path.write_text(ModelConfig.from_dict(data).to_json())
    monkeypatch.setattr(models_page.config_files, "paths", lambda: {"contragan/cifar10": path})
    of = {row["tag"]: row for row in models_page.rows()}
    drive, hub = of["studiogan"], of["studiogan-hub"]
    assert (drive["published FID"], drive["published IS"], drive["re-measured FID"]) == ("8.065", "9.729", "9.5")
    assert (hub["published FID"], hub["published IFID"], hub["re-measured FID"]) == ("6.01", "119.63", None)
    assert (drive["sources"], hub["sources"]) == (
        "Google Drive: 10nxLyB7PyUsaGiBn6xD0e3_teYlB9Q59",
        "Hugging Face: Mingguksky/PyTorch-StudioGAN@7297a41",
    )
    assert {row["license"] for row in of.values()} == {"MIT"}
    bundled = next(row for row in map(dict, models_page.rows()))
    assert bundled["default"] == "yes"


def test_bundled_weights_have_their_measurements_and_labels(rows):
    row = next(row for row in rows if row["model"] == "contragan/digits")
    entry = CONFIGS["contragan/digits"].default_weights
    assert (row["sources"], row["file"], row["sha256"]) == ("bundled", entry.bundled, entry.sha256)
    assert row["bytes"] > 10_000
    assert row["alignment"] == entry.alignment.verdict


def test_the_command_writes_both_and_tells_where_it_cannot(tmp_path):
    app.app(["registry", "page", "-o", str(tmp_path)], standalone_mode=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models.csv", "models.md"]
    (tmp_path / "taken").touch()
    with pytest.raises(ZooError, match="cannot be written"):
        app.app(["registry", "page", "-o", str(tmp_path / "taken")], standalone_mode=False)
