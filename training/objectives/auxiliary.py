"""Self-supervised losses beside the adversarial one: InfoMax (InfoMax-GAN) and rotation (SSGAN)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zoo.schema import recipe

from .. import losses
from ..noise import Noise
from .term import Batch, GeneratedBatch, Term


class InfoMax(Term):
    """InfoMax-GAN Eq. 6 and 7: real images train the discriminator, generated ones the generator."""

    name = "infomax"

    def __init__(self, part: recipe.InfoMax):
        self.part = part

    def discriminator_loss(self, real: Batch, fake: GeneratedBatch) -> Tensor:
        return self.real_loss(real)

    def real_loss(self, real: Batch) -> Tensor:
        """Return the discriminator's loss, which depends on real images alone."""
        return self.part.beta * self._loss(real)

    def generator_loss(self, fake: GeneratedBatch) -> Tensor:
        return self.part.alpha * self._loss(fake)

    def _loss(self, batch: Batch) -> Tensor:
        critics = batch.discriminator.heads.critics
        assert critics is not None
        local, global_ = critics(batch.out)
        if self.part.sampled_locations < 1:
            local, global_ = (sample_locations(x, self.part.sampled_locations, batch.noise) for x in (local, global_))
        return losses.infonce(batch.gather(local), batch.gather(global_), self.part.negatives)


def sample_locations(features: Tensor, share: float, noise: Noise) -> Tensor:
    """A random share of each image's local vectors, (N, R, L) out of (N, R, H, W); a vector (N, R) stays as it is."""
    if features.dim() == 2:
        return features
    features = features.flatten(2)
    n, dim, locations = features.shape
    chosen = noise.uniform(n, locations).argsort(dim=1)[:, : max(1, round(share * locations))]
    return features.gather(2, chosen[:, None].expand(n, dim, -1))


class Rotation(Term):
    """SSGAN: a quarter of the batch per rotation, in a separate forward."""

    name = "rotation"

    def __init__(self, part: recipe.Rotation):
        self.generator_weight, self.discriminator_weight = part.generator_weight, part.discriminator_weight

    def discriminator_loss(self, real: Batch, fake: GeneratedBatch) -> Tensor:
        return self.discriminator_weight * self._loss(real)

    def generator_loss(self, fake: GeneratedBatch) -> Tensor:
        return self.generator_weight * self._loss(fake)

    def _loss(self, batch: Batch) -> Tensor:
        rotated, turns = losses.rotate_quarters(batch.images, batch.first_row, batch.global_size)
        return F.cross_entropy(batch.discriminator(rotated, batch.labels).rotation_logits, turns)
