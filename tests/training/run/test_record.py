"""What is kept of a run beside its card."""

import json
import shutil

import numpy as np
import pytest
import torch
from narrow import short
from PIL import Image

import zoo
from training.run.bundle import bundle
from training.run.trainer import Options, train
from zoo import datasets
from zoo.checkpoints import weights
from zoo.common import files
from zoo.common.errors import WeightsCorruptedError, ZooError
from zoo.evaluation.metrics.nearest import nearest, usual_distances
from zoo.release import card
from zoo.release.export import export_folder
from zoo.release.run_record import STEPS, thinned, write_record
from zoo.schema import registry
from zoo.schema.config import ModelConfig


def rows(path, count):
    """The strips of a plot that are not blank, by how colourful they are."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"), float)
    return np.array_split(pixels.std((1, 2)), count)


def test_an_exported_run_shows_its_training(tmp_path):
    run = train(short("contragan/digits", 4), Options(tmp_path / "run", device="cpu", log_every=1, save_every=2))
    out = export_folder(run, tmp_path / "out")
    config = zoo.info(out)
    names = card.record_filenames(config)
    text = (out / "README.md").read_text(encoding="utf-8")
    assert all(f"({name})" in text and (out / name).is_file() for name in names)
    assert (out / names.log).read_text() == (run / "metrics.jsonl").read_text()
    assert all(strip.max() > 20 for strip in rows(out / names.over_time, 2)), "two sheets, a row of each"
    with Image.open(out / names.over_time) as picture:
        assert picture.info[STEPS] == "2 4"
    again = export_folder(zoo.load("contragan/digits"), tmp_path / "other")
    names = sorted(path.name for path in again.iterdir())
    assert names == ["README.md", "config.json", "contragan-digits.png", "model.safetensors"]


def test_the_command_keeps_the_record_beside_the_card(tmp_path, command):
    run = train(short("infomax-gan/digits", 1), Options(tmp_path / "run", device="cpu", log_every=1))
    config = registry.config("infomax-gan/digits")
    assert command("card", config.name, "-o", str(tmp_path / "cards"), "--run", str(run)).returncode == 0
    made = {path.name for path in (tmp_path / "cards").iterdir()}
    assert made == {card.filename(config), card.sheet_filename(config), *card.record_filenames(config)}
    assert "-o" in command("card", config.name, "--run", str(run)).stderr


def test_a_run_that_has_nothing_to_show_says_so(tmp_path):
    (tmp_path / "config.json").write_text(registry.config("infomax-gan/digits").to_json())
    with pytest.raises(ZooError, match=r"metrics\.jsonl"):
        write_record(tmp_path, tmp_path / "out")
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "d/adversarial": 1.0}\n')
    with pytest.raises(ZooError, match="sheet"):
        write_record(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_thinning_keeps_scores_and_the_end():
    records = [{"step": i, "d/adversarial": 1.0} for i in range(1, 1002)]
    records[500]["FD (efficientnet-lite0)"] = 12.0
    kept = thinned(records, 100)
    assert len(kept) <= 102
    assert kept[-1]["step"] == 1001
    assert [record["step"] for record in kept if len(record) > 2] == [501]
    assert thinned(records, 2000) == records
    assert json.loads(json.dumps(kept)) == kept


@pytest.fixture
def few_digits(monkeypatch):
    """The first 300 digits in place of all, for whoever asks for a model's data."""
    whole = datasets.load("digits")
    few = datasets.Dataset(whole.images[:300], whole.labels[:300], 10, source="the first digits")
    monkeypatch.setattr(datasets, "load_for", lambda config, root=None, progress=False: few)
    return few


def test_a_finished_run_becomes_a_model_of_the_zoo(tmp_path, few_digits):
    """Weights, config, card and pictures, and every figure in them is of these weights."""
    config = short("contragan/digits", 2)
    path = tmp_path / "hub_configs" / "contragan" / "digits.json"
    path.parent.mkdir(parents=True)
    path.write_text(config.to_json())
    run = train(config, Options(tmp_path / "run", device="cpu", log_every=1, save_every=1))
    made = bundle(
        run, tmp_path, counts=[(200, 200), (5000, 150)], seeds=1, device="cpu", hardware="a test", notes=["seen"]
    )
    assert ModelConfig.from_file(path) == made
    (entry,) = made.weights
    file = tmp_path / "zoo" / "checkpoints" / "bundled" / entry.bundled
    assert files.sha256(file) == entry.sha256
    metadata = weights.read_metadata(file)
    assert metadata.keys() >= {"config", "data", "seed", "step", "device", "torch"}
    assert [(score.num_fake, score.hardware) for score in entry.scores if score.metric.startswith("FD")] == [
        (200, "a test"),
        (150, "a test"),
    ]
    assert {score.metric for score in entry.scores if score.num_fake == 150} > {"class accuracy (efficientnet-lite0)"}
    images = zoo.load(run).sample(1000, seed=0).uint8.double().flatten(1)
    real = few_digits.images.double().flatten(1)
    distances = torch.cdist(images, real).min(dim=1).values / images.shape[1] ** 0.5
    assert entry.nearest.median == pytest.approx(float(distances.median()), abs=0.051)
    assert entry.nearest.smallest == pytest.approx(float(distances.min()), abs=0.051)
    cards = {path.name for path in (tmp_path / "model_cards").iterdir()}
    assert cards == {
        card.filename(made),
        card.sheet_filename(made),
        *card.record_filenames(made),
    }
    assert "seen" in (tmp_path / "model_cards" / card.filename(made)).read_text(encoding="utf-8")
    other = path.with_name("other.json")
    with pytest.raises(ZooError, match=r"other\.json does not exist"):
        bundle(run, tmp_path, name="contragan/other")
    other.write_text(config.model_copy(update={"name": "contragan/other"}).to_json("contragan/digits"))
    again = bundle(run, tmp_path, counts=[(5000, 150)], seeds=1, device="cpu", name="contragan/other")
    assert (again.name, again.weights[0].bundled) == ("contragan/other", "contragan-other.safetensors")
    assert ModelConfig.from_file(other) == again
    written = json.loads(other.read_text(encoding="utf-8"))
    assert (written["base"], written["training"]["steps"]) == ("contragan/digits", 2)
    assert "optimizer" not in written["training"], "as in the base"
    path.write_text(config.updated({"training.optimizer.beta1": 0.25}).to_json())
    with pytest.raises(ZooError, match="not trained by the recipe"):
        bundle(run, tmp_path)


