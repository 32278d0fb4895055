"""Mixin of GAN: the discriminator that was trained with the generator, as a critic and for its features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..checkpoints import weights
from ..checkpoints.state_dicts import check_finite, load_into
from ..common.errors import LabelError, WeightsUnavailableError, ZooError
from ..common.torch_defaults import fresh_defaults
from ..inference.process_state import float32_products, undisturbed
from ..inference.renderer import eval_mode
from ..nets import Discriminator, build_discriminator
from .images import Images
from .labelled import Labelled

if TYPE_CHECKING:
    from ..checkpoints.discriminators import DiscriminatorFile
    from ..schema.config import ModelConfig
    from .labelled import Label, Labels

_AT_ONCE = 64  # images through the discriminator


class DiscriminatorMethods(Labelled):
    """Mixin of GAN."""

    device: torch.device
    _discriminator_file: DiscriminatorFile | None
    _discriminator: Discriminator | None = None

    @property
    def has_discriminator(self) -> bool:
        """True if the discriminator that was trained with these weights is on this machine."""
        return self._discriminator_file is not None and self._discriminator_file.is_local()

    @property
    def discriminator(self) -> Discriminator:
        """The discriminator that was trained with these weights, in eval mode, loaded (or fetched) on first use.

        Call it with images (N, C, H, W) in the range of the data and, if its head needs them, the generator's own
        labels (N,); see `zoo.nets.DiscriminatorOutput`. `features` and `score` take images and classes in any form.

        Raises:
            WeightsUnavailableError: these weights have no discriminator, or it cannot be fetched.
        """
        if self._discriminator is None:
            if self._discriminator_file is None:
                raise WeightsUnavailableError(
                    f"these weights of {self.config.name} have no discriminator on this machine; runs, some models "
                    f"of the registry and exported folders with discriminator.safetensors have one"
                )
            self._discriminator = load_discriminator(self.config, self._discriminator_file, self.device)
        return self._discriminator

    @property
    def has_embeddings(self) -> bool:
        """True if the discriminator embeds images and classes, for the 2C loss."""
        return has_embeddings(self.config)

    def features(self, images: Images | Tensor | np.ndarray) -> Tensor:
        """Return the discriminator's pooled features (N, D) float32 of images, on the CPU, for retrieval or a probe.

        Args:
            images: `Images`; uint8, 0 to 255; or floats in [-1, 1], as `generate` returns them. Arrays and tensors are
                (N, 3, H, W) or (N, H, W, 3), of the model's resolution.

        Raises:
            WeightsUnavailableError: as of `discriminator`.
            ZooError: the images are of another size, type or range, or not finite.
        """
        return self._judged(discriminator_input(images, self.config), None, "features")

    def score(self, images: Images | Tensor | np.ndarray, label: Label = None, labels: Labels = "aligned") -> Tensor:
        """Return the discriminator's logits (N,) float32 of images, on the CPU: the higher, the more real.

        A discriminator has learnt to tell training images from those of its generator; what it says of others, such as
        noise, may be anything.

        Args:
            images: as in `features`.
            label: the class of all images, or one per image, in any form that `sample` takes; None: `images.labels`.
                Only a projection head judges the class, and needs it.
            labels: as in `sample`.

        Raises:
            LabelError: a projection head has no classes to judge, or a class is unknown.
            WeightsUnavailableError, ZooError: as of `features`.
        """
        x = discriminator_input(images, self.config)
        if label is None and isinstance(images, Images):
            label = images.labels
        y = self.trained_labels(label, len(x), labels)
        if y is None and self.config.discriminator.head.type == "projection":
            raise LabelError(f"the discriminator of {self.config.name} judges images of a class; give label")
        return self._judged(x, y, "logits")

    def embeddings(self, images: Images | Tensor | np.ndarray) -> Tensor:
        """Return the embeddings (N, E) float32 of images, on the CPU, that the 2C loss compares.

        Args:
            images: as in `features`.

        Raises:
            ZooError: the discriminator has no contrastive head; or as of `features`.
            WeightsUnavailableError: as of `discriminator`.
        """
        x = discriminator_input(images, self.config)
        return embeddings(self.discriminator, x, self.config, self.device)

    def class_embeddings(self) -> Tensor:
        """Return the embeddings of the classes ("proxies"), (classes, E) float32 of length 1, on the CPU.

        They stand in the order of the classes of real images, also where the generator's labels are permuted.

        Raises:
            ZooError: the discriminator has no contrastive head.
            WeightsUnavailableError: as of `discriminator`.
        """
        return class_embeddings(self.discriminator, self.config, self.device)

    def _judged(self, x: Tensor, y: Tensor | None, field: str) -> Tensor:
        return outputs(self.discriminator, x, y, field, self.device)


def outputs(discriminator: Discriminator, x: Tensor, y: Tensor | None, field: str, device: torch.device) -> Tensor:
    """Return one field of `DiscriminatorOutput` for all images, float32 on the CPU, in eval mode.

    Args:
        x: images (N, C, H, W) in the range of the data; see `discriminator_input`.
        y: labels (N,); None for fields that they do not change.
    """
    with undisturbed(device), float32_products(device), eval_mode(discriminator):
        if y is None:
            y = torch.zeros(len(x), dtype=torch.int64)  # for heads that want labels for other outputs
        parts = zip(x.split(_AT_ONCE), y.split(_AT_ONCE), strict=True)
        found = [discriminator(some.to(device), labels.to(device)) for some, labels in parts]
        return torch.cat([getattr(output, field).float().cpu() for output in found])


def embeddings(discriminator: Discriminator, x: Tensor, config: ModelConfig, device: torch.device) -> Tensor:
    """Return the 2C embeddings (N, E) of images as `discriminator_input` returns them; see `GAN.embeddings`."""
    _check_contrastive(config)
    return outputs(discriminator, x, None, "embedding", device)


def class_embeddings(discriminator: Discriminator, config: ModelConfig, device: torch.device) -> Tensor:
    """Return the class embeddings (classes, E) of a contrastive head; see `GAN.class_embeddings`."""
    _check_contrastive(config)
    with undisturbed(device), float32_products(device), eval_mode(discriminator):
        return discriminator.heads.class_embeddings().float().cpu()


def has_embeddings(config: ModelConfig) -> bool:
    """Return True if the discriminator embeds images and classes, for the 2C loss."""
    return config.discriminator.head.type == "contrastive"


def _check_contrastive(config: ModelConfig) -> None:
    if not has_embeddings(config):
        raise ZooError(
            f"the discriminator of {config.name} embeds no classes (its head is {config.discriminator.head.type}); "
            f"use features, which every discriminator has"
        )


def discriminator_input(images: Images | Tensor | np.ndarray, config: ModelConfig) -> Tensor:
    """Return images as the discriminator was trained on them: float32 (N, C, H, W) in the range of the data.

    Args:
        images: as in `DiscriminatorMethods.features`.

    Raises:
        ZooError: they are of another size, type or range, not finite, or none.
    """
    try:
        x = images.uint8 if isinstance(images, Images) else torch.as_tensor(images)
    except (TypeError, ValueError, RuntimeError):
        raise ZooError(f"the images are of type {type(images).__name__}; give Images, a tensor or an array") from None
    side, channels = config.generator.resolution, config.discriminator.image_channels
    if x.dim() == 4 and tuple(x.shape[1:]) == (side, side, 3):
        x = x.permute(0, 3, 1, 2)  # as an .npz holds them
    if x.dim() != 4 or tuple(x.shape[1:]) != (3, side, side) or not len(x):
        raise ZooError(
            f"the images are {tuple(x.shape)}; the discriminator of {config.name} takes (N, 3, {side}, {side})"
        )
    if x.dtype != torch.uint8 and not x.is_floating_point():
        raise ZooError(f"the images are {x.dtype}; give uint8, 0 to 255, or floats in [-1, 1]")
    if x.is_floating_point() and not (x.abs() <= 1 + 1e-4).all():  # NaN is not either
        raise ZooError("the images have values outside [-1, 1]; give floats in that range, or uint8, 0 to 255")
    x, signed = x[:, :channels].detach(), config.data.range == "[-1, 1]"
    if x.dtype == torch.uint8:
        return x.float() / 127.5 - 1 if signed else x.float() / 255
    return x.float() if signed else (x.float() + 1) / 2


def load_discriminator(
    config: ModelConfig, file: DiscriminatorFile, device: str | torch.device = "cpu"
) -> Discriminator:
    """Load the discriminator of a config, fetched if it is not on this machine, in eval mode.

    Raises:
        WeightsUnavailableError: the file is unavailable; the message says why, and how to get it.
        WeightsCorruptedError: the file is damaged, is not the expected file, belongs to another architecture, or holds
            a NaN.
    """
    path = file.locate()
    tensors = weights.read(path)
    check_finite(tensors, path)
    discriminator = build_discriminator(config.discriminator, device="meta")
    load_into(discriminator, tensors, path)
    with fresh_defaults():
        return discriminator.to(device).eval().requires_grad_(False)
