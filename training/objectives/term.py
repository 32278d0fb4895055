"""What a part of the objective sees (`Batch`) and what it is (`Term`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from zoo.nets import DiscriminatorOutput

from ..noise import Noise


def _here(tensor: Tensor) -> Tensor:
    return tensor


@dataclass
class Batch:
    """One batch and what the discriminator said about it.

    The generator's turn has no real images, and a discriminator that is trained alone sees no generated ones.
    Images are (N, C, H, W) in the data's range and as the discriminator saw them. In the discriminator's turn the
    generated ones carry no gradient.
    """

    discriminator: nn.Module
    fake: Tensor | None = None
    fake_labels: Tensor | None = None
    fake_out: DiscriminatorOutput | None = None
    real: Tensor | None = None
    real_labels: Tensor | None = None
    real_out: DiscriminatorOutput | None = None
    noise: Noise | None = None  # all random draws
    latents: Tensor | None = None  # z of the generated images (N, latent_dim)
    generate: Callable[[Tensor], Tensor] | None = None  # images of other latents and the same labels, made as `fake`
    gather: Callable[[Tensor], Tensor] = _here  # rows (N, ...) of all processes, with gradient, in order of the images
    first_row: int = 0  # index in the whole batch of this process's first image
    global_size: int | None = None  # images in the whole batch; None: this process has all


class Term:
    """One part of the objective. A term that has nothing to say to a network returns None.

    A term draws random numbers from `batch.noise` alone, and never asks in Python what is in a tensor: steps are
    captured in CUDA graphs and repeated exactly. A loss that compares images passes what it compares through
    `batch.gather`.
    """

    name: str  # in the log, as d/<name> and g/<name>
    differentiates_twice = False  # whether its loss is a function of gradients; such steps are not compiled

    def augment(self, images: Tensor, noise: Noise) -> Tensor:
        """What the discriminator is shown instead of images (N, C, H, W), real or generated; differentiable."""
        return images

    def discriminator(self, batch: Batch) -> Tensor | None:
        """A scalar, part of the discriminator's loss."""
        return None

    def generator(self, batch: Batch) -> Tensor | None:
        """A scalar, part of the generator's loss."""
        return None

    def after_discriminator_step(self, discriminator: nn.Module) -> None:
        """For regularisers that act on the weights."""
