"""Judges of the class that an image shows: functions from images to scores of all classes, with their accuracy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...nets import Discriminator
from ...sampling.discriminator_methods import discriminator_input

if TYPE_CHECKING:
    from ...schema.config import ModelConfig


_AT_ONCE = 64  # images through a discriminator
_COSINES = 0.1  # temperature of a softmax over cosines


@dataclass(frozen=True)
class Judge:
    """Scores of classes for images.

    Attributes:
        name: a short description.
        scores: uint8 images (N, 3, H, W) to scores (N, K) on the CPU; the largest of a row is the class seen.
        accuracy: share of real images that it classifies correctly; None if unknown.
        accuracy_note: which real images those were.
        is_own: whether it is the model's own discriminator. Where it hardly separates two classes, the mean fit of
            many images still does, unlike its first choices.
        temperature: of a softmax over cosines; None: scores are used as they are.
    """

    name: str
    scores: Callable[[Tensor], Tensor]
    accuracy: float | None = None
    accuracy_note: str | None = None
    is_own: bool = False
    temperature: float | None = None

    def fit(self, scores: Tensor) -> Tensor:
        """Return how well each image fits each class, (N, K), to be averaged over images."""
        return scores if self.temperature is None else (scores / self.temperature).softmax(dim=1)


def of_discriminator(discriminator: Discriminator, config: ModelConfig) -> Judge:
    """Judge by the model's own discriminator, with its class embeddings or its classifier; needs no data.

    Contrastive head: the cosine of an image to each class embedding. Projection head: the projection term of the logit
    for each class. Classifier head: its logits.

    Args:
        discriminator: in eval mode, on any device, with a head that knows classes.
        config: of the model, for the range of its images.
    """
    kinds = {
        "contrastive": "similarity to the class embeddings",
        "projection": "projection onto the class embeddings",
        "classifier": "class logits",
    }
    head, device = config.discriminator.head.type, next(discriminator.parameters()).device

    def of_some(images: Tensor) -> Tensor:
        x = discriminator_input(images, config).to(device)
        labels = torch.zeros(len(x), dtype=torch.int64, device=device)  # which the features do not depend on
        return discriminator.heads.class_scores(discriminator(x, labels).features).float().cpu()

    @torch.no_grad()
    def scores(images: Tensor) -> Tensor:
        return torch.cat([of_some(part) for part in images.split(_AT_ONCE)])

    name = f"its own discriminator ({kinds[head]})"
    return Judge(name, scores, is_own=True, temperature=_COSINES if head == "contrastive" else None)


def count(labels: Tensor, seen: Tensor, num_classes: int) -> np.ndarray:
    """Count images by label and by class seen, (K, K) int64."""
    table = (labels.cpu() * num_classes + seen.cpu()).bincount(minlength=num_classes**2)
    return table.view(num_classes, num_classes).numpy()
