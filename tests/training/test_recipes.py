"""Every recipe of the registry trains; widths, the papers' settings and the tables of training/README.md."""

import json
from pathlib import Path

import pytest
import torch
from narrow import tiny

from training import engine, paper_settings, table
from zoo.common.errors import ConfigError
from zoo.schema import registry
from zoo.schema.config import ModelConfig

PUBLISHED = Path(__file__).parents[1] / "published"


def facts(name: str) -> dict:
    return json.loads((PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))


# ---------------------------------------------------------------------------------------------------- every recipe


def parameters(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def changed(before: dict[str, torch.Tensor], network: torch.nn.Module) -> bool:
    return any(not torch.equal(before[name], parameter) for name, parameter in network.named_parameters())


def iterate(run: engine.Engine, step: int, draw: torch.Generator) -> dict[str, torch.Tensor]:
    """One iteration on random images; each network moves in its own turn, and only there."""
    config, generator, discriminator = run.config, run.networks.generator, run.networks.discriminator
    side, classes = config.data.resolution, config.num_classes
    n = 4 if side < 128 else 2

    def labels() -> torch.Tensor | None:
        return torch.randint(classes, (n,), generator=draw) if classes else None

    def latents() -> torch.Tensor:
        return torch.randn(n, config.generator.latent_dim, generator=draw)

    logged = {}
    for _ in range(config.training.discriminator_steps):
        g, d, norms = parameters(generator), parameters(discriminator), running_means(generator)
        real = torch.rand(n, config.generator.image_channels, side, side, generator=draw) * 2 - 1
        logged |= run.discriminator_step(real, labels(), latents(), labels())
        assert changed(d, discriminator)
        assert not changed(g, generator)
        moved = any(not torch.equal(a, b) for a, b in zip(norms, running_means(generator), strict=True))
        assert moved == config.training.track_statistics_in_discriminator_step
    g, d = parameters(generator), parameters(discriminator)
    logged |= run.generator_step(latents(), labels(), step)
    assert changed(g, generator)
    assert not changed(d, discriminator)
    return logged


def running_means(network: torch.nn.Module) -> list[torch.Tensor]:
    return [buffer.clone() for name, buffer in network.named_buffers() if name.endswith("running_mean")]


def expected_log(config: ModelConfig) -> set[str]:
    """The names under which a config's losses appear in the log."""
    training = config.training
    both = {"adversarial", *(loss.type for loss in training.auxiliary)}
    both |= {training.conditioning.type} - {"none", "projection"}
    silent = {"weight-clipping", "diff-augment", "augmented-positives"}
    own = {"adaptive-augment": "augment-p"}  # it logs its probability instead of a loss
    regularizers = {own.get(regularizer.type, regularizer.type) for regularizer in training.regularizers} - silent
    names = {f"{letter}/{name}" for letter in "dg" for name in both} | {f"d/{name}" for name in regularizers}
    if "improved-consistency" in regularizers:
        names.add("g/improved-consistency")
    return {name.replace("-", "_") for name in names} | {"d/real", "d/fake"}


@pytest.mark.parametrize("name", registry.names())
def test_every_recipe_takes_two_iterations(name):
    torch.manual_seed(0)
    config = tiny(registry.config(name))
    run, draw = engine.Engine(config, engine.Networks.build(config)), torch.Generator().manual_seed(0)
    for step in range(2):
        logged = iterate(run, step, draw)
        assert all(value.isfinite() for value in logged.values())
        assert logged.keys() == expected_log(config)
    if clipping := next((x for x in config.training.regularizers if x.type == "weight-clipping"), None):
        assert all(p.abs().max() <= clipping.bound for p in run.networks.discriminator.parameters())
    if config.training.ema and config.training.ema.start > 2:  # until then the average is a copy
        assert not changed(parameters(run.networks.ema.module), run.networks.generator)


PAPER = {  # one model of each kind of difference
    "infomax-gan/celeba128",
    "ssgan-infomax/cifar10",
    "contragan/cifar10",
    "contragan/imagenet128",
    "contragan-cr/tiny-imagenet",
    "ssgan/cifar10",
    "contragan-aps-b256/tiny-imagenet",
    "contragan-sndcgan/cifar10",
    "reacgan/cifar10",
    "dcgan/cifar10",
    "sngan-pd/cifar10",
}


@pytest.mark.parametrize("name", sorted(PAPER))
def test_papers_variants_train_too(name):
    torch.manual_seed(0)
    config = tiny(registry.config(name).as_paper())
    logged = iterate(engine.Engine(config, engine.Networks.build(config)), 0, torch.Generator().manual_seed(0))
    assert all(value.isfinite() for value in logged.values())


def test_all_kinds_of_differences_are_tried():
    fields = {field for name in registry.names() for field in registry.config(name).training.as_paper}
    assert fields - {field for name in PAPER for field in registry.config(name).training.as_paper} <= {
        "training.batch_size",
    }


# ------------------------------------------------------------------------------------------------ widths, settings


@pytest.mark.parametrize("width", [8, 32])
@pytest.mark.parametrize("name", registry.names())
def test_a_width_keeps_the_shape_of_a_network(name, width):
    config = registry.config(name)
    narrow = config.at_width(width)
    for part in ("generator", "discriminator"):
        before, after = getattr(config, part), getattr(narrow, part)
        assert min(after.channels) == width
        ratios = [a / b for a, b in zip(after.channels, before.channels, strict=True)]
        exact = width / min(before.channels)
        assert all(c % 8 == 0 for c in after.channels)
        assert all(abs(r - exact) * c <= 4 for r, c in zip(ratios, before.channels, strict=True))
        assert after.model_copy(update={"channels": before.channels}) == before
    assert narrow.training == config.training


@pytest.mark.parametrize("width", [0, 4, 20])
def test_other_widths_are_refused(width):
    with pytest.raises(ConfigError, match="multiple of 8"):
        registry.config("sngan/cifar10").at_width(width)


def test_settings_of_the_papers():
    infomax, contragan = facts("infomax_gan_paper"), facts("contragan_paper")
    for letter, row in contragan["table_A9"]["settings"].items():
        training = registry.config("contragan/cifar10").updated(paper_settings.CONTRAGAN[letter]).training
        adam = training.optimizer
        rates = (adam.discriminator_lr, adam.generator_lr, adam.beta1, adam.beta2)
        assert (*rates, training.discriminator_steps) == tuple(
            row[k] for k in ("lr_D", "lr_G", "beta1", "beta2", "n_dis")
        )
    assert paper_settings.CONTRAGAN.keys() == contragan["table_A9"]["settings"].keys()

    config = registry.config("infomax-gan/cifar10")
    varied = {p.value: config.updated(paper_settings.changes(config, p)) for p in config.published if p.settings}
    for row in infomax["table_3"]["rows"]:
        training = varied[row["CIFAR-10"]["InfoMax-GAN"]["mean"]].training
        found = (training.optimizer.beta1, training.optimizer.beta2, training.discriminator_steps)
        assert found == (row["beta1"], row["beta2"], row["n_dis"])
    for row in infomax["table_4"]["rows"]:
        assert varied[row["FID"]["mean"]].discriminator.infomax.projection_dim == row["R"]
    assert not varied[18.67].discriminator.infomax.spectral_norm
    ablation = varied[20.2]
    assert ablation.training.auxiliary[0].sampled_locations == 0.5  # "randomly sampling only half"
    assert ablation.discriminator.infomax.global_after == 4


@pytest.mark.parametrize("changes", [{}, {"discriminator.infomax.spectral_norm": False}])
def test_the_local_local_ablation_takes_a_step(changes):
    config = registry.config("infomax-gan/cifar10")
    score = next(p for p in config.published if p.settings.get("features") == "local-local")
    config = tiny(config).updated(paper_settings.changes(config, score) | changes | {"training.batch_size": 4})
    torch.manual_seed(0)
    run = engine.Engine(config, engine.Networks.build(config))
    shapes = []
    run.networks.discriminator.heads.critics.register_forward_hook(
        lambda *args: shapes.append([x.shape for x in args[2]])
    )
    real, z = torch.randn(4, 3, 32, 32), torch.randn(4, 128)
    logged = run.discriminator_step(real, None, z, None) | run.generator_step(z, None, 0)
    assert shapes == [[(4, 16, 8, 8)] * 2] * 2
    assert all(value.isfinite() for value in logged.values())
    assert any(n.endswith("local_critic.output.u") for n in run.networks.discriminator.state_dict()) == (not changes)


def test_the_tables_in_the_readme_are_those_of_the_configs():
    text = table.README.read_text(encoding="utf-8")
    assert text.count(table.render()) == 1, "run: python -m training.table --write"
