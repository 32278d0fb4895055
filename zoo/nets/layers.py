"""Layers that the networks share: spectral normalisation, conditional batch norm, self-attention.

Spectral normalisation: Miyato et al. 2018 (arXiv 1802.05957), Algorithm 1. Self-attention: Zhang et al. 2019
(arXiv 1805.08318) in the form of BigGAN's code, with max-pooled keys and values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .batch_norm import BatchNorm2d


def channels_last(x: Tensor) -> Tensor:
    """Return (N, C, H, W) with a pixel's channels contiguous in memory, which is fastest for every kernel that follows.

    Later layers keep this layout, so networks set it once, where maps begin: a linear layer's output viewed as
    maps has the other layout, for which PyTorch's resampling kernels are dozens of times slower on a GPU.
    """
    return x.contiguous(memory_format=torch.channels_last)


class IteratesTogether(nn.Module):
    """A network whose power iterations can be made together, at the beginning of a forward (see `power_iteration`)."""

    normalized_together: Callable[[list[Any]], list[list[Tensor]]] | None = None


class SpectralNorm(nn.Module):
    """Mixin for a layer whose weight is divided by an estimate of its largest singular value.

    One power iteration per forward in training mode, v first, then u; both are stored and constant for the gradient.
    `iterations` is 2 for a forward that stands for two (see `power_iteration.forwards_in_one`).
    In eval mode the stored vectors are used as they are, unless `iterates_in_eval` (two networks of Mimicry), where
    an iteration runs and is discarded. `u` has the length of the output channels, `v` that of the flattened rest.
    """

    output_axis = 0  # of the weight; 1 for transposed convolutions
    prepared: Tensor | None = None  # the normalised weight, where `power_iteration` has made it for this forward
    iterations = 1  # a forward in training mode
    weight: Tensor
    u: Tensor
    v: Tensor

    def init_spectral_norm(self, eps: float, iterates_in_eval: bool = False) -> None:
        self.eps = eps
        self.iterates_in_eval = iterates_in_eval
        rows, columns = self.weight_matrix().shape
        self.register_buffer("u", torch.empty(rows))
        # Where every forward iterates, v is recomputed from u before it is used, so it is not part of the state.
        self.register_buffer("v", torch.empty(columns), persistent=not iterates_in_eval)
        if not self.u.is_meta:
            for vector in (self.u, self.v):
                vector.copy_(F.normalize(torch.empty_like(vector).normal_(), dim=0, eps=eps))

    def weight_matrix(self) -> Tensor:
        """The weight as a matrix (output channels, everything else)."""
        return self.weight.transpose(0, self.output_axis).flatten(1)

    @torch.no_grad()
    def power_iterate(self, times: int) -> None:
        """Move the stored vectors towards the singular vectors of the current weight."""
        matrix = self.weight_matrix()
        for _ in range(times):
            self.v.copy_(F.normalize(torch.mv(matrix.t(), self.u), dim=0, eps=self.eps))
            self.u.copy_(F.normalize(torch.mv(matrix, self.v), dim=0, eps=self.eps))

    def normalized_weight(self) -> Tensor:
        """Return weight / sigma, after a power iteration if the mode requires one."""
        if self.prepared is not None:
            return self.prepared
        with torch.autocast(self.weight.device.type, enabled=False):  # the iteration needs full precision
            matrix, u, v = self.weight_matrix(), self.u, self.v
            if self.training or self.iterates_in_eval:
                with torch.no_grad():
                    for _ in range(self.iterations):
                        v = F.normalize(torch.mv(matrix.t(), u), dim=0, eps=self.eps)
                        u = F.normalize(torch.mv(matrix, v), dim=0, eps=self.eps)
                    if self.training:  # u and v themselves stay as they are for the backward pass
                        self.u.copy_(u)
                        self.v.copy_(v)
            sigma = torch.dot(u, torch.mv(matrix, v))
            return self.weight / sigma


class SNConv2d(SpectralNorm, nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.normalized_weight(), self.bias)


class SNConvTranspose2d(SpectralNorm, nn.ConvTranspose2d):
    output_axis = 1

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        assert isinstance(self.padding, tuple)
        assert output_size is None, "`Layers.conv_transpose` chooses it"
        return F.conv_transpose2d(
            input, self.normalized_weight(), self.bias, self.stride, self.padding, self.output_padding
        )


class SNLinear(SpectralNorm, nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.normalized_weight(), self.bias)


class SNEmbedding(SpectralNorm, nn.Embedding):
    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.normalized_weight())


@dataclass(frozen=True)
class Layers:
    """Makes layers with or without spectral normalisation, so that the networks need no case distinction."""

    spectral_norm: bool
    eps: float
    iterates_in_eval: bool = False

    def conv(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
        """Convolution that keeps the resolution at stride 1 and halves it at stride 2."""
        padding = (kernel - 1) // 2
        cls = SNConv2d if self.spectral_norm else nn.Conv2d
        return self._finish(cls(in_channels, out_channels, kernel, stride, padding, bias=bias))

    def conv_transpose(
        self, in_channels: int, out_channels: int, kernel: int, short: bool = False
    ) -> nn.ConvTranspose2d:
        """Stride-2 transposed convolution that doubles the resolution (kernel 3 or 4), or ends a pixel short (3)."""
        cls = SNConvTranspose2d if self.spectral_norm else nn.ConvTranspose2d
        return self._finish(cls(in_channels, out_channels, kernel, 2, 1, output_padding=kernel % 2 - short))

    def linear(self, in_features: int, out_features: int, bias: bool = True) -> nn.Linear:
        cls = SNLinear if self.spectral_norm else nn.Linear
        return self._finish(cls(in_features, out_features, bias=bias))

    def embedding(self, num: int, dim: int) -> nn.Embedding:
        cls = SNEmbedding if self.spectral_norm else nn.Embedding
        return self._finish(cls.from_pretrained(torch.zeros(num, dim), freeze=False))  # filled by `initialise`

    def _finish(self, layer):
        if self.spectral_norm:
            layer.init_spectral_norm(self.eps, self.iterates_in_eval)
        return layer


class ConditionalBatchNorm2d(nn.Module):
    """Batch norm whose gain and bias are linear in a condition: (offset + gain(c)) * norm(x) + bias(c).

    A class label is given as a one-hot vector, so the columns of the two weights are the classes' gains and biases.
    """

    def __init__(self, channels: int, condition_dim: int, layers: Layers, eps: float, offset: int):
        super().__init__()
        self.offset = offset
        self.norm = BatchNorm2d(channels, eps=eps, affine=False)
        self.gain = layers.linear(condition_dim, channels, bias=False)
        self.bias = layers.linear(condition_dim, channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain = self.gain(condition)[:, :, None, None]
        bias = self.bias(condition)[:, :, None, None]
        return torch.addcmul(bias, self.norm(x), self.offset + gain)


class _ChannelsLastGradient(torch.autograd.Function):
    """Identity whose gradient gets the layout of the tensor."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:  # apart from `forward`, as torch.func.grad wants it
        pass

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        return channels_last(gradient)


