"""Latents to images, as fast as the device allows.

Images are computed in chunks of a fixed size, on a CPU each by one thread: then the bits of an image depend only on its
latent and its place in the chunk, whatever algorithm a library picks for a shape. A few images would leave most threads
without a chunk, and most of a chunk empty; they are divided among the threads without padding, and differ from those of
a chunk in the last bits of their float32 values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from threading import Lock

import torch
from torch import Tensor, nn

from ..common.errors import ZooError
from ..schema import architecture
from .captured import Captured
from .fingerprint import Fingerprint
from .fuse import can_fuse, fuse
from .fused_layers import Form
from .process_state import float32_products, undisturbed
from .threads import one_thread_each, processors

FEW = 64  # images per call; above it, all are computed in chunks
# Multiplications for one image, by measurement (benchmarks/README.md). Threads share what takes at least _SHARED; they
# wait for each other in every layer, which pays for an image alone. From _HEAVY on Winograd's form is as fast for two
# images of a thread, and for four otherwise.
_SHARED, _HEAVY = 2.5e8, 2.5e9
_PREPARING = Lock()
_ALIGNMENT = 64  # bytes


@contextmanager
def preparing(device: torch.device) -> Iterator[None]:
    """Make the first use independent of its context: autocast, inference mode, float32 precision or several threads."""
    with _PREPARING, undisturbed(device), float32_products(device):
        yield


@contextmanager
def eval_mode(network: nn.Module) -> Iterator[None]:
    """Inside, the network is in eval mode; then each of its modules is again as before."""
    training = [module for module in network.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def in_aligned_memory(network: nn.Module) -> None:
    """Move the network's tensors to memory aligned by PyTorch.

    Weights mapped from a file may be unaligned, and some processors' kernels round differently then: the same weights
    in another file would give other bits.
    """
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.device.type == "cpu" and tensor.data_ptr() % _ALIGNMENT:
            tensor.data = tensor.data.clone(memory_format=torch.preserve_format)


def chunk_of(device: torch.device, architecture: str) -> int:
    """Return the images per chunk; the last chunk is padded."""
    if device.type == "cpu":  # by measurement: DCGANs are small
        return 16 if architecture == "dcgan" else 8
    return 64 if device.type == "cuda" else 16


class Renderer:
    """The eval-mode function of a generator with the weights of one moment, in its fast forms, each made on first use.

    Args:
        generator: on the device, in float32, in either mode.
        fused: rewrite it for inference, if it is as `spec` says; see `zoo.inference.fuse`.
        chunk: images.
        tf32: compute float32 products on an NVIDIA GPU in TF32.

    Raises:
        ZooError: a dtype other than float32 for a generator that cannot be rewritten.
    """

    def __init__(
        self,
        generator: nn.Module,
        spec: architecture.Generator,
        device: torch.device,
        dtype: torch.dtype,
        fused: bool,
        chunk: int,
        tf32: bool = False,
    ):
        self._generator, self._spec = generator, spec
        self._fused = fused and can_fuse(generator, spec)
        self.device, self.dtype, self.chunk, self._tf32 = device, dtype, chunk, tf32
        self._weights = Fingerprint(generator)
        if fused and not self._fused and dtype != torch.float32:
            raise ZooError(
                f"{dtype} needs the generator of the config, and this one has other modules or hooks; use float32"
            )

    def fits(self, generator: nn.Module) -> bool:
        """Return True if the images are those of the generator as it is now."""
        return self._weights.fits(generator)

    @cached_property
    def network(self) -> Callable[[Tensor, Tensor | None], Tensor]:
        """Return the form for whole chunks."""
        return self._form("many")

    @cached_property
    def _alone(self) -> Callable[[Tensor, Tensor | None], Tensor]:
        """Return the form for one image, for which Winograd's larger weights are not worthwhile."""
        return self._form("few") if self._has_forms else self.network

    def _form(self, form: Form) -> Callable[[Tensor, Tensor | None], Tensor]:
        if not self._fused:
            return self._generator
        with preparing(self.device):
            network = fuse(self._generator, form if self._has_forms else "any")
            return network.to(self.device, self.dtype).to(memory_format=torch.channels_last)

    @property
    def _has_forms(self) -> bool:
        return self._fused and self._on_cpu and self.dtype == torch.float32

    @property
    def _on_cpu(self) -> bool:
        return self.device.type == "cpu"

    @cached_property
    def _forward(self) -> Callable[[Tensor, Tensor | None], Tensor]:
        """Return the network for one chunk on the device: on an NVIDIA GPU, a CUDA graph of it."""
        network = self.network
        if self.device.type != "cuda":
            return network
        latent_dim, conditional = self._spec.latent_dim, self._spec.num_classes > 0
        z = torch.zeros(self.chunk, latent_dim, device=self.device, dtype=self.dtype)
        y = torch.zeros(self.chunk, device=self.device, dtype=torch.int64) if conditional else None
        with preparing(self.device), torch.cuda.device(self.device), float32_products(self.device, self._tf32):
            return Captured(network, z, y)

    @property
    def step(self) -> int:
        """Return the images of one chunk per CPU thread."""
        return self.chunk * self._threads

    @property
    def _threads(self) -> int:
        """Return how many threads divide images among them: of no more than the processors, and of two even if there is
        one, so that the bits of few images are the same with fewer and with too many."""
        return max(2, min(torch.get_num_threads(), processors())) if self._on_cpu else 1

    def few(self, n: int, start: int = 0) -> int:
        """Return how many of the last of images start ... start + n - 1 are not computed in chunks.

        All if they are at most half a step, and else as many as are left over after whole steps, if that is no more:
        then they take less time than a chunk.
        """
        if n > FEW or self.device.type == "cuda":  # where a chunk is one graph
            return 0
        if 2 * n <= self.step:
            return n
        left = min(n, (start + n) % self.step)
        return left if 2 * left <= self.step else 0

    def __call__(self, z: Tensor, y: Tensor | None, start: int = 0, few: int = 0) -> Tensor:
        """Generator output (N, C, H, W) float32 for latents (N, D) and labels (N,) of images start ... start + N - 1.

        Args:
            few: number of last images that are not computed in chunks.
        """
        with undisturbed(self.device), float32_products(self.device, self._tf32), self._mode():
            return self._images(z, y, start, few)

    def _mode(self) -> AbstractContextManager[None]:
        return nullcontext() if self._fused else eval_mode(self._generator)

    def _images(self, z: Tensor, y: Tensor | None, start: int, few: int) -> Tensor:
        z, y = z.to(self.device, self.dtype), None if y is None else y.to(self.device)
        many = len(z) - few
        spec = self._spec
        outputs = [torch.empty(0, spec.image_channels, spec.resolution, spec.resolution, device=self.device)]
        if many:
            outputs += self._in_chunks(*_rows(z, y, 0, many), start)
        if few:
            outputs += self._shared_out(*_rows(z, y, many, len(z)))
        return torch.cat([part.float() for part in outputs])

    def _shared_out(self, z: Tensor, y: Tensor | None) -> list[Tensor]:
        """Compute some images on each thread, or each image on all threads."""
        n, size = len(z), multiplications(self._spec)
        if not self._on_cpu or (n <= self._threads and size >= _SHARED):
            return [self._alone(z, y)]
        count = min(n, self._threads)
        ends = [n * i // count for i in range(count + 1)]
        form = self.network if n >= (2 if size >= _HEAVY else 4) * count else self._alone
        return one_thread_each(form, [_rows(z, y, *ends[i : i + 2]) for i in range(count)])

    def _in_chunks(self, z: Tensor, y: Tensor | None, start: int) -> list[Tensor]:
        """Compute image i always at place i % chunk of a chunk: the padding of other places does not affect it."""
        n, chunk = len(z), self.chunk
        before = start % chunk
        padding = (before, -(before + n) % chunk)
        z = nn.functional.pad(z, (0, 0, *padding))
        y = None if y is None else nn.functional.pad(y, padding)
        parts = [_rows(z, y, i, i + chunk) for i in range(0, len(z), chunk)]
        forward = self._forward
        outputs = one_thread_each(forward, parts) if self._on_cpu else [forward(*part) for part in parts]
        outputs[0] = outputs[0][before:]
        outputs[-1] = outputs[-1][: len(outputs[-1]) - padding[1]]
        return outputs


def _rows(z: Tensor, y: Tensor | None, first: int, stop: int) -> tuple[Tensor, Tensor | None]:
    return z[first:stop], None if y is None else y[first:stop]


def multiplications(spec: architecture.Generator) -> int:
    """Estimate the multiplications of the convolutions for one image."""
    if spec.architecture == "biggan-deep":
        return _of_bottlenecks(spec)
    channels, taps = spec.channels, 4 if spec.architecture == "dcgan" else 9
    total = 0
    for block in range(1, len(channels)):
        inside = channels[block] if spec.architecture != "dcgan" else 0  # the block's second convolution
        total += taps * (spec.bottom_width << block) ** 2 * channels[block] * (channels[block - 1] + inside)
    return total


def _of_bottlenecks(spec: architecture.BigGANDeepGenerator) -> int:
    total = 0
    for block in range(1, len(spec.channels)):
        wide, out, size = spec.channels[block - 1], spec.channels[block], spec.bottom_width << block
        narrow = wide // spec.reduction
        before = size**2 // 4 * (2 * wide * narrow + 18 * narrow**2)  # the first block, before the resolution doubles
        total += before + size**2 * (wide * narrow // 4 + 18 * narrow**2 + narrow * out)
    return total
