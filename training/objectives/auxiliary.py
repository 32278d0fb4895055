"""Self-supervised losses beside the adversarial one: InfoMax (InfoMax-GAN) and rotation (SSGAN)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zoo import recipe
from zoo.nets import DiscriminatorOutput

from .. import losses
from ..noise import Noise
from .term import Batch, Term


class InfoMax(Term):
    """InfoMax-GAN Eq. 6 and 7: real images train the discriminator, generated ones the generator."""

    name = "infomax"

    def __init__(self, part: recipe.InfoMax):
        self.part = part

    def discriminator(self, batch: Batch) -> Tensor:
        return self.part.beta * self._loss(batch, batch.real_out)

    def generator(self, batch: Batch) -> Tensor:
        return self.part.alpha * self._loss(batch, batch.fake_out)

    def _loss(self, batch: Batch, out: DiscriminatorOutput) -> Tensor:
        projected = batch.discriminator.heads.critics(out)
        if self.part.sampled_locations < 1:
            projected = [sample_locations(x, self.part.sampled_locations, batch.noise) for x in projected]
        return losses.infonce(*map(batch.gather, projected), self.part.negatives)


def sample_locations(features: Tensor, share: float, noise: Noise) -> Tensor:
    """A random share of each image's local vectors, (N, R, L) out of (N, R, H, W); a vector (N, R) is left alone."""
    if features.dim() == 2:
        return features
    features = features.flatten(2)
    n, dim, locations = features.shape
    chosen = noise.uniform(n, locations).argsort(dim=1)[:, : max(1, round(share * locations))]
    return features.gather(2, chosen[:, None].expand(n, dim, -1))


class Rotation(Term):
    """SSGAN: a quarter of the batch per rotation, in a forward of its own."""

    name = "rotation"

    def __init__(self, part: recipe.Rotation):
        self.generator_weight, self.discriminator_weight = part.generator_weight, part.discriminator_weight

    def discriminator(self, batch: Batch) -> Tensor:
        return self.discriminator_weight * self._loss(batch, batch.real, batch.real_labels)

    def generator(self, batch: Batch) -> Tensor:
        return self.generator_weight * self._loss(batch, batch.fake, batch.fake_labels)

    def _loss(self, batch: Batch, images: Tensor, labels: Tensor | None) -> Tensor:
        rotated, turns = losses.rotate_quarters(images, batch.first_row, batch.global_size)
        return F.cross_entropy(batch.discriminator(rotated, labels).rotation_logits, turns)