def test_nearest_is_what_a_plain_search_finds():
    generator = torch.Generator().manual_seed(0)
    real = torch.randint(0, 256, (5000, 3, 4, 4), dtype=torch.uint8, generator=generator)  # more than a block
    images = torch.cat((real[4500:4501].flip(3), real[7:8], real[:3] ^ 1))
    found = nearest(images, real, 3, flips=True)
    assert found.numbers[:, 0].tolist() == [4500, 7, 0, 1, 2]
    assert found.distances[:, 0].tolist() == [0, 0, 1, 1, 1]
    plain = torch.cdist(images.double().flatten(1), real.double().flatten(1)) / 48**0.5
    torch.testing.assert_close(nearest(images, real, 4).distances.double(), plain.sort().values[:, :4])
    twice = torch.cat((real[:100], real[:1]))
    own = usual_distances(twice, 101)
    assert own[0] == own[-1] == 0, "an exact duplicate"
    assert (own[1:-1] > 10).all()


def test_a_shorter_run_is_bundled_with_what_it_lacks(tmp_path, monkeypatch, few_digits):
    """Without a checkpoint, with its discriminator, and with every field in which it differs from the recipe."""
    recipe = short("contragan/digits", 5)
    path = tmp_path / "hub_configs" / "contragan" / "digits.json"
    path.parent.mkdir(parents=True)
    path.write_text(recipe.to_json())
    shorter = recipe.updated({"training.steps": 2, "training.precision": "bfloat16", "training.optimizer.beta2": 0.99})
    run = train(shorter, Options(tmp_path / "run", device="cpu", log_every=1, save_every=1))
    shutil.rmtree(run / "checkpoints")
    options = {"counts": [(150, 150)], "seeds": 1, "device": "cpu"}
    with pytest.raises(ZooError, match=r"training\.steps, .*--deviation"):
        bundle(run, tmp_path, **options)
    with monkeypatch.context() as patch:
        patch.setattr("training.run.bundle.LARGEST", 1000)
        with pytest.raises(ZooError, match=r"a bundled file at most 1\.0 kB; publish the run"):
            bundle(run, tmp_path, deviations=["by hand"], **options)
    stored = (run / "discriminator.safetensors").read_bytes()
    tensors = weights.read(run / "discriminator.safetensors")
    tensors["heads.logit.bias"] = tensors["heads.logit.bias"] * float("nan")
    files.save(run / "discriminator.safetensors", tensors)
    with pytest.raises(WeightsCorruptedError, match=r"discriminator\.safetensors .*not numbers.* heads\.logit\.bias"):
        bundle(run, tmp_path, deviations=["by hand"], **options)
    (run / "discriminator.safetensors").write_bytes(stored)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hub_configs", "run"]
    assert path.read_text() == recipe.to_json()
    made = bundle(run, tmp_path, deviations=["by hand"], **options)
    (entry,) = made.weights
    assert set(entry.deviations) == {
        "2 of 5 generator steps",
        f"training.optimizer.beta2: 0.99 instead of {recipe.training.optimizer.beta2}",
        f"bfloat16 instead of {recipe.training.precision}",
        "by hand",
    }
    assert "could not be measured" in entry.note
    assert made.training == recipe.training, "the recipe stays"
    discriminator = tmp_path / "zoo" / "checkpoints" / "bundled" / entry.discriminator.bundled
    assert files.sha256(discriminator) == entry.discriminator.sha256
    assert entry.alignment.weights_sha256 == entry.sha256
    text = (tmp_path / "model_cards" / card.filename(made)).read_text(encoding="utf-8")
    assert "differs from this recipe**: 2 of 5 generator steps; " in text
    assert "## Labels" in text
    networks = recipe.updated({"discriminator.channels": [c * 2 for c in recipe.discriminator.channels]})
    path.write_text(networks.to_json())
    with pytest.raises(ZooError, match="not trained by the recipe"):
        bundle(run, tmp_path, deviations=[], **options)


def test_deviations_are_shown(command):
    name = "contragan-snresgan/cifar10"
    stated = weights.entry(registry.config(name), "default").deviations
    assert "60,000 of 100,000 generator steps" in stated
    info = " ".join(command("info", name).stdout.split())
    assert all(line in info for line in stated)
    listed = command("list", name).stdout
    assert "zoo*" in listed
    assert "zoo info NAME" in listed
    assert json.loads(command("list", name, "--json").stdout)["deviations"] == {"zoo": list(stated)}
    assert "*" not in command("list", "contragan/digits").stdout
