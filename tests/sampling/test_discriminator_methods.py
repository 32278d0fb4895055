"""The discriminator that was trained with a generator, as a critic and for its features."""

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo import Images, nets
from zoo.common import files
from zoo.common.errors import LabelError, WeightsUnavailableError, ZooError


@pytest.fixture(scope="module")
def model():
    return zoo.load("contragan-snresgan/cifar10", device="cpu")


@pytest.fixture(scope="module")
def images(model):
    return model.sample(6, label=3, seed=0)


def folder_of(name, tmp_path):
    """An exported folder of an untrained model with its discriminator."""
    model = zoo.load(name, weights="random", device="cpu")
    out = model.save_pretrained(tmp_path / "model", discriminator=nets.build_discriminator(model.config.discriminator))
    return zoo.load(out, device="cpu", discriminator=True)


def test_scores_and_features_are_those_of_the_network(model, images):
    x = images.uint8.float() / 127.5 - 1
    out = model.discriminator(x, model.trained_labels(images.labels, 6))
    assert model.score(images).tolist() == out.logits.tolist()
    assert torch.equal(model.features(images), out.features)
    assert out.features.shape == (6, 128)


def test_images_in_any_form(model, images):
    expected = model.score(images)
    pixels = images.uint8
    for given in (pixels, pixels.numpy(), pixels.permute(0, 2, 3, 1).numpy(), np.asarray(images)):
        assert torch.equal(model.score(given, 3), expected)
    for given in (pixels.float() / 127.5 - 1, (pixels.double() / 127.5 - 1).numpy()):
        torch.testing.assert_close(model.score(given, "cat"), expected)
    many = Images(pixels.repeat(20, 1, 1, 1))
    torch.testing.assert_close(model.score(many), expected.repeat(20), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (torch.zeros(2, 3, 64, 64, dtype=torch.uint8), r"takes \(N, 3, 32, 32\)"),
        (torch.zeros(3, 32, 32), r"takes \(N, 3, 32, 32\)"),
        (torch.zeros(0, 3, 32, 32), r"takes \(N, 3, 32, 32\)"),
        (torch.full((1, 3, 32, 32), float("nan")), r"outside \[-1, 1\]"),
        (torch.full((1, 3, 32, 32), 255.0), r"outside \[-1, 1\]"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.int64), "give uint8"),
        (None, "of type NoneType; give Images"),
        ("images.png", "of type str; give Images"),
        ([Image.new("RGB", (32, 32))], "of type list; give Images"),
    ],
)
def test_other_images_are_refused(model, given, reason):
    for use in (model.score, model.features):
        with pytest.raises(ZooError, match=reason):
            use(given)


def test_a_projection_head_judges_the_class_that_was_asked_for(tmp_path):
    model = folder_of("biggan/cifar10-small", tmp_path)
    images = model.sample(2, label=[1, 2], seed=0)
    assert torch.equal(model.score(images), model.score(images, [1, 2]))
    assert not torch.equal(model.score(images), model.score(images, 5))
    with pytest.raises(LabelError, match="give label"):
        model.score(images.uint8)
    with pytest.raises(LabelError, match="out of range"):
        model.score(images, 10)
    assert model.features(images.uint8).shape[0] == 2, "which no class takes part in"


def test_a_discriminator_without_classes_and_the_range_of_its_data(tmp_path):
    model = folder_of("dcgan/cifar10", tmp_path)  # trained on [0, 1]
    images = model.sample(2, seed=0)
    out = model.discriminator(images.float())
    assert torch.equal(model.score(images), out.logits)
    torch.testing.assert_close(model.score(images.float() * 2 - 1), out.logits)


def test_training_mode_and_process_state_do_not_change_the_judgement(tmp_path):
    model = folder_of("infomax-gan/cifar10-small", tmp_path)
    images = model.sample(2, seed=0)
    expected, u = model.score(images), model.discriminator.heads.logit.u.clone()
    model.discriminator.train()
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode(), torch.device("meta"):
        assert torch.equal(model.score(images), expected)
    assert model.discriminator.training
    assert torch.equal(model.discriminator.heads.logit.u, u)


def test_a_model_without_one_says_who_has_one():
    model = zoo.load("contragan/digits", device="cpu")
    assert not model.has_discriminator
    for use in (lambda: model.score(model.sample(1)), lambda: zoo.load("contragan/digits", discriminator=True)):
        with pytest.raises(WeightsUnavailableError, match="no discriminator on this machine; runs"):
            use()


def test_a_damaged_discriminator_is_named(tmp_path):
    model = folder_of("infomax-gan/cifar10-small", tmp_path)
    state = model.discriminator.state_dict()
    state["heads.logit.bias"] = torch.tensor([float("inf")])
    files.save(tmp_path / "model" / "discriminator.safetensors", state)
    with pytest.raises(ZooError, match=r"discriminator\.safetensors .*heads\.logit\.bias"):
        zoo.load(tmp_path / "model", discriminator=True)
