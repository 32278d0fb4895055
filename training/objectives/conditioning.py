"""The adversarial loss, and what makes images follow their labels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zoo.schema.recipe import (
    AugmentedPositives,
    ClassifierConditioning,
    ContrastiveConditioning,
    D2DCEConditioning,
    ProxyNCAConditioning,
    Shifts,
    TripletConditioning,
    XTXentConditioning,
)

from .. import augment, losses, metric_learning
from .term import Batch, GeneratedBatch, Term, required


class Adversarial(Term):
    name = "adversarial"

    def __init__(self, loss: str):
        self._of_discriminator, self._of_generator = losses.ADVERSARIAL[loss]

    def discriminator_loss(self, real: Batch, fake: GeneratedBatch) -> Tensor:
        return self._of_discriminator(real.out.logits, fake.out.logits)

    def generator_loss(self, fake: GeneratedBatch) -> Tensor:
        return self._of_generator(fake.out.logits)


class Classifier(Term):
    """ACGAN (arXiv 1610.09585) Eq. 3: cross entropy of class logits; if asked, of generated images in both turns."""

    name = "classifier"

    def __init__(self, part: ClassifierConditioning):
        self.weight, self.fakes_too = part.weight, part.fakes_in_discriminator

    def discriminator_loss(self, real: Batch, fake: GeneratedBatch) -> Tensor:
        loss = self._loss(real)
        if self.fakes_too:
            loss = loss + self._loss(fake)
        return self.weight * loss

    def generator_loss(self, fake: GeneratedBatch) -> Tensor:
        return self.weight * self._loss(fake)

    def _loss(self, batch: Batch) -> Tensor:
        return F.cross_entropy(required(batch.out.class_logits), required(batch.labels))


class Contrastive(Term):
    """ContraGAN Algorithm 1: the 2C loss of real images for the discriminator, of generated ones for the generator.

    With augmented positives (APS, Section 4.5) the discriminator embeds each real image a second time, flipped by a
    fair coin and shifted, and `losses.contrastive_2c` pulls an image to its augmentation. This is the form of the
    code that was released with the paper (PyTorch-StudioGAN 895f378), which keeps the class embeddings, and the
    generator's loss as it is. Its shift and flip were a fixed function of an image's index in the data set; here they
    are drawn. The text of Section 4.5 replaces the class embeddings by augmented positives: in that form the loss
    omits the class embeddings, and the generator's images are augmented too.
    """

    name = "contrastive"

    def __init__(self, part: ContrastiveConditioning, positives: AugmentedPositives | None = None):
        self.part, self.positives = part, positives
        self.keep_proxies = positives is None or positives.keep_class_embeddings

    def discriminator_loss(self, real: Batch, fake: GeneratedBatch) -> Tensor:
        return self._loss(real, self.positives)

    def generator_loss(self, fake: GeneratedBatch) -> Tensor:
        return self._loss(fake, None if self.keep_proxies else self.positives)

    def _loss(self, batch: Batch, positives: AugmentedPositives | None) -> Tensor:
        part = self.part
        loss = losses.contrastive_2c(
            batch.gather(required(batch.out.embedding)),
            batch.gather(required(batch.out.proxy)) if self.keep_proxies else None,
            batch.gather(required(batch.labels)),
            part.temperature,
            part.same_class_in_numerator,
            part.self_in_numerator,
            batch.gather(_embed_augmented(batch, positives.shifts)) if positives else None,
        )
        return part.weight * loss


def _embed_augmented(batch: Batch, shifts: Shifts) -> Tensor:
    draws = augment.draw_flip_and_shift(batch.images, batch.noise, shifts)
    return batch.discriminator(augment.flip_and_shift(batch.images, *draws), batch.labels).embedding


class _OfBoth(Term):
    """A loss of real images for the discriminator, and the same of generated ones for the generator."""

    def discriminator_loss(self, real: Batch, fake: GeneratedBatch) -> Tensor:
        return self._loss(real)

    def generator_loss(self, fake: GeneratedBatch) -> Tensor:
        return self._loss(fake)

    def _loss(self, batch: Batch) -> Tensor:
        raise NotImplementedError


class D2DCE(_OfBoth):
    """ReACGAN: the D2D-CE loss."""

    name = "d2d_ce"

    def __init__(self, part: D2DCEConditioning):
        self.part = part

    def _loss(self, batch: Batch) -> Tensor:
        part = self.part
        loss = losses.d2d_ce(
            batch.gather(required(batch.out.embedding)),
            batch.gather(required(batch.out.proxy)),
            batch.gather(required(batch.labels)),
            part.temperature,
            part.positive_margin,
            part.shift_negatives,
        )
        return part.weight * loss


class XTXent(_OfBoth):
    """ContraGAN Eq. 6: the discriminator embeds each image a second time, flipped by a fair coin and shifted."""

    name = "xt_xent"

    def __init__(self, part: XTXentConditioning):
        self.part = part

    def _loss(self, batch: Batch) -> Tensor:
        embedding = batch.gather(required(batch.out.embedding))
        augmented = batch.gather(_embed_augmented(batch, self.part.shifts))
        loss = metric_learning.xt_xent(embedding, augmented, self.part.temperature)
        return self.part.weight * loss + _no_part(batch)


class Triplet(_OfBoth):
    """The triplet loss of ContraGAN's Figure 1a, by labels."""

    name = "triplet"

    def __init__(self, part: TripletConditioning):
        self.part = part

    def _loss(self, batch: Batch) -> Tensor:
        embedding, labels = batch.gather(required(batch.out.embedding)), batch.gather(required(batch.labels))
        return self.part.weight * metric_learning.triplet(embedding, labels, self.part.margin) + _no_part(batch)


class ProxyNCA(_OfBoth):
    """The proxy loss of ContraGAN's Figure 1b, whose proxies are the class embeddings."""

    name = "proxy_nca"

    def __init__(self, part: ProxyNCAConditioning):
        self.part = part

    def _loss(self, batch: Batch) -> Tensor:
        embedding, labels = required(batch.out.embedding), required(batch.labels)
        loss = metric_learning.proxy_nca(embedding, batch.discriminator.heads.class_embeddings(), labels)
        return self.part.weight * loss


def _no_part(batch: Batch) -> Tensor:
    """Return 0 that depends on the class embeddings: every parameter has a gradient, as data parallelism demands."""
    return 0 * required(batch.out.proxy).sum()
