"""The power iterations of all layers of a network together: a few large operations instead of twenty per layer.

This is faster where launching an operation costs more than running it: on GPUs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .heads import Heads, InfoMaxCritics
from .layers import IteratesTogether, SpectralNorm


class Alike(NamedTuple):
    """The tensors of layers that iterate together: their weights have one shape."""

    weights: list[Tensor]
    us: list[Tensor]
    vs: list[Tensor]
    output_axis: int
    eps: float
    iterations: int
    dtype: torch.dtype  # of the result


def normalized(groups: list[Alike]) -> list[list[Tensor]]:
    """Return each weight / sigma after its iterations, which update the stored vectors; a function of tensors alone."""
    return [_normalized(group) for group in groups]


def iterate_together(network: IteratesTogether, how: Callable[[list[Alike]], list[list[Tensor]]] = normalized) -> None:
    """From now on, each forward in training mode begins with the power iterations of all layers at once.

    Nothing else changes: the same iterations, once per forward, for the layers that a forward uses. InfoMax critics are
    not among them; their iterations belong to the loss, and begin with their own forward.

    Args:
        how: `normalized`, or a compiled form of it; it replaces that of an earlier call.
    """
    for part in (m for m in network.modules() if isinstance(m, IteratesTogether)):
        if part.normalized_together is None:
            part.register_forward_pre_hook(_prepare)
            part.register_forward_hook(_forget, always_call=True)
        part.normalized_together = how


@contextmanager
def forwards_in_one(network: nn.Module, count: int) -> Iterator[None]:
    """Inside, a forward makes the power iterations of `count` forwards; all rows use the last sigma."""
    layers = _layers(network)
    for layer in layers:
        layer.iterations = count
    try:
        yield
    finally:
        for layer in layers:
            layer.iterations = 1


def _in_heads(network: nn.Module) -> set[nn.Module]:
    return {m for heads in network.modules() if isinstance(heads, Heads) for m in heads.modules()}


def _layers(network: nn.Module) -> list[SpectralNorm]:
    critics = [m for m in network.modules() if isinstance(m, InfoMaxCritics) and m is not network]
    apart = {module for part in critics for module in part.modules()}
    return [module for module in network.modules() if isinstance(module, SpectralNorm) and module not in apart]


def _prepare(network: IteratesTogether, _) -> None:
    if not network.training:
        return
    assert network.normalized_together is not None
    device = next(network.parameters()).device.type
    exact = _in_heads(network)  # autocast does not reach the heads
    groups: dict[tuple, list[SpectralNorm]] = {}
    for layer in _layers(network):
        casts = torch.is_autocast_enabled(device) and layer not in exact
        dtype = torch.get_autocast_dtype(device) if casts else layer.weight.dtype
        alike = layer.weight.shape, layer.output_axis, layer.eps, layer.iterations, dtype
        groups.setdefault(alike, []).append(layer)
    inputs = [
        Alike([x.weight for x in layers], [x.u for x in layers], [x.v for x in layers], *about)
        for (_, *about), layers in groups.items()
    ]
    with torch.autocast(device, enabled=False):
        for layers, weights in zip(groups.values(), network.normalized_together(inputs), strict=True):
            for layer, weight in zip(layers, weights, strict=True):
                layer.prepared = weight


def _forget(network: nn.Module, *_) -> None:
    for layer in _layers(network):
        layer.prepared = None


def _normalized(group: Alike) -> list[Tensor]:
    """Return the normalised weights of one group.

    A channels-last weight is a matrix whose columns have the input channels last, without a copy; so is its gradient.
    """
    moved = group.weights[0].movedim(1, -1).shape  # (O, kh, kw, I); of a transposed convolution (I, kh, kw, O)
    transposed = group.output_axis == 1
    flat = torch.stack([w.movedim(1, -1).flatten(*((0, -2) if transposed else (1, -1))) for w in group.weights])
    matrices = flat.mT if transposed else flat  # (L, output channels, everything else)
    with torch.no_grad():
        u = torch.stack(group.us)[:, :, None]
        u, v = _iterated(matrices, u, group.eps)
        for _ in range(group.iterations - 1):
            u, v = _iterated(matrices, u, group.eps)
        # stored in the order of `weight_matrix`, with the input channels first
        stored = v[:, :, 0] if transposed else v.view(-1, *moved[1:]).movedim(-1, 1).flatten(1)
        copy_all(group.us, list(u[:, :, 0].unbind()))
        copy_all(group.vs, list(stored.unbind()))
    sigma = (u * (matrices @ v)).sum(dim=(1, 2), keepdim=True)
    return [weight.view(moved).movedim(-1, 1) for weight in (flat / sigma).to(group.dtype).unbind()]


def _iterated(matrices: Tensor, u: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return u and v after one iteration of matrices (L, M, N): v first, then u."""
    v = F.normalize(matrices.mT @ u, dim=1, eps=eps)
    return F.normalize(matrices @ v, dim=1, eps=eps), v


def copy_all(targets: list[Tensor], sources: list[Tensor]) -> None:
    """Fill tensors with others of their shapes, in one operation."""
    if targets:
        torch._foreach_copy_(targets, sources)  # pyright: ignore[reportPrivateImportUsage] (there is no public name)
