"""The power iterations of all layers of a network together: a handful of large operations instead of eight a layer.

It pays where launching an operation costs more than doing it, which is on GPUs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .heads import InfoMaxCritics
from .layers import SpectralNorm


def iterate_together(network: nn.Module) -> None:
    """From now on, each forward in training mode begins with one power iteration of all layers at once.

    Nothing else changes: the same iteration, once a forward, for the layers that a forward uses. InfoMax critics are
    not among them; their iterations belong to the loss.
    """
    network.register_forward_pre_hook(_prepare)
    network.register_forward_hook(_forget, always_call=True)


def _layers(network: nn.Module) -> list[SpectralNorm]:
    apart = {m for critics in network.modules() if isinstance(critics, InfoMaxCritics) for m in critics.modules()}
    return [module for module in network.modules() if isinstance(module, SpectralNorm) and module not in apart]


def _prepare(network: nn.Module, _) -> None:
    if not network.training:
        return
    groups: dict[tuple, list[SpectralNorm]] = {}
    for layer in _layers(network):
        groups.setdefault((layer.weight_matrix().shape, layer.eps), []).append(layer)
    with torch.autocast(next(network.parameters()).device.type, enabled=False):
        for (_, eps), layers in groups.items():
            for layer, weight in zip(layers, _normalized(layers, eps), strict=True):
                layer.prepared = weight


def _forget(network: nn.Module, *_) -> None:
    for layer in _layers(network):
        layer.prepared = None


def _normalized(layers: list[SpectralNorm], eps: float) -> list[Tensor]:
    """Each layer's weight over sigma, after one iteration; the layers' matrices have one shape."""
    matrices = torch.stack([layer.weight_matrix() for layer in layers])  # (L, rows, columns)
    with torch.no_grad():
        u = torch.stack([layer.u for layer in layers])[:, :, None]
        v = F.normalize(matrices.mT @ u, dim=1, eps=eps)
        u = F.normalize(matrices @ v, dim=1, eps=eps)
        torch._foreach_copy_([layer.u for layer in layers], list(u[:, :, 0].unbind()))
        torch._foreach_copy_([layer.v for layer in layers], list(v[:, :, 0].unbind()))
    sigma = (u * (matrices @ v)).sum(dim=(1, 2))
    return [layer.weight / s for layer, s in zip(layers, sigma.unbind(), strict=True)]
