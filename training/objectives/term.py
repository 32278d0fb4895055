"""The parts of an objective (`Term`) and the batches they receive (`Batch`, `GeneratedBatch`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from zoo.nets import Discriminator, DiscriminatorOutput

from ..noise import Noise


def _here(tensor: Tensor) -> Tensor:
    return tensor


@dataclass(kw_only=True)
class Batch:
    """Images, real or generated, and the discriminator's outputs for them."""

    discriminator: Discriminator
    images: Tensor  # (N, C, H, W) in the data's range, as the discriminator saw them
    labels: Tensor | None  # (N,); None without classes
    out: DiscriminatorOutput
    noise: Noise  # all random draws
    gather: Callable[[Tensor], Tensor] = _here  # rows (N, ...) of all processes, with gradient, in order of the images
    first_row: int = 0  # index in the whole batch of this process's first image
    global_size: int | None = None  # images in the whole batch; None: this process has all


@dataclass(kw_only=True)
class GeneratedBatch(Batch):
    """Generated images, which carry no gradient in the discriminator's turn."""

    latents: Tensor  # z of the images (N, latent_dim)
    generate: Callable[[Tensor], Tensor]  # images of other latents and the same labels, generated in the same way


def required(tensor: Tensor | None) -> Tensor:
    """Return a tensor that the checks of the config guarantee for every model with this term."""
    assert tensor is not None
    return tensor


class Term:
    """One part of the objective. A term without a loss for a network returns None.

    A term draws random numbers from a batch's `noise` alone, and never reads tensor values in Python: steps are
    captured in CUDA graphs and repeated exactly. A loss that compares images passes its inputs through the
    batch's `gather`.
    """

    name: str  # in the log, as d/<name> and g/<name>
    differentiates_twice = False  # whether its loss is a function of gradients; such steps are not compiled

    def start(self, discriminator: Discriminator) -> None:
        """Prepare for training, once, before the first step; the discriminator is on its device."""

    @property
    def state(self) -> dict[str, Tensor]:
        """Tensors that the term changes in place, by name; checkpoints keep them."""
        return {}

    def measured(self) -> dict[str, Tensor]:
        """Return scalars that the log shows beside the losses, by name."""
        return {}

    def augment(self, images: Tensor, noise: Noise) -> Tensor:
        """Return the images that the discriminator sees instead of `images` (N, C, H, W); differentiable."""
        return images

    def discriminator_loss(self, real: Batch, fake: GeneratedBatch) -> Tensor | None:
        """Return a scalar, part of the discriminator's loss, or None."""
        return None

    def generator_loss(self, fake: GeneratedBatch) -> Tensor | None:
        """Return a scalar, part of the generator's loss, or None."""
        return None

    def after_discriminator_step(self, discriminator: nn.Module) -> None:
        """Change the weights after a discriminator update."""
