"""One contract for every model of the registry, at tiny width."""

import pytest
import torch
from narrow import distinct, tiny

from zoo import nets
from zoo.common.errors import ConfigError
from zoo.schema import registry


def _labels(spec, n):
    return (torch.arange(n) % spec.num_classes,) if spec.num_classes else ()


@pytest.mark.parametrize("name", distinct(lambda config: (config.generator, config.discriminator)))
def test_networks_build_run_and_learn_everywhere(name):
    torch.manual_seed(0)
    config = tiny(registry.config(name))
    generator = nets.build_generator(config.generator)
    discriminator = nets.build_discriminator(config.discriminator)
    for network in (generator, discriminator):
        for module in network.modules():
            if hasattr(module, "gain") and isinstance(module.gain, torch.nn.Parameter):
                torch.nn.init.constant_(module.gain, 0.5)  # attention starts at 0, which passes nothing on
    g, d = config.generator, config.discriminator
    z = torch.randn(2, g.latent_dim)
    images = generator(z, *_labels(g, 2))
    assert images.shape == (2, g.image_channels, g.resolution, g.resolution)
    low = -1 if g.output == "tanh" else 0
    assert low <= images.min() < images.max() <= 1
    out = discriminator(images, *_labels(d, 2))
    assert out.logits.shape == (2,)
    total = out.logits.sum()
    for part in (out.class_logits, out.embedding, out.proxy, out.rotation_logits):
        if part is not None:
            total = total + (part * torch.randn_like(part)).sum()
    if discriminator.heads.critics:
        local, global_ = discriminator.heads.critics(out)
        assert local.shape[1] == global_.shape[1] == d.infomax.projection_dim
        total = total + (local.sum(dim=(2, 3)) * global_).sum()
    total.backward()
    for network in (generator, discriminator):
        dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
        assert not dead, "parameters without a finite gradient"


@pytest.mark.parametrize("name", ["infomax-gan/cifar10", "contragan/tiny-imagenet", "contragan-sndcgan/cifar10"])
def test_state_dicts_round_trip_and_modes_matter(name):
    torch.manual_seed(0)
    config = tiny(registry.config(name))
    first, second = (nets.build_generator(config.generator) for _ in range(2))
    z = torch.randn(3, config.generator.latent_dim)
    labels = _labels(config.generator, 3)
    first(z, *labels)  # moves the running statistics
    second.load_state_dict(first.state_dict(), strict=True)
    with torch.no_grad():
        a, b = first.eval()(z, *labels), second.eval()(z, *labels)
        alone = first(z[1:], *(y[1:] for y in labels))
    assert torch.equal(a, b)
    assert torch.allclose(a[1:], alone, atol=1e-5), "eval mode looks at each image alone"


def test_conditional_networks_ask_for_labels():
    config = tiny(registry.config("contragan/cifar10"))
    with pytest.raises(ValueError, match="labels y"):
        nets.build_generator(config.generator)(torch.randn(2, 80))
    with pytest.raises(ValueError, match="labels y"):
        nets.build_discriminator(config.discriminator)(torch.randn(2, 3, 32, 32))


def test_the_nonlinear_projection_has_a_hidden_layer():
    """ContraGAN appendix D compares linear and nonlinear projections of the image embedding."""
    config = tiny(registry.config("contragan/cifar10")).updated({"discriminator.head.projection": "nonlinear"})
    discriminator = nets.build_discriminator(config.discriminator)
    out = discriminator(torch.randn(2, 3, 32, 32), torch.tensor([0, 1]))
    assert torch.allclose(out.embedding.norm(dim=1), torch.ones(2), atol=1e-6)
    assert "heads.projector.0.weight" in discriminator.state_dict()


def test_spectral_norm_bounds_the_largest_singular_value():
    layer = nets.layers.Layers(True, 1e-12).conv(6, 10, 3)
    layer.power_iterate(200)
    weight = layer.eval().normalized_weight().flatten(1)
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "millions"),
    [  # generator parameters as their authors' logs and layouts count them
        ("infomax-gan/cifar10", 4.276739),
        ("infomax-gan/celeba128", 32.150787),
        ("contragan/cifar10", 9.416196),
        ("contragan/tiny-imagenet", 17.335204),
        ("biggan/imagenet128", 70.433988),
        ("dcgan-deepconv/cifar10", 3.812355),
    ],
)
def test_parameter_counts_are_the_published_ones(name, millions):
    generator = nets.build_generator(registry.config(name).generator, device="meta")
    assert sum(p.numel() for p in generator.parameters()) == round(millions * 1e6)


def test_wgan_gp_leaves_shortcuts_to_pytorch():
    """Xavier's bound for 3x3 convolutions has gain sqrt(2); PyTorch's is 1 / sqrt(fan in)."""
    torch.manual_seed(0)
    config = registry.config("wgan-gp/cifar10").at_width(64)
    generator, discriminator = nets.build_generator(config.generator), nets.build_discriminator(config.discriminator)

    def bound(layer) -> float:
        return layer.weight.abs().max().item()

    for block in (generator.blocks[0], discriminator.blocks[1]):
        assert bound(block.conv1) == pytest.approx((2 * 6 / (9 * 128)) ** 0.5, rel=0.01)
        assert bound(block.shortcut) == pytest.approx(1 / 64**0.5, rel=0.01)
    assert bound(generator.output) == pytest.approx(1 / (9 * 64) ** 0.5, rel=0.02)
    plain = nets.build_generator(registry.config("sngan/cifar10").at_width(64).generator)
    assert bound(plain.blocks[0].shortcut) == pytest.approx((6 / 128) ** 0.5, rel=0.01)


def test_a_network_is_built_from_its_own_spec():
    config = registry.config("contragan/digits")
    for wrong in ("contragan/digits", None, config, config.discriminator):
        with pytest.raises(ConfigError, match=r"; give config.generator$"):
            nets.build_generator(wrong)
    for wrong in (config, config.generator):
        with pytest.raises(ConfigError, match=r"; give config.discriminator$"):
            nets.build_discriminator(wrong)
