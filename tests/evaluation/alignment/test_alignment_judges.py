"""What judges the images: the discriminator, and classifiers with and without given data."""

import builtins

import numpy as np
import pytest
import torch
from narrow import short, tiny
from relabel import ORDER, permuted

import zoo
from training.run.trainer import Options, train
from zoo import datasets, nets
from zoo.checkpoints import weights
from zoo.common import files
from zoo.common.errors import LabelError, ZooError
from zoo.evaluation.alignment import classifiers, judges
from zoo.sampling.gan import GAN
from zoo.schema import registry
from zoo.schema.label_alignment import PERMUTED

# ------------------------------------------------------------------------------------------------- the discriminator


@pytest.mark.parametrize("name", ["contragan/cifar10", "biggan/cifar10", "acgan-biggan/cifar10"])
def test_class_scores_are_what_the_head_computes(name):
    """Against the head's own outputs for one label at a time."""
    config = tiny(registry.config(name))
    torch.manual_seed(0)
    discriminator = nets.build_discriminator(config.discriminator).eval()
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    x = images.float() / 127.5 - 1
    scores = judges.of_discriminator(discriminator, config).scores(images)
    for label in range(10):
        out = discriminator(x, torch.full((5,), label))
        if config.discriminator.head.type == "contrastive":
            expected = (out.embedding * out.proxy).sum(dim=1)
        elif config.discriminator.head.type == "projection":
            expected = out.logits - discriminator.heads.logit(out.features).squeeze(1)
        else:
            expected = out.class_logits[:, label]
        torch.testing.assert_close(scores[:, label], expected, rtol=1e-4, atol=1e-5)


def test_a_plain_head_knows_no_classes():
    config = tiny(registry.config("sngan/cifar10"))
    with pytest.raises(ValueError, match="no classes"):
        nets.build_discriminator(config.discriminator).heads.class_scores(torch.zeros(1, 8))


def test_the_shipped_discriminator_finds_the_classifier_s_assignment():
    """Without data and without a classifier, on other images than those of the kept alignment."""
    kept = weights.entry(registry.config("contragan-snresgan/cifar10"), "default").alignment
    assert kept.assignment == (2, 5, 0, 3, 6, 7, 9, 8, 1, 4), "found by another classifier on other images"
    assert kept.discriminator_assignment == kept.assignment
    found = zoo.align("contragan-snresgan/cifar10", 30, "discriminator", seed=5)
    assert (found.verdict, found.assignment) == (PERMUTED, kept.assignment)
    assert found.classifier_accuracy is None


def test_a_run_is_judged_by_its_own_discriminator(tmp_path):
    config = short("contragan/digits", 1)
    run = train(config, Options(tmp_path / "run", device="cpu"))
    model = zoo.load(run)
    assert model.has_discriminator
    assert model.discriminator(torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.int64)).embedding.shape[0] == 2
    assert zoo.align(run, 20, "discriminator").classifier.startswith("its own discriminator")
    other = GAN(config.updated({"data.dataset": "mnist"}), model.generator, device="cpu")
    other._discriminator_file = model._discriminator_file
    assert zoo.align(other, 20).classifier.startswith("its own discriminator"), "no classifier of these ships"
    (run / "discriminator.safetensors").unlink()
    with pytest.raises(ZooError, match="no discriminator"):
        zoo.align(run, 20, "discriminator")


@pytest.mark.parametrize("where", ["nan", "damaged"])
def test_a_useless_discriminator_is_left_out(where, tmp_path, capsys):
    run = train(short("contragan/digits", 1), Options(tmp_path / "run", device="cpu"))
    path = run / "discriminator.safetensors"
    if where == "nan":
        files.save(path, {k: t * float("nan") if t.is_floating_point() else t for k, t in weights.read(path).items()})
    else:
        path.write_bytes(path.read_bytes()[:-100])
    assert zoo.align(run, 20).discriminator_assignment is None
    assert "left out" in capsys.readouterr().err
    with pytest.raises(ZooError):
        zoo.align(run, 20, "discriminator")


# ----------------------------------------------------------------------------------------------------- classifiers


