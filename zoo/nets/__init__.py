"""The networks. Torch modules only: no files, no downloads, no choice of device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, TypeVar, get_args

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.overrides import TorchFunctionMode

from ..common.errors import ConfigError
from ..common.text import short
from ..common.torch_defaults import fresh_defaults
from ..schema import architecture
from .batch_norm import concatenated_batches, has_batch_norm, synchronise, untracked_statistics
from .biggan import BigGANGenerator
from .bottleneck import BigGANDeepGenerator
from .dcgan import DCGANDiscriminator, DCGANGenerator
from .heads import Discriminator, DiscriminatorOutput
from .layers import SpectralNorm, keep_iterating, settle_spectral_norm
from .power_iteration import copy_all, forwards_in_one, iterate_together, normalized
from .resample import fold_resampling
from .resnet import ResNetDiscriminator, ResNetGenerator

__all__ = [
    "BigGANDeepGenerator",
    "BigGANGenerator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "Discriminator",
    "DiscriminatorOutput",
    "Generator",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "SpectralNorm",
    "build_discriminator",
    "build_generator",
    "concatenated_batches",
    "copy_all",
    "fold_resampling",
    "forwards_in_one",
    "has_batch_norm",
    "iterate_together",
    "keep_iterating",
    "normalized",
    "settle_spectral_norm",
    "synchronise",
    "untracked_statistics",
]

Generator = ResNetGenerator | BigGANGenerator | BigGANDeepGenerator | DCGANGenerator
Network = TypeVar("Network", bound=nn.Module)

_LARGEST = 500_000_000  # parameters and buffers of a network; BigGAN-deep at 512 pixels has a fifth of this

_GENERATORS = {
    "resnet": ResNetGenerator,
    "biggan": BigGANGenerator,
    "biggan-deep": BigGANDeepGenerator,
    "dcgan": DCGANGenerator,
}
_DISCRIMINATORS = {"resnet": ResNetDiscriminator, "dcgan": DCGANDiscriminator}


def build_generator(
    spec: architecture.Generator, device: str | torch.device = "cpu", random: torch.Generator | None = None
) -> Generator:
    """Build an untrained generator from `config.generator`, in training mode, float32 whatever the process's defaults.

    Call it with z (N, latent_dim) ~ N(0, 1), and labels (N,) int64 if `spec.num_classes`; it returns images
    (N, image_channels, resolution, resolution).

    Args:
        device: a torch device, or "meta" for a network without memory, whose weights are loaded next.
        random: draws the initial weights, on the device; None: PyTorch's own, from which any thread may draw meanwhile.

    Raises:
        ConfigError: it would exceed the zoo's size limit, or the memory.
    """
    return _built("generator", _GENERATORS[_architecture("generator", spec)], spec, device, random)


def build_discriminator(
    spec: architecture.Discriminator, device: str | torch.device = "cpu", random: torch.Generator | None = None
) -> Discriminator:
    """Build an untrained discriminator from `config.discriminator`, as `build_generator` does.

    See `DiscriminatorOutput` for what it returns.
    """
    return _built("discriminator", _DISCRIMINATORS[_architecture("discriminator", spec)], spec, device, random)


def _architecture(part: str, spec: Any) -> str:
    """Return the name of a spec's architecture; a whole config, or the spec of the other network, is refused."""
    expected = {"generator": architecture.Generator, "discriminator": architecture.Discriminator}[part]
    if not isinstance(spec, get_args(get_args(expected)[0])):
        raise ConfigError(f"a {part} is built from its spec, not from {short(spec)}; give config.{part}")
    return spec.architecture


def _built(
    part: str, network: Callable[[Any], Network], spec, device: str | torch.device, random: torch.Generator | None
) -> Network:
    """Build the network after a check of its size."""
    size = _at_most(spec)
    if size > _LARGEST // 2:  # in doubt: counted on a device that takes no memory, in milliseconds
        outline = _outline(network, spec)
        size = sum(tensor.numel() for tensor in (*outline.parameters(), *outline.buffers()))
    told = f"{part} would have {size / 1e6:,.0f} million parameters, {4 * size / 1e9:,.1f} GB"
    if size > _LARGEST:
        raise ConfigError(
            f"this {told}; at most {_LARGEST // 10**6} million are built: lower its channels, latent_dim, embeddings "
            f"or classes"
        )
    if str(device) == "meta":
        return _outline(network, spec)
    try:
        with fresh_defaults(device), _DrawnFrom(random) if random else nullcontext():
            return network(spec)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            raise ConfigError(f"this {told}, and there is not so much memory; use a smaller one") from None
        raise


def _outline(network: Callable[[Any], Network], spec) -> Network:
    with fresh_defaults("meta"), _NoInitialWeights():
        return network(spec)


class _NoInitialWeights(TorchFunctionMode):
    """Builds modules without initial weights, which have no values on the meta device."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return function(*args, **kwargs)


class _DrawnFrom(TorchFunctionMode):
    """Draws initial weights from a generator, to which PyTorch's own layers have no argument."""

    _DRAWS = (init.uniform_, init.normal_, init.kaiming_uniform_, Tensor.uniform_, Tensor.normal_)

    def __init__(self, generator: torch.Generator):
        self.generator = generator

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        return function(*args, **(kwargs | {"generator": self.generator} if function in self._DRAWS else kwargs))


def _at_most(spec) -> int:
    """Bound a network's size from above: convolutions between its widest layers, and from each of its other numbers
    (latents, classes, embeddings) to each of those."""
    widest, layers = max(spec.channels), len(spec.channels)
    others = sum(_numbers(spec.model_dump(exclude={"channels"})))
    return layers * (28 * widest**2 + 64 * widest * others)


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _numbers(item)
