"""Where an alignment is kept, what it holds for, and what does not replace it."""

import json
import shutil

import pytest
import torch
from relabel import ORDER, permuted

import zoo
from zoo.checkpoints import cache, weights
from zoo.common import files
from zoo.common.errors import ConfigError, ZooError
from zoo.evaluation.alignment import classifiers, judges
from zoo.release.export import export_folder
from zoo.schema import config_files, registry
from zoo.schema.label_alignment import UNKNOWN


def test_a_run_keeps_it_and_an_export_carries_it(run, tmp_path, found):
    kept = zoo.align(run, 30)
    assert kept.kept == str(run / "alignment.json")
    assert zoo.load(run).label_map == tuple(ORDER)
    for dtype in ("float32", "float16"):
        out = export_folder(run, tmp_path / dtype, dtype=dtype)
        assert zoo.load(out).label_map == tuple(ORDER)
        assert "Labels are permuted" in (out / "README.md").read_text(encoding="utf-8")
        assert zoo.info(out).alignment.weights_sha256 == files.sha256(out / "model.safetensors")
    again = export_folder(tmp_path / "float16", tmp_path / "again")
    assert zoo.load(again).label_map == tuple(ORDER)


def test_it_does_not_hold_for_other_weights(run, tmp_path, digits, capsys):
    zoo.align(run, 30)
    out = export_folder(run, tmp_path / "out")
    for folder in (run, out):
        files.save(folder / "model.safetensors", digits.generator.state_dict(), {"name": "other"})
        capsys.readouterr()
        model = zoo.load(folder)
        assert model.alignment is None
        assert torch.equal(model.sample(3, 3, seed=0).uint8, digits.sample(3, 3, seed=0).uint8)
    assert zoo.load(run, weights=str(run / "model.safetensors")).alignment is None
    capsys.readouterr()
    zoo.load(run)
    assert "other weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ['{"assignment": [0', '{"assignment": [0, 0]}', "", "[" * 100_000, '{"seed": ' + "9" * 5000 + "}", "\x00"]
)
def test_a_damaged_file_is_named_and_not_used(run, capsys, text):
    (run / "alignment.json").write_text(text)
    assert zoo.load(run).alignment is None
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert len(told) < 1000
    assert "alignment.json" in told


def test_converted_weights_keep_it_beside_them(tmp_path, digits, found, monkeypatch):
    """Until they are cleared, and not for another file under the same name."""
    config = digits.config.model_copy(update={"name": "contragan/mine"})
    upstream = {"source": "studiogan", "google_drive_file": "x", "path": "a.pth"}
    data = config.to_dict() | {"weights": [{"tag": "studiogan", "upstream": upstream}], "default_tag": "studiogan"}
    registry.register(zoo.ModelConfig.from_dict(data))
    config = registry.config("contragan/mine")
    path = cache.weights_path(config, "studiogan", tmp_path)
    state = permuted(digits, ORDER).generator.state_dict()
    cache.store(path, state, {"name": config.name}, "0" * 64, "a test")
    zoo.align("contragan/mine", 30, cache_dir=tmp_path)
    kept = cache.alignment_path(config, "studiogan", tmp_path)
    assert kept.is_file()
    assert zoo.load("contragan/mine", cache_dir=tmp_path).label_map == tuple(ORDER)
    cache.clear("contragan/mine", cache_dir=tmp_path)
    assert not kept.exists()
    assert path.with_suffix(".json").exists(), "the record of the first download stays"


def test_bundled_weights_have_it_in_their_config():
    """Everyone that is conditional, measured on the file that ships, by a classifier whose accuracy is known."""
    for name in zoo.list_models(conditional=True, available="offline"):
        config = registry.config(name)
        entry = weights.entry(config, "default")
        assert entry.alignment, name
        assert entry.alignment.weights_sha256 == entry.sha256
        assert entry.alignment.classifier_accuracy > 0.8
        assert zoo.load(name).label_map == entry.alignment.assignment


def test_nothing_is_written_where_it_should_not(run):
    before = sorted(run.iterdir())
    assert zoo.align(run, 30, keep=False).kept is None
    assert sorted(run.iterdir()) == before
    assert zoo.align("contragan/digits", 20).kept is None


def test_a_config_takes_only_the_alignment_of_its_weights(tmp_path, command):
    path = tmp_path / "digits.json"
    shutil.copy(config_files.paths()["contragan/digits"], path)
    assert command("align", "contragan/digits", "-n", "20", "--into", path).returncode == 0
    assert json.loads(path.read_text(encoding="utf-8"))["base"] == "contragan/cifar10", "and only what differs from it"
    assert zoo.ModelConfig.from_file(path).weights[0].alignment.images_per_class == 20
    other = tmp_path / "other.json"
    other.write_text(registry.config("biggan/cifar10-small").to_json())
    assert command("align", "contragan/digits", "-n", "20", "--into", other).returncode == 1


def test_a_measurement_that_tells_nothing_replaces_none(run, capsys):
    zoo.align(run, 30)
    torch.manual_seed(0)
    blind = judges.Judge("a blind judge", lambda images: torch.rand(len(images), 10), 0.1, "nothing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "find", lambda *_: blind)
        found = zoo.align(run, 20)
    assert (found.verdict, found.kept) == (UNKNOWN, None)
    assert "is kept, not this" in capsys.readouterr().err
    assert zoo.load(run).label_map == tuple(ORDER)


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(run):
    (run / "alignment.json").mkdir()
    with pytest.raises(ZooError, match=r"--no-keep"):
        zoo.align(run, 20)


def test_a_model_of_fewer_classes_keeps_no_alignment():
    config = registry.config("contragan/digits")
    changes = {f"{part}.num_classes": 4 for part in ("generator", "discriminator")}
    assert config.updated(changes | {"data.class_names": None}).weights[0].alignment is None
    assert config.updated({"training.steps": 5}).weights[0].alignment is not None
    with pytest.raises(ConfigError, match="10 labels"):
        zoo.ModelConfig.from_dict(
            config.updated(changes).to_dict() | {"alignment": config.to_dict()["weights"][0]["alignment"]}
        )
