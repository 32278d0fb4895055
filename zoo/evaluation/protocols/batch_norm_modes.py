"""A generator under the batch norm modes that published scores were measured in."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ...sampling import latents
from ...sampling.gan import GAN
from .protocol import Sampling

STANDING_BATCHES, STANDING_SEED = 256, 2**32  # of the passes that collect standing statistics; no sampling seed


def generator(model: GAN, sampling: Sampling) -> Callable[[Tensor, Tensor | None], Tensor]:
    """A generator whose batch norm uses the statistics of each batch, or running statistics collected anew.

    The rest stays in evaluation mode, and so does the model itself: this is a copy.
    """
    network = copy.deepcopy(model.generator).eval()
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if sampling.batch_norm == "batch":
        for norm in norms:
            norm.train()
            norm.momentum = 0.0  # running values stay as they are
    else:
        assert isinstance(sampling.batch_size, int), "settled by the plan"
        _collect(network, norms, model, sampling.batch_size)

    @torch.no_grad()
    def generate(z: Tensor, y: Tensor | None) -> Tensor:
        images = network(z, None if y is None else y.to(z.device)).float().expand(-1, 3, -1, -1)
        return images if model.config.data.range == "[-1, 1]" else images * 2 - 1

    return generate


@torch.no_grad()
def _collect(network: nn.Module, norms: list, model: GAN, batch_size: int) -> None:
    """Standing statistics: plain averages over batches of random sizes (StudioGAN, apply_standing_statistics)."""
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for start, count in _random_batches(batch_size):
        z = model.latents(count, STANDING_SEED, start).to(model.device)
        y = latents.labels(STANDING_SEED, start, count, model.num_classes).to(z.device) if model.num_classes else None
        network(z, y)
    for norm in norms:
        norm.eval()


def _random_batches(largest: int) -> Iterator[tuple[int, int]]:
    # A batch of one has no variance at 1x1, and batch norm refuses it.
    sizes = np.random.RandomState(0).randint(min(2, largest), largest + 1, STANDING_BATCHES)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return ((int(start), int(size)) for start, size in zip(starts, sizes, strict=True))
