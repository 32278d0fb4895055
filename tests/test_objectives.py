"""Terms: what each adds to a network's loss, how they draw, and how they look across processes."""

import pytest
import torch
from narrow import tiny
from torch import Tensor

from training import augment, engine, losses, objectives
from training.noise import CountedNoise
from training.objectives import Batch
from zoo import recipe, registry
from zoo.errors import ConfigError
from zoo.nets import DiscriminatorOutput


def linear_discriminator(classes: int = 3):
    """A function of images and labels with every output, and of no state."""
    weights = torch.randn(12, 1 + 4 + classes, generator=torch.Generator().manual_seed(0))

    def discriminator(images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        out = images.flatten(1) @ weights
        return DiscriminatorOutput(out[:, 0], images.flatten(1), out[:, 5:], out[:, 1:5], torch.ones(len(images), 4))

    return discriminator


def batch_of(n: int = 6, **fields) -> Batch:
    generator = torch.Generator().manual_seed(1)
    real, fake = (torch.randn(n, 3, 2, 2, generator=generator) for _ in range(2))
    labels, discriminator = torch.arange(n) % 3, linear_discriminator()
    batch = Batch(discriminator, fake, labels, discriminator(fake, labels), real, labels, discriminator(real, labels))
    batch.noise = CountedNoise(5)
    for name, value in fields.items():
        setattr(batch, name, value)
    return batch


def test_improved_consistency_is_its_algorithms():
    """ICR Algorithms 1 and 2, with the outputs that StudioGAN compares."""
    part = recipe.ImprovedConsistency(
        real_weight=10, fake_weight=5, latent_radius=0.1, latent_generator_weight=0.5, latent_discriminator_weight=20
    )
    term, z = objectives.ImprovedConsistency(part), torch.randn(6, 12)
    batch = batch_of(latents=z, generate=lambda z: z.view(6, 3, 2, 2).tanh())
    value = term.discriminator(batch)

    def squares(a: DiscriminatorOutput, b: DiscriminatorOutput) -> Tensor:
        pairs = ((a.logits, b.logits), (a.embedding, b.embedding), (a.class_logits, b.class_logits))
        return sum((x - y).square().mean() for x, y in pairs)

    noise, d, labels = CountedNoise(5), batch.discriminator, batch.real_labels
    changes = []
    for images in (batch.real, batch.fake):
        moved = augment.flip_and_shift(images, *augment.draw_flip_and_shift(images, noise))
        changes.append(squares(d(images, labels), d(moved, labels)))
    moved = batch.generate(z + 0.1 * noise.normal(6, 12))
    latent = squares(batch.fake_out, d(moved, labels))
    assert value.item() == pytest.approx((10 * changes[0] + 5 * changes[1] + 20 * latent).item(), rel=1e-6)
    batch.noise = CountedNoise(5)
    moved = batch.generate(z + 0.1 * CountedNoise(5).normal(6, 12))
    assert term.generator(batch).item() == pytest.approx(-0.5 * (batch.fake - moved).square().mean().item(), rel=1e-6)


def test_the_classifier_learns_from_generated_images_where_the_run_did():
    batch, cross_entropy = batch_of(), torch.nn.functional.cross_entropy
    real, fake = (cross_entropy(out.class_logits, batch.real_labels) for out in (batch.real_out, batch.fake_out))
    for too in (False, True):
        term = objectives.Classifier(recipe.ClassifierConditioning(weight=2, fakes_in_discriminator=too))
        assert term.discriminator(batch).item() == pytest.approx(2 * (real + fake * too).item(), rel=1e-6)
        assert term.generator(batch).item() == pytest.approx(2 * fake.item(), rel=1e-6)


def test_augmented_positives_are_the_discriminators_alone_while_class_embeddings_stay():
    kept, replaced = (
        objectives.Contrastive(
            recipe.ContrastiveConditioning(), recipe.AugmentedPositives(keep_class_embeddings=keep, shifts="any")
        )
        for keep in (True, False)
    )
    plain, batch = objectives.Contrastive(recipe.ContrastiveConditioning()), batch_of()
    assert torch.equal(kept.generator(batch), plain.generator(batch))
    assert not torch.equal(kept.discriminator(batch), plain.discriminator(batch))
    batch.noise = CountedNoise(9)
    draws = augment.draw_flip_and_shift(batch.fake, CountedNoise(9))
    augmented = batch.discriminator(augment.flip_and_shift(batch.fake, *draws), batch.fake_labels).embedding
    expected = losses.contrastive_2c(batch.fake_out.embedding, augmented, batch.fake_labels)
    assert torch.equal(replaced.generator(batch), expected)


@pytest.mark.parametrize(
    "term",
    [
        objectives.Contrastive(recipe.ContrastiveConditioning(), recipe.AugmentedPositives()),
        objectives.D2DCE(recipe.D2DCEConditioning(weight=1, temperature=0.5, positive_margin=0.9)),
        objectives.Dragan(1.0),
        objectives.InfoMax(recipe.InfoMax(sampled_locations=0.5)),
    ],
    ids=lambda term: term.name,
)
def test_what_is_gathered_makes_two_halves_the_whole(term):
    """Processes that gather each other's rows have the loss of the whole batch between them."""
    whole = batch_of()
    whole.discriminator.heads = type("Heads", (), {"critics": staticmethod(critics)})
    expected = term.discriminator(whole)
    rows = [slice(0, 3), slice(3, 6)]
    sent: list[list[Tensor]] = []
    for part in rows:  # first each process says what it sends
        sent.append([])
        batch = part_of(whole, part, lambda tensor: sent[-1].append(tensor) or tensor)
        term.discriminator(batch)
    received = [torch.cat(pair) for pair in zip(*sent, strict=True)]
    values = []
    for part in rows:
        answers = iter(received)
        values.append(term.discriminator(part_of(whole, part, lambda _, answers=answers: next(answers))))
    assert torch.stack(values).mean().item() == pytest.approx(expected.item(), rel=1e-5)


def critics(out: DiscriminatorOutput) -> tuple[Tensor, Tensor]:
    return out.features.view(-1, 3, 2, 2), out.embedding[:, :3]


def part_of(whole: Batch, rows: slice, gather) -> Batch:
    d, labels = whole.discriminator, whole.real_labels[rows]
    real, fake = whole.real[rows], whole.fake[rows]
    batch = Batch(d, fake, labels, d(fake, labels), real, labels, d(real, labels), gather=gather)
    batch.noise, batch.first_row, batch.global_size = CountedNoise(5, first_row=rows.start), rows.start, 6
    return batch


def test_sampled_locations_are_the_images_own():
    features = torch.arange(2 * 3 * 10.0).view(2, 3, 2, 5)
    sampled = objectives.auxiliary.sample_locations(features, 0.5, CountedNoise(0))
    assert sampled.shape == (2, 3, 5)
    for image, chosen in zip(features.flatten(2), sampled, strict=True):
        columns = {tuple(column.tolist()) for column in chosen.t()}
        assert len(columns) == 5
        assert columns <= {tuple(column.tolist()) for column in image.t()}
    vector = torch.randn(2, 3)
    assert objectives.auxiliary.sample_locations(vector, 0.5, CountedNoise(0)) is vector


def test_diff_augment_is_what_both_networks_train_on():
    config = tiny(registry.config("biggan-diffaug/cifar10")).updated({"training.batch_size": 4})
    torch.manual_seed(0)
    run = engine.Engine(config, engine.Networks.build(config))
    seen = []
    run.networks.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    made = []
    run.networks.generator.register_forward_hook(lambda *args: made.append(args[2].detach().clone()))
    real, labels, z = torch.randn(4, 3, 32, 32), torch.arange(4), torch.randn(4, config.generator.latent_dim)
    run.discriminator_step(real, labels, z, labels)
    run.generator_step(z, labels, 0)
    noise = CountedNoise(0)
    expected = [augment.diff_augment(images, noise) for images in (real, made[0])]
    noise.advance()
    expected.append(augment.diff_augment(made[1], noise))
    assert all(torch.equal(a, b) for a, b in zip(seen, expected, strict=True))


def test_combinations_that_make_no_sense_are_refused():
    projection = registry.config("biggan/cifar10")
    with pytest.raises(ConfigError, match=r"augmented-positives needs .* contrastive"):
        projection.updated({"training.regularizers": [{"type": "augmented-positives"}]})
    icr = registry.config("biggan-icr/cifar10").to_dict()["training"]["regularizers"]
    with pytest.raises(ConfigError, match="do not combine"):
        projection.updated({"training.regularizers": [*icr, {"type": "diff-augment"}]})
    with pytest.raises(ConfigError, match="self_in_numerator needs same_class_in_numerator"):
        registry.config("contragan/imagenet128").updated({"training.conditioning.self_in_numerator": True})
    twice = projection.updated({"training.regularizers": [{"type": "dragan"}, {"type": "dragan"}]})
    with pytest.raises(ConfigError, match="share a name"):
        objectives.build(twice)
    with pytest.raises(ConfigError, match="global_after is 2; give a block after 3"):
        registry.config("infomax-gan/cifar10").updated({"discriminator.infomax.global_after": 2})
