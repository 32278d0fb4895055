"""What was trained on own pictures says so, everywhere, and says nothing of the models of the registry."""

from __future__ import annotations

import json
import re
import shlex
import shutil

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from narrow import short
from pictures import image_folder, noise, npz
from PIL import Image

import zoo
from training.run.trainer import Options, train
from zoo import datasets
from zoo.checkpoints import weights
from zoo.common.errors import DataUnavailableError, ZooError
from zoo.release import card
from zoo.release.export import export_folder
from zoo.schema import identity, registry
from zoo.schema.config import ModelConfig

FLOWERS = ("aster", "rose", "tulip")
FILES = [f"{name}/{i}.png" for name in FLOWERS for i in range(4)]
RUN = "runs/bouquet"
TINY = ["--device", "cpu", "--width", 8, "--steps", 1, "--batch-size", 4, "--set", "training.discriminator_steps=1"]
# of the registry's models and their publishers: data, classes, scores, notes on pictures, hours
FOREIGN = "CIFAR|cifar10|airplane|truck|uoft|[Rr]ecall|minutes|[Ss]tudio|10\\.597|8\\.065|211\\.35|By eye|[Pp]ublished"


def only(*names) -> dict:
    """The changes of a config for these classes, as --classes makes them."""
    count = len(names)
    return {"generator.num_classes": count, "discriminator.num_classes": count, "data.class_names": names}


@pytest.fixture
def flowers(tmp_path):
    return image_folder(tmp_path / "my flowers", FILES, side=24)


@pytest.fixture
def run(tmp_path, flowers):
    """A run of a model with weights, notes, scores and alignment of its own in the registry."""
    return train(short("contragan/cifar10-small", 1), Options(tmp_path / "bouquet", flowers, device="cpu"))


def test_from_three_folders_to_the_hub_not_one_word_is_of_another_model(command, tmp_path, flowers):
    said = [command("train", "contragan/cifar10-small", "--data", "my flowers", "--out", RUN, *TINY)]
    said += [
        command("info", RUN),
        command("info", RUN, "--json"),
        command("labels", RUN),
    ]
    assert json.loads(said[2].stdout)["data"]["class_names"] == list(FLOWERS)
    said += [command("sample", RUN, "--label", "rose", "-n", 2, "-o", "a.png", "--seed", 0, "--device", "cpu")]
    evaluated = [
        "--metrics",
        "kid",
        "--num-fake",
        8,
        "--seeds",
        1,
        "--extractor",
        "efficientnet-lite0",
        "--device",
        "cpu",
    ]
    said += [command("evaluate", RUN, *evaluated)]
    assert "custom:my flowers train, 12 of 12 (all)" in said[-1].stdout
    said += [command("card", RUN), command("card", RUN, "-o", "cards")]
    said += [command("export", RUN, "-o", "given"), command("card", "given"), command("info", "given")]
    said += [command("publish", RUN, "--to", "me/bouquet-gan", "--dry-run")]
    assert [done.returncode for done in said] == [0] * len(said), said
    texts = [done.stdout + done.stderr for done in said]
    texts += [
        path.read_text() for path in (*(tmp_path / "given").glob("*.[mj]*[dn]"), *(tmp_path / "cards").glob("*.md"))
    ]
    for text in texts:
        assert not re.search(FOREIGN, text.replace("contragan/cifar10-small", "THE RECIPE"))
    published = said[-1].stdout
    assert 'zoo.load("hf://me/bouquet-gan").sample(64, label="aster", seed=0)' in published
    assert published.count("contragan-bouquet-gan.png") == 2, "the file, and the card that shows it"
    assert str(tmp_path) not in published, "places on this machine stay here"
    assert command("sample", RUN, "--label", "cat", "-o", "b.png").stderr.endswith("has aster, rose, tulip\n")


