"""Batches as a pure function of the run's seed and a counter, so that a run can stop and go on anywhere."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo import latents
from zoo.config import ModelConfig
from zoo.datasets import Dataset

_ORDER, _FLIP = (1 << 24) + 1, (1 << 24) + 2  # purposes of random words, beside those of zoo.latents


class Batches:
    """Real images and fake inputs of one run. The data lives on the device as uint8."""

    def __init__(self, config: ModelConfig, dataset: Dataset, seed: int, device: torch.device | str = "cpu"):
        self.config, self.seed, self.device = config, seed, torch.device(device)
        self.images, self.labels = dataset.images.to(device), dataset.labels.to(device)
        self.batch_size = config.training.batch_size
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def real(self, k: int) -> tuple[Tensor, Tensor | None]:
        """The k-th batch of real images, in the data's range, and its labels (None without classes).

        Images come in a fresh random order every epoch; a batch may straddle two epochs.
        """
        first = k * self.batch_size
        indices = torch.stack([self._index(i) for i in range(first, first + self.batch_size)]).to(self.device)
        images = self.images[indices].float()
        images = images / 127.5 - 1 if self.config.data.range == "[-1, 1]" else images / 255
        if self.config.data.flip:
            heads = latents.words(self.seed, first, self.batch_size, _FLIP) & 1 == 1
            images = torch.where(heads.to(self.device)[:, None, None, None], images.flip(3), images)
        images = images.contiguous(memory_format=torch.channels_last)
        return images, self.labels[indices] if self.config.conditional else None

    def fake(self, k: int) -> tuple[Tensor, Tensor | None]:
        """The k-th batch of latents (N, latent_dim) and uniform labels (None without classes)."""
        first, n = k * self.batch_size, self.batch_size
        z = latents.normal(self.seed, first, n, self.config.generator.latent_dim).to(self.device)
        if not self.config.conditional:
            return z, None
        return z, latents.labels(self.seed, first, n, self.config.num_classes).to(self.device)

    def _index(self, position: int) -> Tensor:
        epoch, offset = divmod(position, len(self.images))
        if epoch != self._epoch:
            n = len(self.images)
            self._order = latents.words(self.seed, epoch * n, n, _ORDER).argsort(stable=True)
            self._epoch = epoch
        return self._order[offset]
