"""Does the loss that conditions a generator prefer the right class? A discriminator's losses under several labels.

A trained discriminator embeds generated images, and the loss of the generator's turn is computed for the labels that
were asked for, for the classes that are drawn, and for random permutations of the labels. In all three the
images that share a label are the same ones; only the class embedding of each label differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from zoo.nets import Discriminator
from zoo.schema.recipe import ContrastiveConditioning, D2DCEConditioning

from .. import losses

if TYPE_CHECKING:
    from zoo.sampling.gan import GAN

_BATCHES, _PERMUTATIONS, _SEED = 10, 20, 11

Conditioning = ContrastiveConditioning | D2DCEConditioning


@dataclass(frozen=True)
class UnderLabels:
    """A loss under three sets of labels, means over batches."""

    asked: float
    assigned: float
    random: float


@dataclass(frozen=True)
class LabelLosses:
    """The losses of a discriminator with class embeddings on generated images.

    Attributes:
        own: the loss that the generator was trained with.
        only_embeddings: the 2C loss of Eq. 7 at temperature 1, in which the class embedding alone attracts.
        embedding_share: share of the numerator of Eq. 8 that the class embedding has, under the labels asked for.
    """

    own: UnderLabels
    only_embeddings: UnderLabels
    embedding_share: float


@torch.no_grad()
def measure(
    model: GAN,
    discriminator: Discriminator,
    assignment: tuple[int, ...],
    conditioning: Conditioning,
    batch_size: int = 64,
) -> LabelLosses:
    """Compute the losses of the generator's turn.

    Args:
        discriminator: in eval mode, with a contrastive head.
        assignment: the class that each label draws.
        conditioning: the loss the generator was trained with.
        batch_size: images that are compared with each other, as in training.
    """
    permutations = np.random.RandomState(_SEED)
    embeddings = discriminator.heads.class_embeddings()
    eq7 = ContrastiveConditioning(same_class_in_numerator=False)
    own, only, shares = [], [], []
    for batch in range(_BATCHES):
        start = batch * batch_size
        labels = model.drawn_labels(batch_size, _SEED, start, labels="trained")
        assert labels is not None
        images = model.generate(model.latents(batch_size, _SEED, start), labels)
        embedded = _embed(discriminator, images)
        maps = {"asked": np.arange(model.num_classes), "assigned": np.array(assignment)}
        maps |= {f"random {i}": permutations.permutation(model.num_classes) for i in range(_PERMUTATIONS)}
        for found, part in ((own, conditioning), (only, eq7)):
            values = {k: _loss(embedded, embeddings, torch.from_numpy(m)[labels], part) for k, m in maps.items()}
            random = [value for name, value in values.items() if name.startswith("random")]
            found.append((values["asked"], values["assigned"], float(np.mean(random))))
        shares.append(_embedding_share(embedded, embeddings[labels], labels))
    return LabelLosses(
        UnderLabels(*np.mean(own, axis=0).tolist()),
        UnderLabels(*np.mean(only, axis=0).tolist()),
        float(np.mean(shares)),
    )


def _embed(discriminator: nn.Module, images: Tensor) -> Tensor:
    """(N, E), normalised."""
    labels = torch.zeros(len(images), dtype=torch.int64)  # which the embedding does not depend on
    embedding = discriminator(images, labels).embedding
    return nn.functional.normalize(embedding, dim=1)


def _loss(embedded: Tensor, embeddings: Tensor, labels: Tensor, part: Conditioning) -> float:
    own = embeddings[labels]
    if isinstance(part, D2DCEConditioning):
        arguments = (part.temperature, part.positive_margin, part.shift_negatives)
        return losses.d2d_ce(embedded, own, labels, *arguments).item()
    arguments = (part.temperature, part.same_class_in_numerator, part.self_in_numerator)
    return losses.contrastive_2c(embedded, own, labels, *arguments).item()


def _embedding_share(embedded: Tensor, own: Tensor, labels: Tensor) -> float:
    """Return the class embedding's share of exp(cosine) beside the label's other images (Eq. 8 at temperature 1)."""
    to_own = (embedded * own).sum(dim=1).exp()
    others = (labels[:, None] == labels[None, :]) & ~torch.eye(len(labels), dtype=torch.bool)
    to_others = ((embedded @ embedded.t()).exp() * others).sum(dim=1)
    return (to_own / (to_own + to_others)).mean().item()
