"""What the labels of a conditional generator draw while it trains: a hook of `trainer.train`.

For images of one seed, equally many per label, it records how many show the class asked for, and how many the class
that the best assignment of labels to classes gives their label: by the run's own discriminator, and by a classifier
of real images if there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo.evaluation.alignment import assignment, judges
from zoo.inference.renderer import eval_mode
from zoo.nets import Discriminator
from zoo.sampling.gan import GAN

if TYPE_CHECKING:
    from ..run.trainer import Run

ASKED, ASSIGNED = "labels/asked", "labels/assigned"  # by the classifier
BY_DISCRIMINATOR = ", by the discriminator"
TWINS = "labels/classes with a twin"

_SEED = 7  # of the images
_TWIN = 0.9  # cosine of two class embeddings from which on the discriminator hardly tells the classes apart

Classifier = Callable[[Tensor], Tensor]  # uint8 images (N, 3, H, W) to classes (N,)


@dataclass(frozen=True)
class LabelProbe:
    """Measures every `every` steps and after the last; the records are shares from 0 to 1."""

    every: int  # generator steps
    classifier: Classifier | None = None
    images_per_label: int = 50

    def __call__(self, run: Run) -> dict[str, float] | None:
        if run.step % self.every and run.step != run.config.training.steps:
            return None
        model = GAN(run.config, run.networks.sampler(), device=run.device)
        with eval_mode(run.networks.discriminator):
            return self.label_shares(model, run.networks.discriminator)

    def label_shares(self, model: GAN, discriminator: Discriminator) -> dict[str, float]:
        """Return the shares by name.

        Args:
            discriminator: in eval mode, with a head that knows classes.
        """
        classes = model.num_classes
        labels = torch.arange(classes).repeat_interleave(self.images_per_label)
        images = model.sample(len(labels), labels, seed=_SEED, exact=True).uint8
        judge = judges.of_discriminator(discriminator, model.config)
        counts = judges.count(labels, judge.scores(images).argmax(dim=1), classes)
        values = {
            f"{ASKED}{BY_DISCRIMINATOR}": assignment.accuracy(counts),
            f"{ASSIGNED}{BY_DISCRIMINATOR}": assignment.accuracy(counts, assignment.best(counts)),
        }
        if self.classifier:
            counts = judges.count(labels, self.classifier(images), classes)
            values[ASKED] = assignment.accuracy(counts)
            values[ASSIGNED] = assignment.accuracy(counts, assignment.best(counts))
        if model.config.discriminator.head.type == "contrastive":
            values[TWINS] = twins(discriminator)
        return values


@torch.no_grad()
def twins(discriminator: Discriminator) -> float:
    """Return the share of the classes whose embedding has a cosine above 0.9 with that of another class."""
    embeddings = discriminator.heads.class_embeddings()
    return float(((embeddings @ embeddings.t()) > _TWIN).sum(dim=1).gt(1).float().mean())