def test_the_card_has_the_command_that_repeats_the_run(command, tmp_path, flowers):
    options = ["--data", "my flowers", *TINY, "--classes", "tulip,aster", "--seed", 5]
    assert command("train", "contragan/cifar10-small", "--out", "one", *options).returncode == 0
    text = command("card", "one").stdout
    (line,) = re.findall(r"^zoo train .*$", text, re.MULTILINE)
    words = shlex.split(line.replace("--out one", "--out two"))
    assert "my flowers" in words
    assert "tulip,aster" in words
    assert command(*words[1:]).returncode == 0
    one, two = (weights.read(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert zoo.load("one", device="cpu").class_names == ("tulip", "aster")


def test_card_and_info_say_what_a_run_began_with(tmp_path, flowers, run):
    begun = train(zoo.info(run), Options(tmp_path / "further", flowers, device="cpu", start_from=run))
    said = "the generator and the discriminator of contragan/bouquet"
    assert f"Begun with {said}. Trained with the recipe of" in card.render(zoo.info(begun))
    assert str(zoo.info(begun).origin.beginning) == said
    assert "Begun with" not in card.render(zoo.info(run))


def test_the_checksum_of_own_data_is_of_the_pictures_not_of_their_name(flowers):
    one, two, whole = (datasets.load(name, "train", 16, flowers) for name in ("custom:a", "custom:b", "custom"))
    assert one.checksum == two.checksum == whole.checksum
    assert datasets.load("custom:a", "train", 8, flowers).checksum != one.checksum


def test_a_run_knows_its_data(run, flowers):
    config = zoo.info(run)
    assert (config.name, config.data.dataset, config.num_classes) == ("contragan/bouquet", "custom:my flowers", 3)
    assert config.discriminator.num_classes == 3
    seen = config.origin.data
    assert (seen.images, seen.of_class, seen.place) == (12, (4, 4, 4), str(flowers))
    assert (
        seen.checksum == datasets.load_for(config).checksum == weights.read_metadata(run / "model.safetensors")["data"]
    )
    assert (config.weights, config.published, config.notes, config.training.notes) == ((), (), (), ())
    assert config.origin.recipe == "contragan/cifar10-small"
    assert "training.steps: 1 instead of 7,500" in config.origin.deviations
    assert not any("num_classes" in line or line.startswith("data.") for line in config.origin.deviations)


def test_data_that_have_moved_are_one_line(run, flowers, tmp_path):
    moved = flowers.rename(tmp_path / "elsewhere")
    with pytest.raises(DataUnavailableError, match=r"my flowers is not there any more.*give its new place \(--data\)$"):
        zoo.evaluate(run, ["kid"], extractor="efficientnet-lite0", num_fake=4, device="cpu")
    with pytest.raises(DataUnavailableError, match="not there any more"):
        train(ModelConfig.from_file(run / "config.json"), Options(run, device="cpu", resume=True))
    before, recipe = zoo.info(run), short("contragan/cifar10-small", 1)
    train(recipe, Options(run, moved, device="cpu", resume=True))  # the same pictures in another place
    now = zoo.info(run)
    assert now.origin.data.place == str(moved)
    assert now.origin.command == before.origin.command
    assert (now.name, now.data) == (before.name, before.data)
    train(now, Options(run, device="cpu", resume=True))
    image_folder(moved, ["rose/5.png"])
    with pytest.raises(ZooError, match="was made with data"):
        train(recipe, Options(run, moved, device="cpu", resume=True))


def test_exported_folders_are_called_by_their_own_names(run, tmp_path):
    out = export_folder(run, tmp_path / "given.v2")
    config = zoo.info(out)
    assert (config.name, config.origin.data.place) == ("contragan/given-v2", None)
    model = zoo.load(out, device="cpu", discriminator=True)
    assert model.class_names == FLOWERS
    meta = ModelCard.load(out / "README.md").data
    assert (meta.license, meta.datasets, meta.eval_results) == ("unknown", None, None)
    assert meta.tags == ["gan", "contragan", "class-conditional"]
    with pytest.raises(DataUnavailableError, match=r"not on record; give it \(--data\)"):
        zoo.evaluate(out, ["kid"], extractor="efficientnet-lite0", num_fake=4, device="cpu")


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("Läufe 1", "contragan/laufe-1"),
        ("La\u0308ufe 1", "contragan/laufe-1"),  # as macOS writes it
        ("Große Ölbilder", "contragan/grosse-olbilder"),
        ("été", "contragan/ete"),
        ("花", "contragan/own"),
        ("...", "contragan/own"),
    ],
)
def test_the_name_of_a_folder_keeps_its_letters(folder, name):
    assert identity.named(registry.config("contragan/digits"), folder).name == name


