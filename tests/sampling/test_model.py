"""Loading and sampling: the same seed gives the same images however they are asked for."""

import itertools

import numpy as np
import pytest
import torch
from narrow import tiny

import zoo
from zoo import Images, nets
from zoo.common import files
from zoo.common.errors import LabelError, WeightsUnavailableError, ZooError
from zoo.schema import labels, registry


@pytest.fixture(scope="module")
def conditional():
    return zoo.load("contragan/digits")


@pytest.fixture(scope="module")
def unconditional():
    return zoo.load("infomax-gan/digits")


@pytest.mark.parametrize("name", ["contragan/digits", "infomax-gan/digits"])
@pytest.mark.parametrize("truncation", [None, 0.8])
def test_images_do_not_depend_on_how_they_are_asked_for(name, truncation):
    model = zoo.load(name)
    whole = model.sample(30, seed=5, truncation=truncation, exact=True)
    for batch_size in (1, 7, 30, 64):
        parts = list(model.stream(30, seed=5, truncation=truncation, batch_size=batch_size, exact=True))
        assert torch.equal(Images.cat(parts).uint8, whole.uint8)
        assert max(len(part) for part in parts) <= batch_size
    halves = [model.sample(15, seed=5, truncation=truncation, start=start, exact=True) for start in (0, 15)]
    assert torch.equal(Images.cat(halves).uint8, whole.uint8)
    assert torch.equal(model.sample(11, seed=5, truncation=truncation, exact=True).uint8, whole.uint8[:11])
    by_hand = model.generate(model.latents(30, 5, truncation=truncation), whole.labels)
    assert torch.equal(Images.from_float(by_hand).uint8, whole.uint8)
    assert not torch.equal(model.sample(30, seed=6).uint8, whole.uint8)


def test_drawn_labels_belong_to_their_image(conditional):
    drawn = conditional.sample(20, seed=3)
    assert torch.equal(conditional.sample(20, label=drawn.labels, seed=3).uint8, drawn.uint8)
    assert torch.equal(conditional.sample(5, seed=3, start=10).labels, drawn.labels[10:15])


@pytest.mark.parametrize(
    "label",
    [
        *(3, "3", np.int64(3), np.uint8(3), np.array(3), np.array(3, np.int8), np.array("3"), np.str_("3")),
        *(torch.tensor(3), torch.tensor(3, dtype=torch.int8), torch.tensor(3, dtype=torch.uint8)),
        *([3, 3], ["3", 3], (3, 3), torch.tensor([3, 3]), np.array([3, 3], np.uint8), np.array(["3", "3"])),
        *([np.int8(3), np.uint64(3)], [torch.tensor(3), np.array(3)], torch.tensor([3, 3], dtype=torch.uint8)),
    ],
)
def test_labels_in_any_form(conditional, label):
    assert conditional.sample(2, label=label, seed=0).labels.tolist() == [3, 3]


@pytest.fixture(scope="module")
def tiny_imagenet():
    config = tiny(registry.config("contragan-tinyimagenet"))
    return zoo.GAN(config, nets.build_generator(config.generator), device="cpu")


@pytest.mark.parametrize("label", ["goldfish", "Goldfish", "n01443537", 0])
def test_public_class_names(tiny_imagenet, label):
    assert tiny_imagenet.class_names[0] == "goldfish"
    assert tiny_imagenet.sample(1, label=label, seed=0).labels.tolist() == [0]


def test_the_example_of_the_design(tiny_imagenet):
    images = tiny_imagenet.sample(64, label=3)
    assert images.shape == (64, 3, 64, 64)
    assert images.labels.unique().tolist() == [3]


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (200, "classes 0 to 199"),
        (-1, "classes 0 to 199"),
        ("goldfisch", "goldfish"),
        (1.5, "neither an index nor a name"),
        (True, "neither an index nor a name"),
        (np.True_, "neither an index nor a name"),
        (torch.tensor(True), "neither an index nor a name"),
        (torch.tensor(3.0), "neither an index nor a name"),
        (np.array([1.0, 2.0]), "neither an index nor a name"),
        (np.array([True, False]), "neither an index nor a name"),
        (np.int8(-1), "classes 0 to 199"),
        (np.uint8(200), "classes 0 to 199"),
        (np.array([1, 255], np.uint8), "label 255 is out of range"),
        ([1, 2, 3], "3 labels for 2 images"),
        (itertools.repeat(3), "more than 2 labels for 2 images"),
        ({1, 2}, "is a set"),
        ({1: "a", 2: "b"}, "is a dict"),
        (b"\x01\x02", "is a bytes"),
        (torch.zeros(2, dtype=torch.int64, device="meta"), "values cannot be read"),
        (torch.tensor([1, 2]).to_sparse(), "values cannot be read"),
        ([1, 999], "out of range"),
    ],
)
def test_wrong_labels_say_what_is_possible(tiny_imagenet, label, reason):
    with pytest.raises(LabelError, match=reason) as error:
        tiny_imagenet.sample(2, label=label)
    assert isinstance(error.value, ValueError)


def test_ambiguous_and_missing_labels(unconditional, conditional):
    with pytest.raises(LabelError, match="n02012849"):  # two classes of ImageNet are called crane
        labels.index(zoo.info("contragan/imagenet128"), "crane")
    with pytest.raises(LabelError, match="unconditional"):
        unconditional.sample(1, label=3)
    with pytest.raises(LabelError, match="give y"):
        conditional.generate(torch.randn(2, conditional.latent_dim))


