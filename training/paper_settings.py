"""The settings that the two papers vary, as changes of a config's recipe."""

from __future__ import annotations

from typing import Any

from zoo.schema.config import ModelConfig
from zoo.schema.entries import Published

# Table A9 of ContraGAN: learning rates, Adam's betas and n_dis. A to E are for CIFAR-10, F for Tiny ImageNet.
CONTRAGAN = {
    letter: {
        "training.optimizer.discriminator_lr": discriminator_lr,
        "training.optimizer.generator_lr": generator_lr,
        "training.optimizer.beta1": beta1,
        "training.optimizer.beta2": beta2,
        "training.discriminator_steps": n_dis,
    }
    for letter, (discriminator_lr, generator_lr, beta1, beta2, n_dis) in {
        "A": (0.0001, 0.0001, 0.5, 0.999, 2),
        "B": (0.0001, 0.0001, 0.5, 0.999, 1),
        "C": (0.0002, 0.0002, 0.5, 0.999, 1),
        "D": (0.0002, 0.0002, 0.5, 0.999, 2),
        "E": (0.0002, 0.0002, 0.5, 0.999, 5),
        "F": (0.0004, 0.0001, 0.0, 0.999, 1),
    }.items()
}

_FIELDS = {  # InfoMax-GAN: Table 3, Table 4, appendix A.5
    "beta1": "training.optimizer.beta1",
    "beta2": "training.optimizer.beta2",
    "discriminator_steps": "training.discriminator_steps",
    "projection_dim": "discriminator.infomax.projection_dim",
    "critic_spectral_norm": "discriminator.infomax.spectral_norm",
}
_NOT_OF_THE_RECIPE = ("implementation", "reported_by", "remeasured_by", "truncation")


def changes(config: ModelConfig, score: Published) -> dict[str, Any]:
    """Return the changes that turn a config into the recipe that a published score was measured with.

    Empty where the score says nothing about the recipe.
    """
    changes = {}
    for setting, value in score.settings.items():
        if setting == "features":
            changes |= _local_local(config) if value == "local-local" else {}
        elif setting not in _NOT_OF_THE_RECIPE:
            changes[_FIELDS[setting]] = value
    return changes


def _local_local(config: ModelConfig) -> dict[str, Any]:
    """Appendix A.5: two feature maps in place of one and a vector, and half of the locations of each, at random.

    The paper does not name the second map; the last block's is used here, whose pooled form is the global vector.
    """
    return {
        "discriminator.infomax.global_after": config.discriminator.num_blocks,
        "training.auxiliary.0.sampled_locations": 0.5,
    }


def as_options(changes: dict[str, Any]) -> str:
    """Format changes as command line options: "--set training.optimizer.beta1=0.5 ..."."""
    return " ".join(f"--set {field}={str(value).lower()}" for field, value in changes.items())
