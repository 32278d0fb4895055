"""Regularisers of the discriminator: gradient penalties, weight clipping, consistency, augmentation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.nets import DiscriminatorOutput
from zoo.schema import recipe

from .. import augment, losses
from ..noise import Noise
from .term import Batch, GeneratedBatch, Term


class GradientPenalty(Term):
    """WGAN-GP Eq. 3, on one random point between each real and generated image, scored with the real label."""

    name = "gradient_penalty"
    differentiates_twice = True

    def __init__(self, weight: float):
        self.weight = weight

    def discriminator_loss(self, real: Batch, fake: GeneratedBatch) -> Tensor:
        alpha = real.noise.uniform(len(real.images), 1, 1, 1)
        return self.weight * _penalty(real, losses.interpolate(real.images, fake.images, alpha))


class Dragan(Term):
    """DRAGAN (arXiv 1705.07215) in the form of StudioGAN's code, on one random point near each real image."""

    name = "dragan"
    differentiates_twice = True

    def __init__(self, weight: float):
        self.weight = weight

    def discriminator_loss(self, real: Batch, fake: GeneratedBatch) -> Tensor:
        return self.weight * _penalty(real, self._points(real))

    def _points(self, real: Batch) -> Tensor:
        images, noise = real.images, real.noise
        values = images.flatten(1)
        means = values.mean(dim=1)
        squares = (values - means[:, None]).square().sum(dim=1)
        deviation = losses.deviation(real.gather(means), real.gather(squares), values.shape[1])
        alpha = noise.uniform(len(images), 1, 1, 1)
        return losses.perturb(images, deviation, alpha, noise.uniform(*images.shape))


def _penalty(real: Batch, points: Tensor) -> Tensor:
    points = points.detach().requires_grad_()
    return losses.gradient_penalty(real.discriminator(points, real.labels).logits, points)


class WeightClipping(Term):
    """WGAN (arXiv 1701.07875) Algorithm 1: all weights of the discriminator in [-bound, bound]."""

    name = "weight_clipping"

    def __init__(self, bound: float):
        self.bound = bound

    def after_discriminator_step(self, discriminator: nn.Module) -> None:
        with torch.no_grad():
            for parameter in discriminator.parameters():
                if parameter.requires_grad:  # not frozen
                    parameter.clamp_(-self.bound, self.bound)


class Consistency(Term):
    """CR: the discriminator's outputs for a real image should not change when the image is flipped and shifted."""

    name = "consistency"

    def __init__(self, part: recipe.Consistency):
        self.part = part

    def discriminator_loss(self, real: Batch, fake: GeneratedBatch) -> Tensor:
        return self.part.weight * _change(real, self.part.scores, self.part.shifts)


class ImprovedConsistency(Term):
    """ICR (arXiv 2002.04724): balanced consistency (Algorithm 1) and latent consistency (Algorithm 2).

    The discriminator's outputs should change little when real or generated images are flipped and shifted, or when a
    latent moves a little; the generator's images should change much when a latent moves.
    """

    name = "improved_consistency"

    def __init__(self, part: recipe.ImprovedConsistency):
        self.part = part

    def discriminator_loss(self, real: Batch, fake: GeneratedBatch) -> Tensor:
        part = self.part
        of_real, of_fake = _change(real), _change(fake)
        moved = fake.discriminator(self._moved(fake), fake.labels)
        latent = losses.consistency(_scores(fake.out), _scores(moved))
        return part.real_weight * of_real + part.fake_weight * of_fake + part.latent_discriminator_weight * latent

    def generator_loss(self, fake: GeneratedBatch) -> Tensor:
        return -self.part.latent_generator_weight * losses.consistency([fake.images], [self._moved(fake)])

    def _moved(self, fake: GeneratedBatch) -> Tensor:
        """Generate images of the latents after a normal step with deviation `latent_radius`."""
        z = fake.latents
        return fake.generate(z + self.part.latent_radius * fake.noise.normal(*z.shape))


class DiffAugment(Term):
    """Differentiable augmentation (arXiv 2006.10738): the discriminator sees nothing else, in both turns."""

    name = "diff_augment"

    def __init__(self, policy: tuple[str, ...]):
        self.policy = policy

    def augment(self, images: Tensor, noise: Noise) -> Tensor:
        return augment.diff_augment(images, noise, self.policy)


def _change(batch: Batch, kinds: str = "all", shifts: str = "any") -> Tensor:
    """Measure the change of the discriminator's outputs when images are flipped and shifted."""
    images = batch.images
    moved = augment.flip_and_shift(images, *augment.draw_flip_and_shift(images, batch.noise, shifts))
    return losses.consistency(_scores(batch.out, kinds), _scores(batch.discriminator(moved, batch.labels), kinds))


def _scores(out: DiscriminatorOutput, kinds: str = "all") -> list[Tensor]:
    scores = [out.logits] if kinds == "logits" else [out.logits, out.embedding, out.class_logits]
    return [score for score in scores if score is not None]