def test_changed_weights_claim_nothing_of_the_original_ones(tmp_path):
    model = zoo.load("contragan/cifar10-small", device="cpu")
    classes = model.class_names
    with torch.no_grad():
        next(model.parameters()).mul_(1.01)
    config = zoo.info(model.save_pretrained(tmp_path / "mine"))
    assert (config.name, config.weights, config.alignment, config.notes) == ("contragan/mine", (), None, ())
    assert config.data.dataset == "custom"
    assert zoo.load(tmp_path / "mine", device="cpu").class_names == classes
    text = (tmp_path / "mine" / "README.md").read_text()
    assert "the weights were changed by a program" in text
    assert not re.search(r"CIFAR|uoft|[Rr]ecall|minutes|By eye|FD .?efficientnet|## Scores|zoo train", text)


def test_unchanged_weights_of_the_registry_keep_what_is_theirs(tmp_path):
    out = zoo.load("contragan/digits", device="cpu").save_pretrained(tmp_path / "x")
    config, known = zoo.info(out), registry.config("contragan/digits")
    assert (config.name, config.origin, config.notes) == (known.name, None, known.notes)
    assert config.weights[0].scores == known.weights[0].scores
    text = (out / "README.md").read_text()
    assert '("./x").sample' in text
    assert "![Samples of seed 0](contragan-digits.png)" in text


def test_weights_of_an_unknown_file_claim_nothing(run, tmp_path):
    out = zoo.load("contragan/digits", weights="random", device="cpu").save_pretrained(tmp_path / "x")
    text = (out / "README.md").read_text()
    assert "where the weights come from is not on record" in text
    assert not re.search(r"29 minutes|Scores|The digits|soft", text)


# ------------------------------------------------------------------------------------------------------ classes, data


def test_classes_follow_the_data(tmp_path, flowers):
    recipe = short("contragan/digits", 1)
    two = recipe.updated(
        {"generator.num_classes": 2, "discriminator.num_classes": 2, "data.class_names": ["tulip", "aster"]}
    )
    run = train(two, Options(tmp_path / "two", flowers, device="cpu"))
    data = datasets.load_for(zoo.info(run))
    assert (data.class_names, data.labels.tolist()) == (("tulip", "aster"), [1] * 4 + [0] * 4)
    whole = datasets.load("custom:my flowers", "train", 32, flowers)
    assert torch.equal(data.images, whole.images[[0, 1, 2, 3, 8, 9, 10, 11]])
    lacking = recipe.updated(only("aster", "lily"))
    with pytest.raises(ZooError, match=r"has no class 'lily'; it has aster, rose, tulip$"):
        train(lacking, Options(tmp_path / "x", flowers, device="cpu"))
    unnamed = npz(tmp_path / "x.npz", images=noise(6, 32, 32, 3), labels=np.arange(6) % 3)
    assert train(recipe, Options(tmp_path / "three", unnamed, device="cpu")).is_dir()
    assert zoo.load(tmp_path / "three", device="cpu").class_names == ("0", "1", "2")


