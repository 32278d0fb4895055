"""A training objective, composed from a config: a list of terms, each of which knows its weight.

A term sees batches (`Batch`) and returns its part of the discriminator's or the generator's loss, or None. The
engine adds up the parts and logs each by name.
"""

from __future__ import annotations

from zoo.common.errors import ConfigError
from zoo.schema.config import ModelConfig

from . import plugins
from .auxiliary import InfoMax, Rotation
from .conditioning import D2DCE, Adversarial, Classifier, Contrastive, ProxyNCA, Triplet, XTXent
from .plugins import load_plugin, register
from .regularizers import Consistency, DiffAugment, Dragan, GradientPenalty, ImprovedConsistency, WeightClipping
from .small_data import AdaptiveAugment, FreezeD
from .term import Batch, GeneratedBatch, Term

__all__ = [
    "D2DCE",
    "AdaptiveAugment",
    "Adversarial",
    "Batch",
    "Classifier",
    "Consistency",
    "Contrastive",
    "DiffAugment",
    "Dragan",
    "FreezeD",
    "GeneratedBatch",
    "GradientPenalty",
    "ImprovedConsistency",
    "InfoMax",
    "ProxyNCA",
    "Rotation",
    "Term",
    "Triplet",
    "WeightClipping",
    "XTXent",
    "build",
    "load_plugin",
    "register",
]


def build(config: ModelConfig) -> list[Term]:
    """Build the terms of a config's objective.

    Raises:
        ConfigError: a custom term is not registered or refuses its arguments, or two terms share a name.
    """
    training = config.training
    positives = next((part for part in training.regularizers if part.type == "augmented-positives"), None)
    parts = (training.conditioning, *training.auxiliary, *training.regularizers)
    made = (term for part in parts for term in _terms_of(part, positives, config))
    terms = [Adversarial(training.adversarial), *made]
    names = [term.name for term in terms]
    if len(set(names)) < len(names):
        raise ConfigError(f"two terms of {config.name} share a name ({', '.join(names)}); remove or rename one of them")
    return terms


def _terms_of(part, positives, config: ModelConfig) -> list[Term]:
    """Build the terms of one part of `training`: a conditioning, an auxiliary loss or a regulariser."""
    match part.type:
        case "none" | "projection" | "augmented-positives":  # positives belong to the 2C loss
            return []
        case "classifier":
            return [Classifier(part)]
        case "contrastive":
            return [Contrastive(part, positives)]
        case "d2d-ce":
            return [D2DCE(part)]
        case "xt-xent":
            return [XTXent(part)]
        case "triplet":
            return [Triplet(part)]
        case "proxy-nca":
            return [ProxyNCA(part)]
        case "infomax":
            return [InfoMax(part)]
        case "rotation":
            return [Rotation(part)]
        case "gradient-penalty":
            return [GradientPenalty(part.weight)]
        case "weight-clipping":
            return [WeightClipping(part.bound)]
        case "consistency":
            return [Consistency(part)]
        case "improved-consistency":
            return [ImprovedConsistency(part)]
        case "dragan":
            return [Dragan(part.weight)]
        case "diff-augment":
            return [DiffAugment(part.policy)]
        case "adaptive-augment":
            return [AdaptiveAugment(part, config.training.adversarial, config.data.range)]
        case "freeze-d":
            return [FreezeD(part.blocks)]
        case "custom":
            return [plugins.make(part.name, part.arguments)]
    raise AssertionError(f"no term is written for {part.type}")
