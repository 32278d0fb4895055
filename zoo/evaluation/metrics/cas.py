"""CAS, the classification accuracy score (Ravuri & Vinyals 2019, arXiv 1905.10887): train on generated, test on real.

A classifier is trained from random weights on generated images and the labels asked for, and tested on real images that
the generator has not seen. The paper takes ResNet-50, which alone is called CAS here; ResNet-20 of He et al. (2016)
costs a thirtieth and ranks models of small images. The score of the real training images themselves is the yardstick.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...common.torch_defaults import fresh_defaults

if TYPE_CHECKING:
    from ..protocols.protocol import CAS

_WEIGHT_DECAY, _MOMENTUM = 5e-4, 0.9
_SMALL = 64  # pixels: up to this side, the first convolution and pooling keep the size


def predictions(
    images: Tensor,
    labels: Tensor,
    real: Tensor,
    num_classes: int,
    settings: CAS,
    *,
    flips: bool = False,
    device: torch.device | str = "cpu",
    seed: int = 0,
    advance: Callable[[int], object] = lambda n: None,
) -> Tensor:
    """Train on images and predict the labels of others: (M,) int64 on the CPU, the same for the same seed.

    Args:
        images, labels: uint8 (N, 3, H, W) and (N,).
        real: uint8 (M, 3, H, W).
        flips: mirror half of the images in training.
        advance: called with 1 after each epoch.
    """
    draw = torch.Generator().manual_seed(seed)
    with fresh_defaults(), torch.backends.cudnn.flags(deterministic=True, benchmark=False):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build(settings.network, num_classes, images.shape[2])
        network = network.to(device).to(memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue]
        optimizer = torch.optim.SGD(
            network.parameters(), settings.learning_rate, _MOMENTUM, weight_decay=_WEIGHT_DECAY, nesterov=True
        )
        batches = max(1, len(images) // settings.batch_size)  # the rest is left out of an epoch
        for epoch in range(settings.epochs):
            order = torch.randperm(len(images), generator=draw)
            for i, chosen in enumerate(order.tensor_split(batches)):
                for group in optimizer.param_groups:
                    share = (epoch + i / batches) / settings.epochs
                    group["lr"] = settings.learning_rate * (1 + math.cos(math.pi * share)) / 2
                x = _augmented(images[chosen], flips, draw)
                loss = F.cross_entropy(network(_normal(x, device)), labels[chosen].to(device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            advance(1)
        network.eval()
        with torch.no_grad():
            return torch.cat([network(_normal(x, device)).argmax(dim=1).cpu() for x in real.split(512)])


def build(name: str, num_classes: int, side: int) -> nn.Module:
    """Build "resnet20" or "resnet50" with random weights."""
    from torchvision.models import resnet

    if name == "resnet20":
        return _resnet20(num_classes)
    network = resnet.resnet50(num_classes=num_classes)
    if side <= _SMALL:
        network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    return network


def _resnet20(num_classes: int) -> nn.Module:
    """Three stages of three blocks, of 16, 32 and 64 channels, at full, half and quarter size."""
    from torchvision.models.resnet import BasicBlock

    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    width = 16
    for planes in (16, 32, 64):
        for _ in range(3):
            stride = planes // width
            shortcut = nn.Sequential(nn.Conv2d(width, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))
            layers.append(BasicBlock(width, planes, stride, shortcut if stride > 1 else None))
            width = planes
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, num_classes))


def _normal(images: Tensor, device: torch.device | str) -> Tensor:
    return (images.to(device).float() / 127.5 - 1).to(memory_format=torch.channels_last)


def _augmented(images: Tensor, flips: bool, draw: torch.Generator) -> Tensor:
    """Shift each image by up to an eighth of its side, with black beyond the edges, and mirror half of them."""
    count, _, height, width = images.shape
    most = height // 8
    padded = F.pad(images, (most,) * 4)
    down, right = (torch.randint(0, 2 * most + 1, (count, 1), generator=draw) for _ in range(2))
    rows, columns = down + torch.arange(height), right + torch.arange(width)
    if flips:
        mirrored = torch.rand(count, 1, generator=draw) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    every = torch.arange(count)[:, None, None]
    return padded.permute(0, 2, 3, 1)[every, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
