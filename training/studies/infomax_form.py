"""Which form of the InfoMax loss a config has: the paper's equation, or that of the released code."""

from __future__ import annotations

from zoo.schema.config import ModelConfig
from zoo.schema.recipe import InfoMax

_NEGATIVES = {
    "all": "InfoMax-GAN Eq. 4: all negatives",
    "other-images": "the released code's form of InfoMax-GAN Eq. 4: negatives of other images alone",
}
EQUATION_4 = f"{_NEGATIVES['all']}, local features unrectified"
RELEASED = f"{_NEGATIVES['other-images']}, local features rectified"


def infomax_of(config: ModelConfig) -> InfoMax:
    """Return the InfoMax part of a config that has one."""
    return next(part for part in config.training.auxiliary if isinstance(part, InfoMax))


def infomax_form(config: ModelConfig) -> str:
    """Name the form; empty for a config without the loss."""
    part = next((part for part in config.training.auxiliary if isinstance(part, InfoMax)), None)
    critics = config.discriminator.infomax
    if part is None or critics is None:
        return ""
    features = ""
    if config.discriminator.architecture == "resnet":  # others have an activation at the end of each block
        features = f", local features {'rectified' if critics.rectify_local else 'unrectified'}"
    return _NEGATIVES[part.negatives] + features
