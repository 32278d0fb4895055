"""The adversarial loss, and what makes images follow their labels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zoo.nets import DiscriminatorOutput
from zoo.recipe import AugmentedPositives, ClassifierConditioning, ContrastiveConditioning, D2DCEConditioning

from .. import augment, losses
from .term import Batch, Term


class Adversarial(Term):
    name = "adversarial"

    def __init__(self, loss: str):
        self.discriminator_loss, self.generator_loss = losses.ADVERSARIAL[loss]

    def discriminator(self, batch: Batch) -> Tensor:
        return self.discriminator_loss(batch.real_out.logits, batch.fake_out.logits)

    def generator(self, batch: Batch) -> Tensor:
        return self.generator_loss(batch.fake_out.logits)


class Classifier(Term):
    """ACGAN (arXiv 1610.09585) Eq. 3: cross entropy of the class logits, of generated images in both turns if asked."""

    name = "classifier"

    def __init__(self, part: ClassifierConditioning):
        self.weight, self.fakes_too = part.weight, part.fakes_in_discriminator

    def discriminator(self, batch: Batch) -> Tensor:
        loss = F.cross_entropy(batch.real_out.class_logits, batch.real_labels)
        if self.fakes_too:
            loss = loss + F.cross_entropy(batch.fake_out.class_logits, batch.fake_labels)
        return self.weight * loss

    def generator(self, batch: Batch) -> Tensor:
        return self.weight * F.cross_entropy(batch.fake_out.class_logits, batch.fake_labels)


class Contrastive(Term):
    """ContraGAN Algorithm 1: the 2C loss of real images for the discriminator, of generated ones for the generator.

    With augmented positives (APS, Section 4.5) the discriminator embeds each real image a second time, flipped by a
    fair coin and shifted, and `losses.contrastive_2c` pulls an image to its augmentation. This is the form of the
    code that was released with the paper (PyTorch-StudioGAN 895f378), which keeps the class embeddings, and the
    generator's loss as it is. Its shift and flip were a fixed function of an image's index in the data set; here they
    are drawn. The text of Section 4.5 replaces the class embeddings by augmented positives: then they are left out of
    the loss, and the generator's images are augmented too.
    """

    name = "contrastive"

    def __init__(self, part: ContrastiveConditioning, positives: AugmentedPositives | None = None):
        self.part, self.positives = part, positives
        self.keep_proxies = positives is None or positives.keep_class_embeddings

    def discriminator(self, batch: Batch) -> Tensor:
        return self._loss(batch, batch.real, batch.real_out, batch.real_labels, augmented=self.positives is not None)

    def generator(self, batch: Batch) -> Tensor:
        return self._loss(batch, batch.fake, batch.fake_out, batch.fake_labels, augmented=not self.keep_proxies)

    def _loss(self, batch: Batch, images: Tensor, out: DiscriminatorOutput, labels: Tensor, augmented: bool) -> Tensor:
        part = self.part
        loss = losses.contrastive_2c(
            batch.gather(out.embedding),
            batch.gather(out.proxy) if self.keep_proxies else None,
            batch.gather(labels),
            part.temperature,
            part.same_class_in_numerator,
            part.self_in_numerator,
            batch.gather(self._embed_augmented(batch, images, labels)) if augmented else None,
        )
        return part.weight * loss

    def _embed_augmented(self, batch: Batch, images: Tensor, labels: Tensor) -> Tensor:
        draws = augment.draw_flip_and_shift(images, batch.noise, self.positives.shifts)
        return batch.discriminator(augment.flip_and_shift(images, *draws), labels).embedding


class D2DCE(Term):
    """ReACGAN: the D2D-CE loss of real images for the discriminator, of generated ones for the generator."""

    name = "d2d_ce"

    def __init__(self, part: D2DCEConditioning):
        self.part = part

    def discriminator(self, batch: Batch) -> Tensor:
        return self._loss(batch, batch.real_out, batch.real_labels)

    def generator(self, batch: Batch) -> Tensor:
        return self._loss(batch, batch.fake_out, batch.fake_labels)

    def _loss(self, batch: Batch, out: DiscriminatorOutput, labels: Tensor) -> Tensor:
        part, tensors = self.part, (out.embedding, out.proxy, labels)
        loss = losses.d2d_ce(*map(batch.gather, tensors), part.temperature, part.positive_margin, part.shift_negatives)
        return part.weight * loss
