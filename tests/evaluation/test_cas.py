"""The classification accuracy score: a classifier that learns from generated images only, tested on real ones."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from zoo import datasets
from zoo.common.errors import DataUnavailableError, LabelError, ZooError
from zoo.evaluation import PROTOCOLS
from zoo.evaluation.metrics import cas
from zoo.evaluation.protocols.protocol import CAS
from zoo.schema import registry
from zoo.schema.entries import Measured

SHORT = PROTOCOLS["clean"].updated(cas=CAS(epochs=2), seeds=(0,))


def coloured(count, seed):
    """Noise that is redder, greener or bluer by class."""
    generator, labels = torch.manual_seed(seed), torch.arange(count) % 3
    images = torch.randint(0, 100, (count, 3, 8, 8), dtype=torch.uint8, generator=generator)
    images[torch.arange(count), labels] += 100
    return images, labels


def score(source="contragan/digits", **options):
    options = {"protocol": SHORT, "held_out": "digits:train", "num_fake": 100, "device": "cpu"} | options
    return zoo.evaluate(source, ("cas",), **options)


def test_it_learns_what_the_labels_say(monkeypatch):
    """With a network that takes no time."""
    monkeypatch.setattr(cas, "build", lambda *_: nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3, 3)))
    images, labels = coloured(96, seed=0)
    real, classes = coloured(30, seed=1)
    settings, epochs = CAS(epochs=30, batch_size=16), []
    for step in (0, 1):  # it knows nothing but the labels that it is given
        seen = cas.predictions(images, (labels + step) % 3, real, 3, settings, advance=epochs.append)
        assert (seen == (classes + step) % 3).float().mean() > 0.9
    assert epochs == [1] * 60


def test_the_seed_decides():
    images, labels = coloured(32, seed=0)
    real, _ = coloured(60, seed=1)
    before = torch.get_rng_state()
    one, again, other = (
        cas.predictions(images, labels, real, 3, CAS(epochs=1, batch_size=16), flips=True, seed=seed)
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(before, torch.get_rng_state())


def test_the_networks():
    count = {name: sum(p.numel() for p in cas.build(name, 10, 32).parameters()) for name in ("resnet20", "resnet50")}
    assert 0.27e6 < count["resnet20"] < 0.28e6
    assert 23.4e6 < count["resnet50"] < 23.6e6
    small, large = (cas.build("resnet50", 10, side) for side in (32, 128))
    assert isinstance(small.maxpool, nn.Identity)
    assert (small.conv1.stride, large.conv1.stride) == ((1, 1), (2, 2))


def test_training_images_are_shifted_and_mirrored_whole():
    image = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    image[:, :, 4:12, 4:12] = torch.arange(8, dtype=torch.uint8) + 1  # brighter to the right
    many = image.expand(400, -1, -1, -1)
    for flips in (False, True):
        shown = cas._augmented(many, flips, torch.Generator().manual_seed(0))
        assert shown.flatten(1).sum(dim=1, dtype=torch.int64).eq(int(image.sum())).all(), "nothing is cut off"
        corners = {tuple(x[0].nonzero()[0].tolist()) for x in shown}
        assert corners == {(row, column) for row in range(2, 7) for column in range(2, 7)}
        mirrored = torch.tensor([bool(x[0].max(0).values.nonzero()[0, 0] < x[0].max(0).values.argmax()) for x in shown])
        assert float(mirrored.float().mean()) == (1.0 if not flips else pytest.approx(0.5, abs=0.1))


# ------------------------------------------------------------------------------------------------------------ a model


@pytest.fixture
def asked(monkeypatch):
    """What the classifier is asked; it answers the true class, or whatever stands in `answers`."""
    seen = SimpleNamespace(calls=[], answers=datasets.load("digits").labels)

    def predictions(images, labels, real, num_classes, settings, **options):
        seen.calls.append((images, labels, real, num_classes, settings, options))
        return seen.answers

    monkeypatch.setattr(cas, "predictions", predictions)
    return seen


def test_of_a_model(asked, model):
    """The images of `sample` with the labels asked for, and no extractor, though there is none here."""
    report = score(seeds=(3,))
    (images, labels, real, num_classes, settings, options) = asked.calls[0]
    expected = model.sample(100, seed=3)
    assert torch.equal(images, expected.uint8)
    assert torch.equal(labels, torch.as_tensor(expected.labels))
    assert torch.equal(real, datasets.load("digits").images)
    assert (num_classes, settings.epochs, options["seed"], options["flips"]) == (10, 2, 3, False)
    result = report["cas"]
    assert (result.metric, result.value, result.num_real, result.split) == ("CAS (resnet20)", 1.0, 1797, "train")
    assert result.settings["network"] == "resnet20"
    assert result.settings["tested on"].startswith("digits train, checksum ")
    assert any("CAS of 100 images, not 50,000" in warning for warning in report.warnings)
    assert "CAS (resnet20)" in report._repr_markdown_()
    assert zoo.evaluation.Report.model_validate_json(report.to_json()) == report
    half = PROTOCOLS["clean"].updated(cas=CAS(network="resnet50"), seeds=(0,))
    asked.answers = (asked.answers + (torch.arange(1797) % 2)) % 10
    assert score(protocol=half)["CAS"].value == pytest.approx(899 / 1797)


def test_labels_that_draw_other_classes(asked, monkeypatch):
    permuted = zoo.load("contragan/digits", device="cpu")
    roll = tuple((i + 1) % 10 for i in range(10))  # label i draws class i + 1
    monkeypatch.setattr(type(permuted), "alignment", SimpleNamespace(assignment=roll))
    asked.answers = (asked.answers - 1) % 10
    report = score(permuted)
    assert (report["cas"].value, report["cas as assigned"].value) == (0.0, 1.0)


def test_of_images_with_labels(asked):
    """The training images themselves are the yardstick."""
    report = score("digits:train", data="digits", num_fake=50)
    assert len(asked.calls[0][0]) == 50
    assert report["CAS (resnet20)"].value == 1.0


@pytest.mark.parametrize(
    ("source", "options", "error", "why"),
    [
        ("infomax-gan/digits", {}, ZooError, "is unconditional and has no classes"),
        (torch.zeros(50, 3, 32, 32, dtype=torch.uint8), {"data": "digits"}, ZooError, "needs the labels of the images"),
        ("contragan/digits", {"num_fake": 19}, ZooError, "at least two images a class, 20, got 19"),
        ("contragan/digits", {"held_out": None}, DataUnavailableError, "or leave cas out"),
    ],
)
def test_what_cannot_be_scored_is_one_line(source, options, error, why, asked):
    with pytest.raises(error, match=why):
        score(source, **options)
    assert not asked.calls


def test_other_classes_are_one_line(asked):
    digits = datasets.load("digits")
    with pytest.raises(LabelError, match="given data given has 2 classes, contragan/digits has 10"):
        score(held_out=datasets.Dataset(digits.images[:20], torch.arange(20) % 2, 2))


def test_a_file_in_place_of_the_data_set_is_named(asked, tmp_path):
    digits = datasets.load("digits")
    np.savez(tmp_path / "few", images=digits.images[:20].permute(0, 2, 3, 1).numpy(), labels=np.arange(20) % 2)
    with pytest.raises(LabelError, match=r"digits train of few\.npz has 2 classes, contragan/digits has 10"):
        score(held_out=tmp_path / "few.npz")


def test_a_recorded_score_is_verified(asked, monkeypatch):
    recorded = Measured(metric="CAS (resnet20)", value=0.99, protocol="clean", extractor="none", num_fake=100, seeds=1)
    other = recorded.model_copy(update={"metric": "CAS"})
    config = registry.config("contragan/digits")
    weights = config.weights[0].model_copy(update={"scores": (recorded, other)})
    registry.register(config.model_copy(update={"name": "test/cas", "weights": (weights,)}), replace=True)
    data = datasets.load("digits")
    monkeypatch.setattr("zoo.evaluation.features.held_out.find", lambda *_: zoo_data(data))
    found = {c.metric: c for c in zoo.verify("test/cas", device="cpu").comparisons}
    assert found["CAS (resnet20)"].verdict == "reproduced"
    assert found["CAS"].why == "measured with another network, CAS (resnet20)"


def zoo_data(given):
    from zoo.evaluation.features.references import ReferenceData

    return ReferenceData("digits", "test", 32, given=given)
