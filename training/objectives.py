"""A training objective, composed from a config: a list of terms, each of which knows its weight.

A term sees one batch (`Batch`) and returns its part of the discriminator's or the generator's loss, or None. The
engine adds up what it is given and logs every part by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.config import ModelConfig
from zoo.errors import ConfigError
from zoo.nets import DiscriminatorOutput

from . import augment, losses


@dataclass
class Batch:
    """One batch and what the discriminator said about it. The generator's turn has no real images."""

    discriminator: nn.Module
    fake: Tensor
    fake_labels: Tensor | None
    fake_out: DiscriminatorOutput
    real: Tensor | None = None
    real_labels: Tensor | None = None
    real_out: DiscriminatorOutput | None = None


class Term:
    """One part of the objective. A term that has nothing to say to a network returns None."""

    name: str

    def discriminator(self, batch: Batch) -> Tensor | None:
        return None

    def generator(self, batch: Batch) -> Tensor | None:
        return None

    def after_discriminator_step(self, discriminator: nn.Module) -> None:
        """For regularisers that act on the weights."""


class Adversarial(Term):
    name = "adversarial"

    def __init__(self, loss: str):
        self.discriminator_loss, self.generator_loss = losses.ADVERSARIAL[loss]

    def discriminator(self, batch: Batch) -> Tensor:
        return self.discriminator_loss(batch.real_out.logits, batch.fake_out.logits)

    def generator(self, batch: Batch) -> Tensor:
        return self.generator_loss(batch.fake_out.logits)


class Conditioning(Term):
    """A loss on (output, labels): of real images for the discriminator, of generated ones for the generator."""

    def __init__(self, name: str, weight: float, loss: Callable[[DiscriminatorOutput, Tensor], Tensor]):
        self.name, self.weight, self.loss = name, weight, loss

    def discriminator(self, batch: Batch) -> Tensor:
        return self.weight * self.loss(batch.real_out, batch.real_labels)

    def generator(self, batch: Batch) -> Tensor:
        return self.weight * self.loss(batch.fake_out, batch.fake_labels)


class InfoMax(Term):
    """InfoMax-GAN Eq. 6 and 7: real images train the discriminator, generated ones the generator."""

    name = "infomax"

    def __init__(self, alpha: float, beta: float, negatives: str):
        self.alpha, self.beta, self.negatives = alpha, beta, negatives

    def _loss(self, batch: Batch, out: DiscriminatorOutput) -> Tensor:
        return losses.infonce(*batch.discriminator.heads.critics(out), self.negatives)

    def discriminator(self, batch: Batch) -> Tensor:
        return self.beta * self._loss(batch, batch.real_out)

    def generator(self, batch: Batch) -> Tensor:
        return self.alpha * self._loss(batch, batch.fake_out)


class Rotation(Term):
    """SSGAN: a quarter of the batch per rotation, in a forward of its own."""

    name = "rotation"

    def __init__(self, generator_weight: float, discriminator_weight: float):
        self.generator_weight, self.discriminator_weight = generator_weight, discriminator_weight

    def _loss(self, batch: Batch, images: Tensor, labels: Tensor | None) -> Tensor:
        rotated, turns = losses.rotate_quarters(images)
        return F.cross_entropy(batch.discriminator(rotated, labels).rotation_logits, turns)

    def discriminator(self, batch: Batch) -> Tensor:
        return self.discriminator_weight * self._loss(batch, batch.real, batch.real_labels)

    def generator(self, batch: Batch) -> Tensor:
        return self.generator_weight * self._loss(batch, batch.fake, batch.fake_labels)


def _one_uniform_each(images: Tensor) -> Tensor:
    """A number in [0, 1) for each image, (N, 1, 1, 1)."""
    return torch.rand(len(images), 1, 1, 1, device=images.device)


class GradientPenalty(Term):
    """WGAN-GP Eq. 3, on one random point between each real and generated image, scored with the real label."""

    name = "gradient_penalty"

    def __init__(self, weight: float, draw: Callable[[Tensor], Tensor] = _one_uniform_each):
        self.weight, self.draw = weight, draw

    def discriminator(self, batch: Batch) -> Tensor:
        points = losses.interpolate(batch.real, batch.fake, self.draw(batch.real)).requires_grad_()
        logits = batch.discriminator(points, batch.real_labels).logits
        return self.weight * losses.gradient_penalty(logits, points)


class Consistency(Term):
    """CR: what the discriminator says about a real image should not change when the image is flipped and shifted."""

    name = "consistency"

    def __init__(self, weight: float, draw: Callable[[Tensor], tuple[Tensor, ...]] = augment.draw_flip_and_shift):
        self.weight, self.draw = weight, draw

    def discriminator(self, batch: Batch) -> Tensor:
        augmented = augment.flip_and_shift(batch.real, *self.draw(batch.real))
        augmented_out = batch.discriminator(augmented, batch.real_labels)
        return self.weight * losses.consistency(_scores(batch.real_out), _scores(augmented_out))


class WeightClipping(Term):
    name = "weight_clipping"

    def __init__(self, bound: float):
        self.bound = bound

    def after_discriminator_step(self, discriminator: nn.Module) -> None:
        with torch.no_grad():
            for parameter in discriminator.parameters():
                parameter.clamp_(-self.bound, self.bound)


def _scores(out: DiscriminatorOutput) -> list[Tensor]:
    return [score for score in (out.logits, out.embedding, out.class_logits) if score is not None]


def _class_cross_entropy(out: DiscriminatorOutput, labels: Tensor) -> Tensor:
    return F.cross_entropy(out.class_logits, labels)


def _terms_of(part) -> list[Term]:
    """The terms of one part of `training`: a conditioning, an auxiliary loss or a regulariser."""
    match part.type:
        case "none" | "projection":
            return []
        case "classifier":
            return [Conditioning("classifier", part.weight, _class_cross_entropy)]
        case "contrastive":

            def loss(out: DiscriminatorOutput, labels: Tensor) -> Tensor:
                return losses.contrastive_2c(out.embedding, out.proxy, labels, part.temperature, part.self_in_numerator)

            return [Conditioning("contrastive", part.weight, loss)]
        case "infomax":
            return [InfoMax(part.alpha, part.beta, part.negatives)]
        case "rotation":
            return [Rotation(part.generator_weight, part.discriminator_weight)]
        case "gradient-penalty":
            return [GradientPenalty(part.weight)]
        case "consistency":
            return [Consistency(part.weight)]
        case "weight-clipping":
            return [WeightClipping(part.bound)]
    raise ConfigError(f"this version cannot train with {part.type}; choose a config without it, or add a term for it")


def build(config: ModelConfig) -> list[Term]:
    """The terms of a config's objective; raises ConfigError for what this version does not train with."""
    training = config.training
    parts = (training.conditioning, *training.auxiliary, *training.regularizers)
    return [Adversarial(training.adversarial), *(term for part in parts for term in _terms_of(part))]
