"""ADA's probability follows the signs of the discriminator; its state is saved, and resumes to the bit."""

import pytest
import torch
from narrow import short
from resuming import last, same, stop_after
from test_objectives import batches, linear_discriminator

from training import engine, objectives
from training.adaptive_augment import adaptive_augment
from training.command import Augment, for_small_data
from training.data import Fake, Real
from training.networks import Networks
from training.noise import CountedNoise
from training.run.stopping import RunStoppedError
from training.run.trainer import Options, train
from zoo.common.errors import ConfigError
from zoo.schema import recipe, registry


def update(term: objectives.AdaptiveAugment, logits: list[float]) -> None:
    """One discriminator update that saw real images with these logits."""
    images = torch.zeros(len(logits), 3, 2, 2)
    real, fake = batches(images, images, torch.zeros(len(logits)).long(), linear_discriminator(), CountedNoise(0))
    real.out.logits = torch.tensor(logits)
    assert term.discriminator_loss(real, fake) is None
    term.after_discriminator_step(None)


@pytest.mark.parametrize(("adversarial", "undecided"), [("hinge", 0), ("least-squares", 0.5)])
def test_p_moves_every_four_updates_by_the_images_seen(adversarial, undecided):
    term = objectives.AdaptiveAugment(recipe.AdaptiveAugment(images_to_certainty=100, target=0.6), adversarial)
    good, bad = undecided + 0.01, undecided - 0.01
    for _ in range(3):
        update(term, [good] * 5)
        assert term.p == 0
    update(term, [good] * 5)
    torch.testing.assert_close(term.p, torch.tensor(0.2))  # 20 of 100 images, upwards
    for _ in range(4):
        update(term, [good] * 4 + [bad])  # 4 signs of 5, less 1: the mean is the target, 0.6
    torch.testing.assert_close(term.p, torch.tensor(0.2), atol=0.2, rtol=0)
    at_target = term.p.clone()
    for _ in range(4):
        update(term, [good, bad])
    torch.testing.assert_close(term.p, (at_target - 0.08).clamp(min=0))
    for _ in range(40):
        update(term, [bad] * 5)
    assert term.p == 0, "p does not fall below 0"


def test_both_networks_train_on_what_ada_makes():
    config = short("contragan/digits", **{"training.regularizers": [{"type": "adaptive-augment"}]})
    networks = Networks.build(config)
    made = engine.Engine(config, networks, CountedNoise(0))
    (term,) = (term for term in made.terms if term.name == "adaptive_augment")
    term.p.fill_(0.7)
    seen = []
    networks.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    real, labels, z = torch.rand(4, 3, 32, 32) * 2 - 1, torch.arange(4), torch.randn(4, config.generator.latent_dim)
    metrics = made.step([Real(real, labels)], [Fake(z, labels), Fake(z, labels)], 0)
    noise = CountedNoise(0)
    torch.testing.assert_close(seen[0], adaptive_augment(real, torch.tensor(0.7), noise))
    assert metrics["d/augment_p"] == 0.7
    assert term.signs.abs() <= 4
    assert term.images == 4


def test_a_range_from_zero_is_kept():
    part = recipe.AdaptiveAugment(operations=("color",))
    images, p = torch.rand(4, 3, 8, 8), torch.tensor(1.0)
    terms = [objectives.AdaptiveAugment(part, "hinge", range_) for range_ in ("[0, 1]", "[-1, 1]")]
    for term in terms:
        term.p.copy_(p)
    of_unit, of_signed = (terms[0].augment(images, CountedNoise(1)), terms[1].augment(images * 2 - 1, CountedNoise(1)))
    torch.testing.assert_close(of_unit * 2 - 1, of_signed)


def test_ada_resumes_to_the_bit(tmp_path):
    ada = [{"type": "adaptive-augment", "images_to_certainty": 40, "target": -0.5}]
    config = short("contragan/digits", 6, **{"training.regularizers": ada, "training.discriminator_steps": 1})
    whole = train(config, Options(tmp_path / "whole", device="cpu", log_every=1))
    with pytest.raises(RunStoppedError):
        train(config, Options(tmp_path / "parts", device="cpu"), stop_after(5))
    train(config, Options(tmp_path / "parts", device="cpu", resume=True))
    assert same(last(whole), last(tmp_path / "parts"))
    assert last(whole)["terms/adaptive_augment/updates"] == 2
    assert last(whole)["terms/adaptive_augment/p"] in (0, torch.tensor(0.4))


@pytest.mark.parametrize(
    ("name", "parts", "words"),
    [
        ("contragan/digits", [{"type": "adaptive-augment"}, {"type": "diff-augment"}], "do not combine"),
        ("wgan-gp/cifar10", [{"type": "adaptive-augment"}], "wasserstein has none: take diff-augment"),
        ("contragan/digits", [{"type": "freeze-d", "blocks": 16}], "blocks; freeze fewer"),
    ],
)
def test_what_does_not_work_is_a_line(name, parts, words):
    with pytest.raises(ConfigError, match=words):
        registry.config(name).updated({"training.regularizers": parts})


def test_the_options_change_the_parts_of_the_recipe_and_no_others():
    def types(config) -> list[str]:
        return [part.type for part in config.training.regularizers]

    config = registry.config("contragan-cr/cifar10")
    assert for_small_data(config, None, None) == config
    ada = for_small_data(config, Augment.ADA, 3)
    assert types(ada) == ["consistency", "adaptive-augment", "freeze-d"]
    assert ada.training.regularizers[-1].blocks == 3
    assert types(for_small_data(ada, Augment.DIFFAUG, None)) == ["consistency", "freeze-d", "diff-augment"]
    assert for_small_data(ada, Augment.NONE, 0) == config