def test_a_flat_folder_is_for_models_without_classes(tmp_path, command):
    flat = image_folder(tmp_path / "flat", ["a.png", "b.png", "c.png", "d.png"])
    done = command("train", "contragan/digits", "--data", flat, "-o", "x")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "put the images of each class into a separate folder below" in done.stderr
    assert "train a model without classes" in done.stderr
    image_folder(flat, ["more/e.png"])  # of any depth, where folders are no classes
    run = train(short("infomax-gan/digits", 1), Options(tmp_path / "run", flat, device="cpu"))
    config = zoo.info(run)
    assert (config.origin.data.images, config.data.class_names, config.data.dataset) == (5, None, "custom:flat")
    assert len(datasets.load_for(config)) == 5


def test_public_data_keep_their_name_and_a_part_of_them_says_so(tmp_path):
    run = train(short("contragan/digits", 1), Options(tmp_path / "all", device="cpu"))
    config = zoo.info(run)
    assert (config.data.dataset, config.data.class_names, config.origin.data.images) == ("digits", None, 1797)
    assert ModelCard(zoo.load(run).save_pretrained(tmp_path / "x").joinpath("README.md").read_text()).data.datasets
    run = train(short("contragan/digits", 1).updated(only("7", "3")), Options(tmp_path / "part", device="cpu"))
    data, whole = datasets.load_for(zoo.info(run)), datasets.load("digits")
    assert data.labels.bincount().tolist() == [int((whole.labels == label).sum()) for label in (7, 3)]
    assert zoo.load(run, device="cpu").class_names == ("7", "3")


def test_the_user_may_say_whose_files_an_npz_holds(tmp_path, flowers):
    digits = datasets.load("digits")
    file = npz(
        tmp_path / "d.npz", images=digits.images[:40].permute(0, 2, 3, 1).numpy(), labels=digits.labels[:40].numpy()
    )
    own = train(short("contragan/digits", 1), Options(tmp_path / "own", file, device="cpu"))
    assert zoo.info(own).data.dataset == "custom:d"
    said = train(short("contragan/digits", 1), Options(tmp_path / "said", file, device="cpu", data_name="digits"))
    assert zoo.info(said).data.dataset == "digits"
    with pytest.raises(ZooError, match="which are not those of digits; give it another name"):
        train(short("contragan/digits", 1), Options(tmp_path / "x", flowers, device="cpu", data_name="digits"))


def test_another_run_from_the_recipe_of_a_run(command, tmp_path, run):
    image_folder(tmp_path / "cars", ["van/1.png", "van/2.png", "bus/1.png", "bus/2.png"])
    done = command("train", "bouquet", "--data", "cars", "-o", "other", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    config = zoo.info("other")
    assert (config.data.dataset, config.data.class_names) == ("custom:cars", ("bus", "van"))
    assert config.origin.recipe == "contragan/cifar10-small"
    shutil.rmtree("other")
    assert command("train", "bouquet", "-o", "other", "--device", "cpu").returncode == 0, "on the data of the run"
    assert zoo.info("other").data.class_names == FLOWERS


def test_labels_are_judged_by_the_runs_own_data(tmp_path, capsys):
    """By a classifier trained on them, where they make one; else by the discriminator alone, which is said."""
    for label, name in enumerate(FLOWERS):
        for i in range(10):
            (tmp_path / "plain" / name).mkdir(parents=True, exist_ok=True)
            pixels = noise(32, 32, 3, seed=i) // 8 + np.uint8(100 * label)
            Image.fromarray(pixels).save(tmp_path / "plain" / name / f"{i}.png")
    run = train(short("contragan/digits", 1), Options(tmp_path / "run", tmp_path / "plain", device="cpu"))
    found = zoo.align(run, 20, keep=False, device="cpu")
    assert found.classifier == "logistic regression on efficientnet-lite0 features of plain"
    few = image_folder(tmp_path / "noise", [f"{name}/{i}.png" for name in FLOWERS for i in range(10)])
    run = train(short("contragan/digits", 1), Options(tmp_path / "other", few, device="cpu"))
    assert "discriminator" in zoo.align(run, 20, keep=False, device="cpu").classifier
    assert "discriminator judges alone" in capsys.readouterr().err
