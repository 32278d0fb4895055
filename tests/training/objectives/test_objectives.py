"""Terms: what each adds to a network's loss, how they draw, and how they look across processes."""

import pytest
import torch
from narrow import tiny
from torch import Tensor

from training import augment, engine, losses, objectives
from training.noise import CountedNoise
from training.objectives import Batch, GeneratedBatch
from zoo.common.errors import ConfigError
from zoo.nets import DiscriminatorOutput
from zoo.schema import recipe, registry


def linear_discriminator(classes: int = 3):
    """A function of images and labels with every output, and of no state."""
    weights = torch.randn(12, 1 + 4 + classes, generator=torch.Generator().manual_seed(0))

    def discriminator(images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        out = images.flatten(1) @ weights
        return DiscriminatorOutput(out[:, 0], images.flatten(1), out[:, 5:], out[:, 1:5], torch.ones(len(images), 4))

    return discriminator


def batches_of(n: int = 6) -> tuple[Batch, GeneratedBatch]:
    """Real images and generated ones, of the same labels, which draw from the same noise."""
    generator = torch.Generator().manual_seed(1)
    real, fake = (torch.randn(n, 3, 2, 2, generator=generator) for _ in range(2))
    return batches(real, fake, torch.arange(n) % 3, linear_discriminator(), CountedNoise(5))


def batches(real: Tensor, fake: Tensor, labels: Tensor, discriminator, noise, **fields) -> tuple[Batch, GeneratedBatch]:
    about = {"discriminator": discriminator, "labels": labels, "noise": noise, **fields}
    made = {"latents": torch.linspace(-2, 2, 12 * len(fake)).view(-1, 12), "generate": lambda z: z.view_as(fake).tanh()}
    return (
        Batch(images=real, out=discriminator(real, labels), **about),
        GeneratedBatch(images=fake, out=discriminator(fake, labels), **made, **about),
    )


def test_improved_consistency_is_its_algorithms():
    """ICR Algorithms 1 and 2, with the outputs that StudioGAN compares."""
    part = recipe.ImprovedConsistency(
        real_weight=10, fake_weight=5, latent_radius=0.1, latent_generator_weight=0.5, latent_discriminator_weight=20
    )
    term, (real, fake) = objectives.ImprovedConsistency(part), batches_of()
    value = term.discriminator_loss(real, fake)

    def squares(a: DiscriminatorOutput, b: DiscriminatorOutput) -> Tensor:
        pairs = ((a.logits, b.logits), (a.embedding, b.embedding), (a.class_logits, b.class_logits))
        return sum((x - y).square().mean() for x, y in pairs)

    noise, d, labels, z = CountedNoise(5), real.discriminator, real.labels, fake.latents
    changes = []
    for images in (real.images, fake.images):
        moved = augment.flip_and_shift(images, *augment.draw_flip_and_shift(images, noise))
        changes.append(squares(d(images, labels), d(moved, labels)))
    moved = fake.generate(z + 0.1 * noise.normal(6, 12))
    latent = squares(fake.out, d(moved, labels))
    assert value.item() == pytest.approx((10 * changes[0] + 5 * changes[1] + 20 * latent).item(), rel=1e-6)
    fake.noise = CountedNoise(5)
    moved = fake.generate(z + 0.1 * CountedNoise(5).normal(6, 12))
    expected = -0.5 * (fake.images - moved).square().mean()
    assert term.generator_loss(fake).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_classifier_learns_from_generated_images_where_the_run_did():
    shown, cross_entropy = batches_of(), torch.nn.functional.cross_entropy
    real, fake = (cross_entropy(batch.out.class_logits, batch.labels) for batch in shown)
    for too in (False, True):
        term = objectives.Classifier(recipe.ClassifierConditioning(weight=2, fakes_in_discriminator=too))
        assert term.discriminator_loss(*shown).item() == pytest.approx(2 * (real + fake * too).item(), rel=1e-6)
        assert term.generator_loss(shown[1]).item() == pytest.approx(2 * fake.item(), rel=1e-6)


def test_augmented_positives_are_the_discriminators_alone_while_class_embeddings_stay():
    kept, replaced = (
        objectives.Contrastive(
            recipe.ContrastiveConditioning(), recipe.AugmentedPositives(keep_class_embeddings=keep, shifts="any")
        )
        for keep in (True, False)
    )
    plain, (real, fake) = objectives.Contrastive(recipe.ContrastiveConditioning()), batches_of()
    assert torch.equal(kept.generator_loss(fake), plain.generator_loss(fake))
    assert not torch.equal(kept.discriminator_loss(real, fake), plain.discriminator_loss(real, fake))
    fake.noise = CountedNoise(9)
    draws = augment.draw_flip_and_shift(fake.images, CountedNoise(9))
    augmented = fake.discriminator(augment.flip_and_shift(fake.images, *draws), fake.labels).embedding
    expected = losses.contrastive_2c(fake.out.embedding, augmented, fake.labels)
    assert torch.equal(replaced.generator_loss(fake), expected)


@pytest.mark.parametrize(
    "term",
    [
        objectives.Contrastive(recipe.ContrastiveConditioning(), recipe.AugmentedPositives()),
        objectives.D2DCE(recipe.D2DCEConditioning(weight=1, temperature=0.5, positive_margin=0.9)),
        objectives.XTXent(recipe.XTXentConditioning(temperature=0.5)),
        objectives.Triplet(recipe.TripletConditioning(margin=0.5)),
        objectives.ProxyNCA(recipe.ProxyNCAConditioning()),
        objectives.Dragan(1.0),
        objectives.InfoMax(recipe.InfoMax(sampled_locations=0.5)),
    ],
    ids=lambda term: term.name,
)
def test_what_is_gathered_makes_two_halves_the_whole(term):
    """Processes that gather each other's rows have the loss of the whole batch between them."""
    whole = batches_of()
    whole[0].discriminator.heads = type("Heads", (), {name: staticmethod(made) for name, made in HEADS.items()})
    expected = term.discriminator_loss(*whole)
    rows = [slice(0, 3), slice(3, 6)]
    sent: list[list[Tensor]] = []
    for part in rows:  # first each process says what it sends
        sent.append([])
        term.discriminator_loss(*parts_of(whole, part, lambda tensor: sent[-1].append(tensor) or tensor))
    received = [torch.cat(pair) for pair in zip(*sent, strict=True)]
    values = []
    for part in rows:
        answers = iter(received)
        values.append(term.discriminator_loss(*parts_of(whole, part, lambda _, answers=answers: next(answers))))
    assert torch.stack(values).mean().item() == pytest.approx(expected.item(), rel=1e-5)


HEADS = {
    "critics": lambda out: (out.features.view(-1, 3, 2, 2), out.embedding[:, :3]),
    "class_embeddings": lambda: torch.eye(4)[:3],
}


def parts_of(whole: tuple[Batch, GeneratedBatch], rows: slice, gather) -> tuple[Batch, GeneratedBatch]:
    real, fake = whole
    noise, about = CountedNoise(5, first_row=rows.start), {"first_row": rows.start, "global_size": 6}
    images = real.images[rows], fake.images[rows]
    return batches(*images, real.labels[rows], real.discriminator, noise, gather=gather, **about)


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


@pytest.mark.parametrize("kind", ["xt-xent", "triplet", "proxy-nca"])
def test_the_losses_of_figure_1_train_in_place_of_2c(kind):
    """`--set training.conditioning={"type": ...}` selects one; every parameter of the discriminator has a gradient."""
    config = tiny(registry.config("contragan/cifar10"))
    config = config.updated({"training.conditioning": {"type": kind, "weight": 3.0}, "training.batch_size": 4})
    torch.manual_seed(0)
    run = engine.Engine(config, engine.Networks.build(config))
    real, z, labels = torch.randn(4, 3, 32, 32), torch.randn(4, config.generator.latent_dim), torch.tensor([0, 0, 1, 2])
    logged = run.discriminator_step(real, labels, z, labels) | run.generator_step(z, labels, 0)
    name = kind.replace("-", "_")
    assert {f"d/{name}", f"g/{name}"} <= logged.keys()
    assert all(value.isfinite() for value in logged.values())
    assert all(p.grad is not None for p in run.networks.discriminator.parameters() if p.requires_grad)
