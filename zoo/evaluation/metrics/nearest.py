"""Is a generated image a copy? The training images that are nearest to it, by their pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 4096  # real images that are compared at once

CountCallback = Callable[[int, int], None]  # done, of how many real images


@dataclass(frozen=True)
class Nearest:
    """The nearest real images of each of N images, nearest first.

    Attributes:
        numbers: (N, k) int64, places among the real images.
        distances: (N, k) float32, root mean square differences of pixels, 0 to 255.
    """

    numbers: Tensor
    distances: Tensor


def nearest(
    images: Tensor, real: Tensor, k: int = 1, flips: bool = False, callback: CountCallback | None = None
) -> Nearest:
    """The k real images nearest to each image.

    Args:
        images, real: uint8 (N, C, H, W) and (M, C, H, W) with k <= M.
        flips: compare mirrored, too, as after a training with random flips.
        callback: called now and then.
    """
    import torch

    wanted = images.float().flatten(1)
    versions = [wanted, images.flip(3).float().flatten(1)] if flips else [wanted]
    best = Nearest(torch.empty(len(images), 0, dtype=torch.int64), torch.empty(len(images), 0))
    for first in range(0, len(real), _BLOCK):
        block = real[first : first + _BLOCK].float().flatten(1)
        found = torch.stack([torch.cdist(version, block) for version in versions]).amin(dim=0)
        here = torch.arange(first, first + len(block)).expand(len(images), -1)
        distances, numbers = torch.cat((best.distances, found), 1), torch.cat((best.numbers, here), 1)
        distances, order = distances.topk(min(k, distances.shape[1]), largest=False)
        best = Nearest(numbers.gather(1, order), distances)
        if callback:
            callback(min(first + _BLOCK, len(real)), len(real))
    return Nearest(best.numbers, best.distances / wanted.shape[1] ** 0.5)


def usual_distances(real: Tensor, probes: int = 64, callback: CountCallback | None = None) -> Tensor:
    """How far some real images, evenly spaced, are from their nearest other one: (probes,) float32.

    Args:
        real: uint8 (M, C, H, W), M > 1. An exact duplicate is 0 away.
    """
    import torch

    chosen = torch.linspace(0, len(real) - 1, min(probes, len(real))).long()
    found = nearest(real[chosen], real, 2, callback=callback)
    # Each is among its own two nearest; beside an exact duplicate, in either place.
    return torch.where(found.numbers[:, 0] == chosen, found.distances[:, 1], found.distances[:, 0])
