"""Fused and plain generators are the same function, for every architecture and both published shapes that are large."""

import pytest
import torch
from narrow import distinct, tiny

from zoo import nets
from zoo.inference import fuse, fused_layers
from zoo.schema import registry

FULL_SIZE = ["contragan/tiny-imagenet", "sngan/celeba128"]


def trained_looking(spec) -> torch.nn.Module:
    """An untrained generator whose norms, biases and attention all do something."""
    generator = nets.build_generator(spec)
    with torch.no_grad():
        for p in generator.parameters():
            if p.ndim == 0:
                p.fill_(0.7)
            elif p.ndim == 1:
                p.add_(0.1 * torch.randn_like(p))
        if spec.architecture == "dcgan" and spec.init == "normal":  # narrow layers would hardly pass anything on
            for p in (p for p in generator.parameters() if p.ndim > 1):
                p.mul_(4)
        generator.output.weight.mul_(0.2)  # keeps tanh away from its ends
        for name, b in generator.named_buffers():
            if name.endswith("running_mean"):
                b.normal_(0, 0.3)
            elif name.endswith("running_var"):
                b.uniform_(0.7, 1.5)
    return generator.eval()


def difference(spec, n: int, form="any") -> float:
    return difference_of(trained_looking(spec), spec, n, form)


def difference_of(generator: torch.nn.Module, spec, n: int, form: str) -> float:
    fused = fuse.fuse(generator, form).to(memory_format=torch.channels_last)
    z = torch.randn(n, spec.latent_dim)
    y = (torch.randint(spec.num_classes, (n,)),) if spec.num_classes else ()
    with torch.inference_mode():
        plain = generator(z, *y)
        assert plain.std() > 0.01, "a flat image would hide everything"
        assert (plain.abs() > 0.999).float().mean() < 0.5, "a saturated image would hide everything"
        return (fused(z, *y) - plain).abs().max().item()


@pytest.fixture(scope="module", params=FULL_SIZE)
def full_size(request):
    """(generator, its spec): at full width it takes seconds to build."""
    torch.manual_seed(0)
    spec = registry.config(request.param).generator
    return trained_looking(spec), spec


@pytest.mark.parametrize("form", ["any", "few", "many"])
def test_published_shapes(full_size, form):
    torch.manual_seed(0)
    assert difference_of(*full_size, 1, form) < 2e-5


@pytest.mark.parametrize("name", distinct(lambda config: config.generator))
def test_every_architecture(name):
    torch.manual_seed(0)
    assert difference(tiny(registry.config(name)).generator, 3) < 1e-5


@pytest.mark.parametrize(
    "name", ["biggan/cifar10", "contragan/tiny-imagenet", "sngan/stl10", "cgan-pd/cifar10", "dcgan/cifar10"]
)
@pytest.mark.parametrize(("winograd_size", "form"), [(32, "many"), (0, "many"), (8, "many"), (0, "few")])
def test_every_kind_of_block_in_every_form(name, winograd_size, form, monkeypatch):
    monkeypatch.setattr(fused_layers, "WINOGRAD_CHANNELS", 0)
    monkeypatch.setattr(fused_layers, "WINOGRAD_SIZE", winograd_size)  # in larger maps: along H alone
    monkeypatch.setattr(fused_layers, "ROW_CHANNELS", {"few": 0, "many": 0})
    torch.manual_seed(0)
    assert difference(tiny(registry.config(name)).generator, 3, form) < 2e-5


def test_upsampling_then_convolving_is_one_transposed_convolution():
    conv = torch.nn.Conv2d(3, 5, 3, padding=1).double()
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64)
    expected = conv(torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest"))
    for form in (fused_layers.up_conv, fused_layers.PhaseConv):
        fused = form(conv.weight.detach(), conv.bias.detach()).double()
        assert torch.allclose(fused(x), expected, atol=1e-12)


def test_the_generator_is_left_as_it_was():
    generator = nets.build_generator(tiny(registry.config("contragan/cifar10")).generator).eval()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    fuse.fuse(generator)
    assert all(torch.equal(before[name], tensor) for name, tensor in generator.state_dict().items())
    with pytest.raises(TypeError, match="fuse=False"):
        fuse.fuse(torch.nn.Linear(2, 2))


def test_large_maps_are_computed_a_few_images_at_a_time(monkeypatch):
    """What is cut into pieces of two and one images is the same function, with its labels and latents."""
    monkeypatch.setattr(fuse, "images_at_once", lambda channels, size: {8: 99, 16: 2, 32: 1}.get(size, 1))
    torch.manual_seed(0)
    for name in ("biggan/cifar10", "contragan/tiny-imagenet", "sngan/celeba64", "cgan-pd/cifar10"):
        assert difference(tiny(registry.config(name)).generator, 5, "many") < 2e-5