def test_imagenet_classes_are_found_by_their_ids():
    numbers = classifiers.imagenet_numbers(registry.config("contragan/tiny-imagenet"))
    ids, names = datasets.class_ids("imagenet"), datasets.class_names("tiny-imagenet")
    assert len(set(numbers)) == 200
    assert [ids[i] for i in numbers] == list(datasets.class_ids("tiny-imagenet"))
    assert datasets.class_names("imagenet")[numbers[names.index("goldfish")]] == "goldfish"
    assert list(ids) == sorted(ids), "the order of ImageNet's logits is that of the ids"
    assert classifiers.imagenet_numbers(registry.config("contragan/cifar10")) is None
    two = registry.config("contragan/digits").updated(
        {
            "data.dataset": "custom:birds",
            "data.class_names": ["n01443537", "n01440764"],
            "generator.num_classes": 2,
            "discriminator.num_classes": 2,
            "weights": [],
            "default_tag": None,
        }
    )
    assert classifiers.imagenet_numbers(two) == [1, 0]


def test_the_shipped_classifier_says_what_it_is():
    path = classifiers.head_path("cifar10")
    about, tensors = weights.read_metadata(path), weights.read(path)
    assert {name: tuple(t.shape) for name, t in tensors.items()} == {"weight": (10, 1280), "bias": (10,)}
    assert path.stat().st_size < 40_000
    assert 0.8 < float(about["accuracy"]) < 1
    assert about["accuracy of"] == "10,000 test images"


def test_given_data_trains_a_classifier(digits):
    real = datasets.load("digits")
    real = datasets.Dataset(real.images[:600], real.labels[:600], 10, source="some digits")
    found = zoo.align(permuted(digits, ORDER), 30, data=real)
    assert found.assignment == tuple(ORDER)
    assert found.classifier.startswith("logistic regression")
    assert found.classifier_accuracy > 0.8
    with pytest.raises(ZooError, match="give data"):
        zoo.align(digits, 20, "data")


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("infomax-gan/digits", {}, "unconditional"),
        ("contragan/digits", {"images_per_class": 5}, "at least 20"),
        ("contragan/digits", {"images_per_class": np.uint8(19)}, "at least 20"),
        ("contragan/digits", {"images_per_class": 30.5}, "whole number"),
        ("contragan/digits", {"images_per_class": torch.tensor(True)}, "whole number"),
        ("contragan/digits", {"classifier": "oracle"}, "there are auto, shipped"),
        ("contragan/digits", {"classifier": "discriminator"}, "no discriminator"),
        ("contragan/digits", {"classifier": "imagenet"}, "among ImageNet's"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(name, options, reason):
    with pytest.raises(ZooError, match=reason) as error:
        zoo.align(name, **options)
    assert "\n" not in str(error.value)


def test_classes_that_no_classifier_knows_need_data():
    config = registry.config("contragan/digits").updated({"data.dataset": "mnist"})
    model = GAN(config, nets.build_generator(config.generator), device="cpu")
    with pytest.raises(ZooError, match=r"give real images as data \(--data\)"):
        zoo.align(model, 20)


@pytest.mark.parametrize("missing", ["scipy", "sklearn", "torch_fidelity"])
def test_missing_packages_are_named(missing, digits, monkeypatch):
    real_import = builtins.__import__

    def without(name, *arguments, **options):
        if name.partition(".")[0] == missing:
            raise ImportError(f"No module named {name!r}", name=missing)
        return real_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ZooError, match="pip install"):
        zoo.align(digits, 20)


def test_real_images_that_teach_nothing_are_refused(digits, tmp_path):
    real = datasets.load("digits")
    few = datasets.Dataset(real.images[:60], real.labels[:60], 10)
    with pytest.raises(LabelError, match="at least"):
        zoo.align(digits, 20, data=few)
    shuffled = datasets.Dataset(real.images[:400], torch.randint(0, 10, (400,)).sort().values, 10)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(1))
    with pytest.raises(ZooError, match="which is chance"):
        zoo.align(digits, 20, data=datasets.Dataset(shuffled.images[order], shuffled.labels, 10))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"data": "cifr10"}, 'no data set is called "cifr10"; did you mean cifar10'),
        ({"data": "nowhere.npz"}, "nowhere.npz does not exist; give a folder of images"),
        ({"data": "gone/x"}, "gone/x does not exist"),
        ({"data": "cifar10"}, "draws the classes of digits; give images of these, not cifar10"),
        ({"data": 5}, "data is 5"),
        ({"data": ""}, "data is ''"),
        ({"data": "digits", "classifier": "shipped"}, "the classifier shipped learns from no data"),
        ({"classifier": "shiped"}, "did you mean shipped"),
    ],
)
def test_what_cannot_be_is_refused_before_the_model_is_loaded(arguments, reason, monkeypatch):
    monkeypatch.setattr("zoo.sampling.loading.load_found", lambda *_, **__: pytest.fail("the model was loaded"))
    with pytest.raises(ZooError, match=reason):
        zoo.align("contragan/digits", 20, **arguments)
