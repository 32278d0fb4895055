"""Parts of a recipe for few images: adaptive augmentation, and a discriminator whose first blocks are kept."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.nets import Discriminator
from zoo.schema import recipe

from ..adaptive_augment import adaptive_augment
from ..noise import Noise
from .term import Batch, GeneratedBatch, Term

_EVERY = 4  # discriminator updates between changes of p
# The output of the discriminator for an image that may be real or generated, where it is not 0.
_UNDECIDED = {"least-squares": 0.5, "non-saturating-shifted": 0.5}


class AdaptiveAugment(Term):
    """ADA (arXiv 2006.06676, Section 3): the discriminator sees only augmented images, in both turns.

    From the paper: p starts at 0; after every four discriminator updates it moves by a fixed amount for each real image
    seen, up if r_t = E[sign(D(real))] exceeds the target and down otherwise, and does not fall below 0. Outputs are
    compared with what the adversarial loss gives an undecidable image, where that is not 0. What the augmentations
    reduce is in `training.adaptive_augment`.
    """

    name = "adaptive_augment"

    def __init__(self, part: recipe.AdaptiveAugment, adversarial: str, range_: str = "[-1, 1]"):
        self.part, self.undecided = part, _UNDECIDED.get(adversarial, 0.0)
        self.from_zero = range_ == "[0, 1]"
        self._set_up("cpu")

    def start(self, discriminator: Discriminator) -> None:
        self._set_up(next(discriminator.parameters()).device)

    def _set_up(self, device: torch.device | str) -> None:
        self.p, self.signs, self.images, self.updates = (torch.zeros((), device=device) for _ in range(4))

    @property
    def state(self) -> dict[str, Tensor]:
        return {"p": self.p, "signs": self.signs, "images": self.images, "updates": self.updates}

    def measured(self) -> dict[str, Tensor]:
        return {"augment_p": self.p.clone()}

    def augment(self, images: Tensor, noise: Noise) -> Tensor:
        images = images * 2 - 1 if self.from_zero else images
        images = adaptive_augment(images, self.p, noise, self.part.operations)
        return (images + 1) / 2 if self.from_zero else images

    @torch.no_grad()
    def discriminator_loss(self, real: Batch, fake: GeneratedBatch) -> None:
        """Count the signs of the outputs for real images; no loss."""
        signs = real.gather((real.out.logits.detach().float() - self.undecided).sign())
        self.signs += signs.sum()
        self.images += len(signs)

    @torch.no_grad()
    def after_discriminator_step(self, discriminator: Discriminator) -> None:
        self.updates += 1
        is_due = self.updates == _EVERY
        direction = (self.signs / self.images - self.part.target).sign()
        self.p += torch.where(is_due, direction * self.images / self.part.images_to_certainty, 0)
        self.p.clamp_(min=0)
        for count in (self.signs, self.images, self.updates):
            count.masked_fill_(is_due, 0)


class FreezeD(Term):
    """Freeze-D (Mo et al. 2020, arXiv 2002.10964): the discriminator's first blocks keep the weights they start with.

    As in the paper, their running statistics and power iterations go on; an attention layer belongs to its block.
    """

    name = "freeze_d"

    def __init__(self, blocks: int):
        self.blocks = blocks

    def start(self, discriminator: Discriminator) -> None:
        assert isinstance(discriminator.attention, nn.ModuleDict)
        assert isinstance(discriminator.blocks, nn.ModuleList)
        attention = [layer for number, layer in discriminator.attention.items() if int(number) <= self.blocks]
        for part in (*discriminator.blocks[: self.blocks], *attention):
            part.requires_grad_(False)
