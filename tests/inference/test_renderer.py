"""A few images are computed as they are, by all threads; more in chunks, whose bits depend on nothing else."""

import pytest
import torch
from narrow import tiny

import zoo
from zoo import Images
from zoo.inference.renderer import FEW, Renderer, multiplications
from zoo.schema import registry

ARCHITECTURES = ("sngan/celeba64", "biggan/tiny-imagenet", "dcgan/cifar10", "infomax-gan/digits")


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request):
    if request.param == "infomax-gan/digits":
        return zoo.load(request.param, device="cpu")
    torch.manual_seed(0)
    config = tiny(registry.config(request.param))
    return zoo.GAN(config, zoo.nets.build_generator(config.generator), device="cpu")


def test_a_few_images_are_those_of_many_within_a_step(model, threads, monkeypatch):
    """Within 1/255, in less than one of a thousand values; with `exact` to the bit, on any number of threads."""
    monkeypatch.setattr("zoo.inference.renderer.processors", lambda: 16)
    threads(1)
    many = model.sample(FEW + 6, seed=3, start=5).uint8
    for count in (1, 2, 3):
        threads(count)
        for shared in (0, 1e18):
            monkeypatch.setattr("zoo.inference.renderer._SHARED", shared)
            for n in (1, 2, 5, 13):
                few = model.sample(n, seed=3, start=5).uint8
                apart = (few.int() - many[:n].int()).abs()
                assert apart.max() <= 1
                assert apart.count_nonzero() <= max(2, few.numel() / 1000)
            assert torch.equal(model.sample(13, seed=3, start=5, exact=True).uint8, many[:13])
        assert torch.equal(model.sample(FEW + 6, seed=3, start=5).uint8, many)


def test_the_same_few_images_however_they_are_streamed(model, threads):
    threads(2)
    for n in (3, 19, 40):
        whole = model.sample(n, seed=1)
        for batch_size in (1, 7, 64):
            parts = list(model.stream(n, seed=1, batch_size=batch_size))
            assert torch.equal(Images.cat(parts).uint8, whole.uint8)
            assert max(map(len, parts)) <= batch_size
    z, y = model.latents(5, seed=1), list(range(5)) if model.num_classes else None
    exact = model.generate(z, y)
    assert torch.allclose(model.generate(z, y, exact=False), exact, atol=2e-5)
    assert torch.equal(model.generate(z[:2], None if y is None else y[:2]), exact[:2])
    assert model.generate(z[:0], None if y is None else y[:0]).shape == (0, 3, model.resolution, model.resolution)


@pytest.mark.parametrize(
    ("count", "n", "start", "few"),
    [
        (1, 8, 0, 8),  # as with two threads, so that the bits are the same
        (1, 9, 0, 0),  # two chunks take no longer
        (1, 20, 0, 4),
        (2, 8, 3, 8),
        (2, 9, 0, 0),
        (2, 20, 0, 4),
        (2, 20, 6, 0),
        (2, 28, 0, 0),
        (16, 64, 0, 64),
        (16, 65, 0, 0),
        (2, 0, 0, 0),
    ],
)
def test_how_many_are_few(count, n, start, few, threads, monkeypatch):
    monkeypatch.setattr("zoo.inference.renderer.processors", lambda: 16)
    threads(count)
    spec = registry.config("contragan/digits").generator
    renderer = Renderer(torch.nn.Identity(), spec, torch.device("cpu"), torch.float32, True, 8)
    assert renderer.few(n, start) == few


def test_more_threads_than_processors_divide_images_no_further(threads, monkeypatch):
    monkeypatch.setattr("zoo.inference.renderer.processors", lambda: 2)
    model = zoo.load("contragan/digits", device="cpu")
    threads(2)
    wanted = [model.sample(n, seed=0).uint8 for n in (2, 5)]
    threads(8)
    assert all(torch.equal(model.sample(len(few), seed=0).uint8, few) for few in wanted)


def test_the_multiplications_of_the_papers_networks():
    """Counted by hand: 9 taps, sides 8, 16 and 32, 256 to 256 channels and twice for each block."""
    assert multiplications(zoo.info("sngan/cifar10").generator) == 9 * (64 + 256 + 1024) * 2 * 256 * 256
    assert multiplications(zoo.info("sngan/celeba128").generator) == pytest.approx(8.46e9, rel=1e-3)
