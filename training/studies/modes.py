"""Modes of Stacked MNIST: which of the 1000 an image shows, how many occur, how evenly (InfoMax-GAN, A.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MODES = 1000


@torch.no_grad()
def modes_of(images: Tensor, classifier: nn.Module, batch_size: int = 64) -> Tensor:
    """Return the mode 100 a + 10 b + c of each image, whose channels are classified as the digits a, b and c.

    Args:
        images: (N, 3, 28, 28) uint8.
        classifier: grey images (N, 1, 28, 28) in [0, 1] to logits (N, 10), in eval mode.

    Returns:
        (N,) int64, 0 ... 999, on the CPU.
    """
    device, found = next(classifier.parameters()).device, []
    for part in images.split(batch_size):
        digits = classifier(part.flatten(0, 1)[:, None].to(device).float() / 255).argmax(dim=1)
        hundreds, tens, ones = digits.view(-1, 3).unbind(dim=1)
        found.append((100 * hundreds + 10 * tens + ones).cpu())
    return torch.cat(found)


def counts_of(modes: Tensor) -> Tensor:
    """Count the images of each mode, (1000,) int64."""
    return modes.bincount(minlength=MODES)


def recovered(counts: Tensor) -> int:
    """Count the modes that at least one image shows."""
    return int((counts > 0).sum())


def kl_to_uniform(counts: Tensor) -> float:
    """Return KL(p || q) in nats of the modes' shares p to the uniform q, 0 ... ln 1000 = 6.908 (Table 5)."""
    p = counts.double() / counts.sum()
    p = p[p > 0]
    return max(0.0, float((p * (p * len(counts)).log()).sum()))