class SelfAttention(nn.Module):
    """x + gain * attention(x); keys (phi) and values are max-pooled, the gain starts at 0."""

    def __init__(self, channels: int, layers: Layers):
        super().__init__()
        self.theta = layers.conv(channels, channels // 8, 1, bias=False)
        self.phi = layers.conv(channels, channels // 8, 1, bias=False)
        self.value = layers.conv(channels, channels // 2, 1, bias=False)
        self.output = layers.conv(channels // 2, channels, 1, bias=False)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query = self.theta(x).flatten(2)  # (N, C/8, HW)
        key = F.max_pool2d(self.phi(x), 2)
        key = _ChannelsLastGradient.apply(key).flatten(2)  # (N, C/8, HW/4); a product's gradient is as the product is
        value = F.max_pool2d(self.value(x), 2).flatten(2)  # (N, C/2, HW/4)
        scores = query.transpose(1, 2) @ key  # (N, HW, HW/4)
        weights = scores.softmax(dim=-1, dtype=scores.dtype)  # autocast would return float32, which is not needed
        attended = (weights @ value.transpose(1, 2)).transpose(1, 2)  # (N, C/2, HW), channels side by side
        return x + self.gain * self.output(attended.unflatten(2, x.shape[2:]))


def activation(name: str, leak: float = 0.1) -> nn.Module:
    return nn.ReLU() if name == "relu" else nn.LeakyReLU(leak)  # 0.1 is the slope of StudioGAN


def initialise(network: nn.Module, scheme: str) -> None:
    """Draw all weights. "xavier" (Mimicry): gain sqrt(2) for the 3x3 convolutions of a block, 1 elsewhere, attention
    and biases as PyTorch leaves them. "xavier-main-path" (Mimicry's WGAN-GP): so, but shortcuts and the generator's
    last convolution are left to PyTorch too. "orthogonal" and "normal" (StudioGAN; deviation 0.02): biases zero. A
    network on the meta device is not changed: its weights are loaded next."""
    if next(network.parameters()).is_meta:
        return
    for name, module in network.named_modules():
        if not isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)):
            continue
        if scheme.startswith("xavier"):
            leaf = name.rpartition(".")[2]
            left_alone = "attention" in name or (scheme == "xavier-main-path" and leaf in ("shortcut", "output"))
            if not left_alone:
                nn.init.xavier_uniform_(module.weight, math.sqrt(2) if leaf in ("conv1", "conv2") else 1.0)
            continue
        if scheme == "orthogonal":
            nn.init.orthogonal_(module.weight)
        else:
            nn.init.normal_(module.weight, 0, 0.02)
        bias = getattr(module, "bias", None)
        if bias is not None:
            nn.init.zeros_(bias)
    for module in network.modules():
        if isinstance(module, ConditionalBatchNorm2d) and module.offset == 0:
            nn.init.normal_(module.gain.weight, 1, 0.02)
            nn.init.zeros_(module.bias.weight)
        if isinstance(module, SpectralNorm):
            module.power_iterate(5)  # with random vectors, an untrained network in eval mode would not be normalised


def keep_iterating(network: nn.Module) -> None:
    """Put the spectrally normalised layers alone into training mode, as StudioGAN does while it samples."""
    for module in network.modules():
        if isinstance(module, SpectralNorm):
            module.train()


def settle_spectral_norm(network: nn.Module, iterations: int = 20) -> None:
    """Move all stored spectral norm vectors towards the singular vectors of the current weights."""
    for module in network.modules():
        if isinstance(module, SpectralNorm):
            module.power_iterate(iterations)
