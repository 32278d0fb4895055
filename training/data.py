"""Batches as a pure function of the run's seed and a counter, so that a run can stop and continue anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.common import philox
from zoo.datasets import Dataset
from zoo.sampling import latents
from zoo.schema.config import ModelConfig

from .processes import Processes
from .streams import Ahead, Stream

_ORDER, _FLIP = (1 << 24) + 1, (1 << 24) + 2  # purposes of random words, beside those of zoo.sampling.latents
_DRAWN_AT_ONCE = 64  # batches of latents: drawing many together costs as many small operations as drawing one
_DEVICE_SHARE = 0.6  # of a GPU's free memory that the images may take


class Real(NamedTuple):
    """Images (N, C, H, W) in the data's range, and labels (N,), None without classes."""

    images: Tensor
    labels: Tensor | None


class Fake(NamedTuple):
    """Latents (N, latent_dim), and labels (N,), None without classes."""

    z: Tensor
    labels: Tensor | None


class Batches:
    """Real images and fake inputs of one run; every process takes its rows of each global batch.

    The images are on the device as uint8 where they fit, else they stay where they are (in memory, or in a
    memory-mapped file) and the next batches are fetched while the present ones are used.
    """

    def __init__(
        self,
        config: ModelConfig,
        dataset: Dataset,
        seed: int,
        device: torch.device | str = "cpu",
        processes: Processes = Processes(),  # noqa: B008 (immutable)
    ):
        self.config, self.seed, self.device, self.processes = config, seed, torch.device(device), processes
        self.resident = fits(dataset.images, self.device)
        self.images = dataset.images.to(self.device) if self.resident else dataset.images
        self.labels = dataset.labels.to(self.device)
        self.batch_size = config.training.batch_size
        self._order = Stream(len(self.images), self._permutation, self.images.device)
        self._flips = self._stream(philox.words, _FLIP)
        self._latents = self._stream(latents.normal, config.generator.latent_dim)
        self._fake_labels = self._stream(latents.labels, config.num_classes)
        self._fetched = self._reals_of_step if self.resident else Ahead(self._reals_of_step)

    def _stream(self, draw: Callable[..., Tensor], *about: int) -> Stream:
        n = _DRAWN_AT_ONCE * self.batch_size
        return Stream(n, lambda k: draw(self.seed, k * n, n, *about), self.device)

    # ------------------------------------------------------------------------------------------------ real images

    def real(self, k: int) -> Real:
        """Return this process's rows of the k-th batch of real images.

        Images come in a fresh random order every epoch; a batch may straddle two epochs.
        """
        return self._reals(k, 1)[0]

    def _reals(self, first: int, count: int) -> list[Real]:
        """Return batches first ... first + count - 1, looked up together."""
        start, n = first * self.batch_size, count * self.batch_size
        indices = self._own_rows(self._order.take(start, n))
        images = self.images[indices]
        if images.device != self.device:
            images = to_device(images, self.device)
        images = in_range(images, self.config)
        if self.config.data.flip:
            heads = self._own_rows(self._flips.take(start, n)) & 1 == 1
            images = torch.where(heads[:, None, None, None], images.flip(3), images)
        images = images.contiguous(memory_format=torch.channels_last).chunk(count)
        if not self.config.conditional:
            return [Real(part, None) for part in images]
        labels = self.labels[to_device(indices, self.device)].chunk(count)
        return [Real(*pair) for pair in zip(images, labels, strict=True)]

    def _own_rows(self, values: Tensor) -> Tensor:
        """Select this process's rows from the values of consecutive global batches."""
        return values.view(-1, self.batch_size)[:, self.processes.rows(self.batch_size)].flatten()

    def _permutation(self, epoch: int) -> Tensor:
        """Return the indices of an epoch's images in the data."""
        size = len(self.images)
        return philox.words(self.seed, epoch * size, size, _ORDER).argsort(stable=True)

    # ------------------------------------------------------------------------------------------------ fake inputs

    def fake(self, k: int) -> Fake:
        """Return this process's rows of the k-th batch of latents, with uniform labels."""
        rows = self.processes.rows(self.batch_size)
        place = k * self.batch_size + rows.start, rows.stop - rows.start
        return Fake(self._latents.take(*place), self._fake_labels.take(*place) if self.config.conditional else None)

    # --------------------------------------------------------------------------------------------------- one step

    def of_step(self, step: int) -> tuple[list[Real], list[Fake]]:
        """Return all batches of one generator step: the real and fake batches of each discriminator update, then the
        fake batches of the generator update; `accumulation` batches per update."""
        accumulation = self.config.training.accumulation
        fake = self._real_batches + accumulation
        return self._fetched(step), [self.fake(k) for k in range(step * fake, (step + 1) * fake)]

    @property
    def _real_batches(self) -> int:
        return self.config.training.discriminator_steps * self.config.training.accumulation

    def _reals_of_step(self, step: int) -> list[Real]:
        return self._reals(step * self._real_batches, self._real_batches)


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Copy to the device without waiting for a GPU's queued kernels."""
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def in_range(images: Tensor, config: ModelConfig) -> Tensor:
    """Convert uint8 images (N, C, H, W) to floats in the range that the networks expect."""
    images = images.float()
    return images / 127.5 - 1 if config.data.range == "[-1, 1]" else images / 255


def fits(images: Tensor, device: torch.device) -> bool:
    """Return True if the images may stay on the device: on a CPU, if they are in memory already."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return images.numel() < _DEVICE_SHARE * free
    return device.type != "cpu" or images.device.type == "cpu"
