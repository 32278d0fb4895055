"""A config says everything, once, and a wrong one is refused with the file, the field and the reason."""

import json

import pytest

from zoo.common.errors import ConfigError
from zoo.schema import registry
from zoo.schema.config import ModelConfig

NAMES = registry.names()


@pytest.fixture
def config():
    return registry.config("contragan/cifar10")


@pytest.mark.parametrize("name", NAMES)
def test_every_config_reads_back_and_has_a_paper_variant(name):
    config = registry.config(name)
    assert ModelConfig.from_dict(json.loads(config.to_json())) == config
    assert config.as_paper().name == name


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"generator.chanels": 1}, "generator.chanels", "unknown key; did you mean channels?"),
        ({"training.optimiser": 1}, "training.optimiser", "unknown key; did you mean optimizer?"),
        ({"training.optimizer.beta_1": 1}, "training.optimizer.beta_1", "unknown key; did you mean beta1?"),
        ({"discriminator.head.typ": 1}, "discriminator.head.typ", "unknown key; did you mean type?"),
        ({"training.colour": 1}, "training.colour", "unknown key; remove it or correct its spelling"),
        ({"function-after": 1}, "", "unknown key"),
        ({"training.auxiliary": [{"type": "infomax", "gamma": 1}]}, "training.auxiliary.0.gamma", "unknown key"),
        ({"generator.latent_dim": "many"}, "generator.latent_dim", "'many'"),
        ({"training.steps": 0}, "training.steps", "greater than 0"),
        ({"training.optimizer.beta1": 1.5}, "training.optimizer.beta1", "less than 1"),
        ({"generator.architecture": "stylegan"}, "generator", "'stylegan'"),
        ({"generator.resolution": 48}, "generator", "reach 32"),
        ({"generator.channels": [64, 64]}, "generator", "reach 8"),
        ({"generator.latent_dim": 81}, "generator", "equal chunks"),
        ({"generator.num_classes": 0}, "generator", "num_classes"),
        ({"generator.attention_after": [9]}, "generator", "block 9"),
        ({"discriminator.num_classes": 0}, "discriminator", "num_classes above zero"),
        ({"discriminator.num_classes": 7}, "", "10 classes, discriminator 7"),
        ({"discriminator.downsample_blocks": 9}, "discriminator", "there are 4 blocks"),
        ({"discriminator.infomax": {"local_after": 4}}, "discriminator", "before the last"),
        ({"data.resolution": 64}, "", "disagree on the resolution: 32, 32 and 64"),
        ({"data.class_names": ["a", "b"]}, "", "has 2 names"),
        ({"generator.output": "sigmoid"}, "", "does not fit data.range"),
        ({"training.conditioning": {"type": "classifier"}}, "", "needs a classifier discriminator head"),
        ({"training.auxiliary": [{"type": "rotation"}]}, "", "needs discriminator.rotation_head"),
        ({"default_tag": "gold"}, "", '"gold" is not among the tags'),
        ({"weights.0.upstream.google_drive_file": "x"}, "weights.0.upstream", "exactly one of"),
        ({"name": "../../etc/passwd"}, "name", "pattern"),
    ],
)
def test_refusals_name_the_field_and_the_reason(config, tmp_path, changes, field, reason):
    with pytest.raises(ConfigError) as error:
        config.updated(changes)
    assert field in str(error.value)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_is_named_in_its_errors(config, tmp_path):
    path = tmp_path / "mine.json"
    for text, reason in (
        ("{", "line 1: not valid JSON"),
        (json.dumps(config.to_dict() | {"colour": 1}), "colour: unknown key"),
        ("[]", "dictionary"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"mine\.json") as error:
            ModelConfig.from_file(path)
        assert reason in str(error.value)
    with pytest.raises(ConfigError, match=r"missing\.json"):
        ModelConfig.from_file(tmp_path / "missing.json")


def test_all_problems_are_shown_together(config):
    with pytest.raises(ConfigError) as error:
        config.updated({"training.steps": -1, "generator.colour": 1})
    assert "training.steps" in str(error.value)
    assert "generator.colour" in str(error.value)


def test_updated_changes_one_field_and_leaves_the_original(config):
    changed = config.updated({"training.optimizer.beta1": 0.25})
    assert changed.training.optimizer.beta1 == 0.25
    assert config.training.optimizer.beta1 == 0.5
    with pytest.raises(ConfigError, match="no field"):
        config.updated({"training.steps.x": 1})


def test_the_paper_variant_of_contragan_has_the_papers_loss(config):
    assert not config.training.conditioning.self_in_numerator
    assert config.as_paper().training.conditioning.self_in_numerator  # Eq. 8 as printed
    assert config.as_paper().training.steps == 80_000  # appendix C


def test_feature_maps_of_odd_sides():
    """28, 14, 7 and 4 pixels: a transposed 3x3 convolution can end a pixel short, a 4x4 one cannot."""
    config = registry.config("dcgan/stacked-mnist")
    assert config.generator.resolution == 28
    with pytest.raises(ConfigError, match="upsampling blocks from 4 pixels reach 32"):
        config.updated({"generator.kernel_size": 4})
    with pytest.raises(ConfigError, match="upsampling blocks from 3 pixels reach 24"):
        config.updated({"generator.bottom_width": 3})
    with pytest.raises(ConfigError, match="cannot be halved 3 times"):
        registry.config("contragan-sndcgan/cifar10").updated({"discriminator.resolution": 28})
    with pytest.raises(ConfigError, match="input_norm does not support classes"):
        registry.config("contragan-sndcgan/cifar10").updated({"generator.input_norm": True})