@pytest.mark.parametrize(
    "arguments",
    [
        *({"n": -1}, {"n": 1.5}, {"n": 1, "seed": -3}, {"n": 1, "truncation": 0.0}, {"n": 1, "batch_size": 0}),
        *({"n": 1, "start": 10**30}, {"n": 1, "start": 2**63 - 1}, {"n": 1, "labels": np.array(["aligned"] * 2)}),
    ],
)
def test_bad_arguments_are_refused_before_any_work(unconditional, arguments):
    with pytest.raises(ZooError):
        unconditional.stream(**arguments)


def test_an_interpolation_that_fits_no_memory_is_refused(unconditional):
    with pytest.raises(ZooError, match="take fewer"):
        unconditional.interpolate(0, 1, 10**20)


def test_no_images_is_an_empty_batch(conditional):
    images = conditional.sample(0, seed=1)
    assert images.shape == (0, 3, 32, 32)
    assert images.labels.shape == (0,)


def test_generate_checks_and_keeps_the_range(unconditional):
    images = unconditional.generate(torch.randn(3, unconditional.latent_dim))
    assert images.shape == (3, 3, 32, 32)
    assert images.dtype == torch.float32
    assert -1 <= images.min() < 0 < images.max() <= 1
    with pytest.raises(ZooError, match="latents"):
        unconditional.generate(torch.randn(3, 7))
    sigmoid = zoo.load("dcgan/cifar10", weights="random")  # trained on [0, 1]
    assert sigmoid.generate(torch.randn(2, 128)).min() < 0


def test_interpolation_goes_from_one_seed_to_the_other(conditional):
    strip = conditional.interpolate(3, 4, steps=5, label=7)
    ends = [conditional.sample(1, label=7, seed=seed) for seed in (3, 4)]
    assert (strip.uint8[0].int() - ends[0].uint8[0].int()).abs().max() <= 1
    assert (strip.uint8[-1].int() - ends[1].uint8[0].int()).abs().max() <= 1
    assert strip.grid().width > 5 * 32
    with pytest.raises(ZooError, match="steps"):
        conditional.interpolate(0, 1, steps=1)


def test_great_circle_keeps_the_length():
    from zoo.sampling.latents import great_circle

    a, b = torch.randn(1, 64), torch.randn(1, 64)
    b = b / b.norm() * a.norm()
    points = great_circle(a, b, torch.linspace(0, 1, 9)[:, None])
    assert torch.allclose(points.norm(dim=1), a.norm().expand(9), rtol=1e-5)
    assert torch.allclose(points[[0, -1]], torch.cat((a, b)), atol=1e-5)
    assert torch.allclose(great_circle(a, a, torch.tensor([[0.5]])), a)


@pytest.mark.parametrize("name", ["contragan/digits", "infomax-gan/digits"])
def test_fused_plain_and_low_precision_agree(name):
    fused, plain = zoo.load(name), zoo.load(name, fuse=False)
    z = fused.latents(16, seed=0)
    y = list(range(10)) + [0] * 6 if fused.num_classes else None
    exact = plain.generate(z, y)
    assert (fused.generate(z, y) - exact).abs().max() < 2e-5
    coarse = zoo.load(name, dtype="bfloat16").generate(z, y)
    assert coarse.dtype == torch.float32
    assert (coarse - exact).abs().mean() < 0.05
    with pytest.raises(ZooError, match="float32"):
        zoo.load(name, dtype="int8")
    with pytest.raises(ZooError, match="cannot be used"):
        zoo.load(name, device="warp-drive")


def test_loading_leaves_the_random_state_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    zoo.load("contragan/digits").sample(2)
    assert torch.equal(torch.get_rng_state(), before)


def test_models_without_weights_say_what_to_do():
    with pytest.raises(WeightsUnavailableError, match="no trained weights yet; train it"):
        zoo.load("ssgan-infomax/cifar10")
    with pytest.raises(WeightsUnavailableError, match='no weights tagged "gold"; it has mimicry, mimicry-repro'):
        zoo.load("infomax-gan/cifar10@gold")
    with pytest.raises(WeightsUnavailableError) as error:
        zoo.load("infomax-gan/cifar10")
    for part in ("drive.google.com", "zoo import infomax-gan/cifar10@mimicry", "@mimicry-repro"):
        assert part in str(error.value)
    assert isinstance(error.value, FileNotFoundError)


def test_studiogan_weights_are_sampled_with_settled_spectral_norm(tmp_path, monkeypatch):
    """Averaged vectors are no singular vectors; StudioGAN iterates while it samples, and so arrives at the same."""
    from zoo.checkpoints import weights
    from zoo.schema import registry

    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    config = registry.config("contragan/cifar10")
    generator = nets.build_generator(config.generator)
    for module in generator.modules():
        if isinstance(module, nets.SpectralNorm):
            module.u.mul_(0.5)
    files.save(weights.cached_path(config, "studiogan"), generator.state_dict())
    loaded = zoo.load("contragan/cifar10").generator
    assert loaded.input.u.norm() == pytest.approx(1, abs=1e-5)


def test_a_model_is_prepared_when_it_is_first_used_and_the_same_wherever_that_is():
    expected = zoo.load("contragan/digits", device="cpu").sample(4, seed=0).uint8
    model = zoo.load("contragan/digits", device="cpu")
    assert model._made is None, "loading maps the file and no more"
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        model.generator, model._renderer.network, model._renderer._alone  # noqa: B018
    assert torch.equal(model.sample(4, seed=0).uint8, expected)
    z = model.latents(2, seed=0).requires_grad_()
    model.generator(z, torch.tensor([0, 1])).sum().backward()
    assert z.grad.abs().sum() > 0
