"""What `zoo align` finds: planted permutations, and what cannot be told."""

import numpy as np
import pytest
import torch
from narrow import tiny
from pydantic import ValidationError
from relabel import ORDER, permuted

import zoo
from zoo import nets
from zoo.evaluation.alignment import classifiers
from zoo.sampling.gan import GAN
from zoo.schema import registry
from zoo.schema.label_alignment import PERMUTED, RIGHT, UNKNOWN, LabelAlignment

CLEAR = ["contragan/digits", "biggan/cifar10-small", "contragan-snresgan/cifar10"]  # each class by one label
SMALL = ["contragan/cifar10-small"]  # some labels of which draw mixtures


@pytest.mark.parametrize("name", CLEAR)
def test_a_planted_permutation_is_found_and_undone(name):
    """For every conditional architecture that has small weights: what a class draws is what it drew before."""
    model = zoo.load(name, device="cpu")
    as_it_was, model.alignment = model.alignment, None  # of labels as they were trained
    other = permuted(model, ORDER)
    now = zoo.align(other, 24)
    assert now.verdict == PERMUTED
    assert [as_it_was.assignment[i] for i in ORDER] == list(now.assignment)
    model.alignment, other.alignment = as_it_was, now
    assert torch.equal(other.sample(10, "all", seed=2).uint8, model.sample(10, "all", seed=2).uint8)


@pytest.mark.parametrize("name", SMALL)
def test_a_planted_permutation_costs_no_accuracy(name):
    model = zoo.load(name, device="cpu")
    model.alignment = None
    before, now = zoo.align(model, 30), zoo.align(permuted(model, ORDER), 30)
    assert (before.verdict, now.verdict) == (RIGHT, PERMUTED)
    assert now.accuracy_asked < 0.2 < before.accuracy_asked <= now.accuracy_assigned


@pytest.mark.parametrize("name", ["sngan-pd/cifar10", "contragan-sndcgan/cifar10", "contragan/cifar10"])
def test_permuting_labels_is_what_the_helper_does(name):
    config = tiny(registry.config(name))
    model = GAN(config, nets.build_generator(config.generator), device="cpu")
    z = model.latents(10, 0)
    assert torch.equal(permuted(model, ORDER).generate(z, list(range(10))), model.generate(z, ORDER))


@pytest.mark.parametrize("name", ["contragan/digits", "biggan/cifar10-small"])
def test_right_labels_are_called_right(name):
    found = zoo.align(name, 30, seed=3)
    assert (found.verdict, found.assignment) == (RIGHT, tuple(range(10)))
    assert found.accuracy_asked == found.accuracy_assigned > 0.35
    assert "right" in str(found)


def test_labels_without_meaning_cannot_be_told_apart():
    config = registry.config("contragan/digits")
    generator = nets.build_generator(config.generator)
    torch.nn.init.zeros_(generator.embedding.weight)
    found = zoo.align(GAN(config, generator, device="cpu"), 20)
    assert (found.verdict, found.assignment) == (UNKNOWN, tuple(range(10)))


def test_the_numbers_are_those_of_the_images(digits, found):
    model = permuted(digits, ORDER)
    images = model.sample(300, "all", seed=0, labels="trained")
    seen = classifiers.of_digits().scores(images.uint8).argmax(dim=1)
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (images.labels.numpy(), seen.numpy()), 1)
    assert np.array_equal(found.confusion, counts)
    assert found.accuracy_asked == pytest.approx(float((seen == images.labels).float().mean()), abs=1e-6)
    assert found.accuracy_assigned > 0.98
    assert found.accuracy_asked_interval[0] < found.accuracy_asked < found.accuracy_asked_interval[1]
    assert found.classifier_accuracy == pytest.approx(0.967, abs=0.01), "published for this classifier on the digits"


def test_classes_that_no_label_draws_and_mixtures_are_named():
    confusion = [[60, 40, 0], [90, 5, 5], [0, 60, 40]]
    found = LabelAlignment(
        assignment=(1, 0, 2),
        verdict=PERMUTED,
        accuracy_asked=0.35,
        accuracy_asked_interval=(0.3, 0.4),
        accuracy_assigned=170 / 300,
        accuracy_assigned_interval=(0.5, 0.7),
        chance=0.4,
        confusion=confusion,
        images_per_class=100,
        seed=0,
        classifier="by hand",
    )
    assert (found.undrawn_classes, found.mixed_labels) == ((2,), ())
    assert found.model_copy(update={"confusion": ((40, 35, 25), *found.confusion[1:])}).mixed_labels == (0,)
    assert found.label_of == (1, 0, 2)
    with pytest.raises(ValueError, match="permutation"):
        LabelAlignment(**found.model_dump() | {"assignment": (0, 0, 2)})
    with pytest.raises(ValueError, match="does not fit"):
        LabelAlignment(**found.model_dump() | {"verdict": RIGHT})


@pytest.mark.parametrize(
    "changes",
    [
        {"images_per_class": 31},
        {"accuracy_asked": 0.99},
        {"accuracy_assigned_interval": [0.9, 0.1]},
        {"seed": 2**64},
        {"confusion": [[10**400, *[0] * 9]] * 10},
        {"classifier": "x\x1b[31m"},
        {"classifier": "<script>"},
        {"classifier_accuracy_note": "a\n# b"},
    ],
)
def test_what_contradicts_itself_or_its_page_is_no_alignment(changes, found):
    with pytest.raises(ValidationError):
        LabelAlignment(**found.to_keep().model_dump() | changes)
