"""Few pictures of one's own are augmented, and the run says so; publishers' data and recipes that augment stay."""

import json

import pytest
from pictures import image_folder

from training.run import few_images
from zoo.schema import registry

PICTURES = [f"{name}/{i}.png" for name in ("cat", "dog") for i in range(3)]


@pytest.fixture
def pets(tmp_path):
    return image_folder(tmp_path / "pets", PICTURES, side=8)


def regularizers(config) -> list[dict]:
    return config.to_dict()["training"]["regularizers"]


@pytest.mark.parametrize(
    ("model", "steps", "added"),
    [
        ("sngan/cifar10", 100_000, [{"type": "adaptive-augment", "images_to_certainty": 500_000}]),
        ("sngan/cifar10", 1000, [{"type": "adaptive-augment", "images_to_certainty": 1000 * 5 * 64 // 2}]),
        ("wgan-gp/cifar10", 1000, [{"type": "diff-augment"}]),  # no threshold
        ("ssgan/cifar10", 1000, [{"type": "diff-augment"}]),  # ADA turns what the rotation head has to tell
        ("biggan-diffaug/cifar10", 1000, []),
        ("biggan-icr/cifar10", 1000, []),
    ],
)
def test_what_is_added(model, steps, added, pets):
    config = registry.config(model).updated({"training.steps": steps})
    now, line = few_images.adapted(config, pets)
    before = regularizers(config)
    found = regularizers(now)
    assert found[: len(before)] == before
    assert [{key: part[key] for key in want} for part, want in zip(found[len(before) :], added, strict=True)] == added
    assert (line is None) == (not added)


def test_enough_pictures_and_the_publishers_are_left_alone(pets, monkeypatch):
    config = registry.config("biggan/cifar10")
    assert few_images.adapted(config, pets, "cifar10") == (config, None)
    monkeypatch.setattr(few_images, "FEW", 6)
    assert few_images.adapted(config, pets) == (config, None)
    _, line = few_images.adapted(
        config.updated({"data.class_names": ["dog"], "generator.num_classes": 1, "discriminator.num_classes": 1}), pets
    )
    assert line == "3 pictures are few: ADA is added to the recipe (--augment none leaves it out)"


def test_the_command_says_it_and_can_leave_it_out(command, pets):
    shown = command("train", "contragan/cifar10-small", "--data", pets, "--dry-run")
    assert "6 pictures are few" in shown.stderr
    assert [part["type"] for part in json.loads(shown.stdout)["training"]["regularizers"]] == ["adaptive-augment"]
    for choice, parts in (("none", []), ("diffaug", ["diff-augment"])):
        shown = command("train", "contragan/cifar10-small", "--data", pets, "--dry-run", "--augment", choice)
        assert shown.stderr == ""
        assert [part["type"] for part in json.loads(shown.stdout)["training"]["regularizers"]] == parts
