"""A generator with its config: sample, stream, generate, interpolate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..common import quantise
from ..common.devices import pick_device
from ..common.errors import LabelError, WeightsUnavailableError, ZooError
from ..common.progress import Progress
from ..inference.renderer import Renderer, chunk_of, in_aligned_memory, preparing
from ..inference.threads import one_thread_each
from ..nets import Discriminator, settle_spectral_norm
from ..schema import labels as class_labels
from ..schema.config import ModelConfig
from . import latents
from .images import Images, one_ahead, recut, sent_to_host
from .labelled import Labelled
from .pretrained import Pretrained

if TYPE_CHECKING:
    from ..checkpoints.resolve import Expected
    from ..schema.label_alignment import LabelAlignment
    from .labelled import Label, Labels

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def _pick_dtype(dtype: str | torch.dtype | None) -> torch.dtype:
    if dtype is None:
        return torch.float32
    chosen = _DTYPES.get(str(dtype).removeprefix("torch."))
    if chosen is None:
        raise ZooError(f"dtype {dtype} is unknown; give one of {', '.join(_DTYPES)}")
    return chosen


class GAN(Labelled, Pretrained):
    """A generator with its config. The network is moved to its device and fused on first use.

    Attributes:
        config: the ModelConfig.
        device, dtype: device and precision of the computation.
        tag: the tag of these weights in the config; None for a user's own weights.
        provenance: the metadata of the weights file, such as the source, its sha256 and the converter.
        alignment: the class that each label draws, as measured by `zoo.align`; None if unknown. `sample` applies it.
            `zoo.align(model)` sets it, and so may the user.
    """

    def __init__(
        self,
        config: ModelConfig,
        generator: nn.Module,
        *,
        device: str | torch.device = "auto",
        dtype: str | torch.dtype | None = None,
        fuse: bool = True,
        settle: bool = False,
        tag: str | None = None,
        provenance: Mapping[str, str] | None = None,
        alignment: LabelAlignment | None = None,
        doubt: str | None = None,
        discriminator_file: Expected | None = None,
    ):
        """Wrap a generator.

        Args:
            settle: first iterate the vectors of spectral norm to their fixed point, as StudioGAN's sampling does.
            doubt: a line on why labels may be wrong, printed when classes are first requested.
            discriminator_file: weights of the discriminator that was trained with this generator.
        """
        self.config = config
        self.alignment = alignment
        self._doubt = doubt  # set after the alignment, whose setter clears it
        self._discriminator_file = discriminator_file
        self.device, self.dtype = pick_device(device), _pick_dtype(dtype)
        if self.dtype != torch.float32 and not fuse:
            raise ZooError("dtype other than float32 needs fuse=True, which folds the norms first")
        self.tag, self.provenance = tag, dict(provenance or {})
        self._given, self.fused, self._settle = generator.eval().requires_grad_(False), fuse, settle

    @cached_property
    def generator(self) -> nn.Module:
        """The plain module in eval mode, with its trained weights."""
        with preparing(self.device):
            generator = self._given.to(self.device)
            in_aligned_memory(generator)
            if self._settle:
                settle_spectral_norm(generator)
                self._settle = False
        return generator

    @property
    def has_discriminator(self) -> bool:
        """True if the discriminator that was trained with these weights is on this machine."""
        return self._discriminator_file is not None

    @cached_property
    def discriminator(self) -> Discriminator:
        """The discriminator that was trained with these weights, in eval mode, loaded on first use.

        Call it with images (N, C, H, W) in the range of the data and, if its head needs them, the generator's own
        labels (N,); see `zoo.nets.DiscriminatorOutput`.

        Raises:
            WeightsUnavailableError: these weights have no discriminator on this machine.
        """
        from .loading import load_discriminator

        if self._discriminator_file is None:
            raise WeightsUnavailableError(
                f"these weights of {self.config.name} have no discriminator on this machine; runs, some bundled models "
                f"and exported folders with discriminator.safetensors have one"
            )
        return load_discriminator(self.config, self._discriminator_file, self.device)

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(self.generator, self.config.generator, self.device, self.dtype, self.fused, self.chunk)

    @property
    def chunk(self) -> int:
        """Number of images computed at once when the bits of image i must not depend on the batch."""
        return chunk_of(self.device, self.config.generator.architecture)

    @property
    def resolution(self) -> int:
        """Side of the square images, in pixels."""
        return self.config.generator.resolution

    @property
    def latent_dim(self) -> int:
        return self.config.generator.latent_dim

    def __repr__(self) -> str:
        classes = f", {self.num_classes} classes" if self.num_classes else ""
        return f"GAN({self.config.name}, {self.resolution}x{self.resolution}{classes}, {self.device}, {self.dtype})"

    # ---------------------------------------------------------------------------------------------------- sampling

    def sample(
        self,
        n: int,
        label: Label = None,
        seed: int | None = None,
        truncation: float | None = None,
        batch_size: int | None = None,
        progress: bool = False,
        start: int = 0,
        labels: Labels = "aligned",
        exact: bool = False,
    ) -> Images:
        """Generate n images. The same seed gives the same images for any batch size, and image i does not depend on n.

        The bits of more than 64 images depend only on the seed, not on n, the batch size or the number of threads. For
        fewer images, a CPU computes some with all threads together: these agree within 1/255, differing in a few of
        100,000 values, and to the bit with `exact`.

        Args:
            n: number of images.
            label: a class by index or name, a sequence of n classes, or "all" for every class in equal parts, class
                after class; None draws classes uniformly from the seed.
            seed: an integer, or None for a new seed (see `images.seed`).
            truncation: draw each latent element again until its magnitude is at most this; None = never.
            batch_size: images on the device at once; on a CPU at least one chunk per thread.
            progress: show a progress bar.
            start: index of the first image in the seed's sequence.
            labels: "aligned": `label` is a class, drawn by the label that the model's alignment, if any, assigns to it.
                "trained": `label` is the generator's own label. In both cases `images.labels` holds the requested
                labels, or the drawn ones for None.
            exact: give the same bits for a few images, too; then a few take as long as eight.

        Raises:
            LabelError: a label is unknown, out of range, or given to a model without classes.
        """
        parts = list(self.stream(n, label, seed, truncation, batch_size, progress, start, labels, exact))
        return Images.cat(parts) if parts else self._empty(seed)

    def stream(
        self,
        n: int,
        label: Label = None,
        seed: int | None = None,
        truncation: float | None = None,
        batch_size: int | None = None,
        progress: bool = False,
        start: int = 0,
        labels: Labels = "aligned",
        exact: bool = False,
    ) -> Iterator[Images]:
        """Yield the images of `sample` in batches of batch_size, in constant memory; same arguments."""
        _check_count("n", n, minimum=0)
        _check_count("start", start, minimum=0)
        batch_size = batch_size if batch_size is not None else self._default_batch_size()
        _check_count("batch_size", batch_size, minimum=1)
        seed = latents.check_seed(seed)
        chosen = self.check_label(label, n, labels)
        latents.check_truncation(truncation)
        return self._stream(n, chosen, labels, seed, truncation, batch_size, progress, start, exact)

    def _stream(self, n, chosen, labels, seed, truncation, batch_size, progress, start, exact) -> Iterator[Images]:
        begun = self._begun(n, chosen, labels, seed, truncation, batch_size, start, exact)
        if self.device.type == "cuda":  # the GPU computes the next batch while the caller uses this one
            begun = one_ahead(begun)
        with Progress(progress) as bar:
            advance = bar.task(self.config.name, n)
            for images in recut((finish() for finish in begun), batch_size):
                yield images
                advance(len(images))

    def _begun(self, n, chosen, labels, seed, truncation, batch_size, start, exact) -> Iterator[Callable[[], Images]]:
        """Yield batches that are computed (on a GPU: begun); calling one waits for its images."""
        # Whole chunks, so that no image is computed twice; on a CPU a multiple of the number of threads.
        step = self._renderer.step
        each = step * -(-batch_size // step)
        few = 0 if exact else self._renderer.few(n, start)
        first = 0
        while first < n:
            count = n if few == n else min(each - (start + first) % each, n - first)
            drawn = (seed, start + first, count, self.latent_dim, truncation)
            if self.device.type == "cpu":  # a large operation here would wake threads that spin while the pool computes
                [z] = one_thread_each(latents.normal, [drawn])
            else:
                z = latents.normal(*drawn)
            if chosen is None:
                shown = self.drawn_labels(count, seed, start + first, labels)
            else:
                shown = chosen[first : first + count]
            last = few if first + count == n else 0
            arrive = sent_to_host(quantise.fixed(self._images(z, self._trained(shown, labels), start + first, last)))
            yield partial(_finished, arrive, labels=shown, seed=seed, start=start + first, model=self.config.name)
            first += count

    def latents(self, n: int, seed: int, start: int = 0, truncation: float | None = None) -> Tensor:
        """Return the latents (n, latent_dim) float32 that `sample` uses for images start ... start + n - 1."""
        _check_count("n", n, minimum=0)
        return latents.normal(latents.check_seed(seed), start, n, self.latent_dim, truncation)

    def generate(self, z: Tensor, y: Tensor | Sequence[int] | int | None = None, *, exact: bool = True) -> Tensor:
        """Generate images for given latents: float32 (N, 3, H, W) in [-1, 1], on the device of z, without gradients.

        For gradients with respect to z, call `model.generator`.

        Args:
            z: latents (N, latent_dim), standard normal in training.
            y: the generator's own labels (N,), or one label for all; they are never mapped (`trained_labels` finds the
                labels of classes). Conditional models need y, others refuse it.
            exact: the bits of an image do not depend on N. False: up to 64 images are as fast as in `sample`.
        """
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ZooError(f"z is {tuple(z.shape)}; {self.config.name} takes latents (N, {self.latent_dim})")
        if y is None and self.num_classes:
            raise LabelError(f"{self.config.name} is conditional: give y, one label or one per latent")
        few = 0 if exact else self._renderer.few(len(z))
        return self._images(z, class_labels.indices(self.config, y, len(z)), 0, few).to(z.device)

    def _images(self, z: Tensor, y: Tensor | None, start: int, few: int) -> Tensor:
        """Compute images start ... start + N - 1, float32 (N, 3, H, W) in [-1, 1]; `few` as in `Renderer`."""
        images = self._renderer(z, y, start, few).expand(-1, 3, -1, -1)
        return images if self.config.data.range == "[-1, 1]" else images * 2 - 1

    def interpolate(self, a: int, b: int, steps: int, label: Label = None, labels: Labels = "aligned") -> Images:
        """Generate images along the great circle between the latents of seeds a and b, both ends included.

        Args:
            a, b: seeds; the ends are image 0 of each.
            steps: number of images, at least 2.
            label: a class by index or name, or a sequence of `steps` classes; None takes the class drawn for seed a.
            labels: as in `sample`.
        """
        _check_count("steps", steps, minimum=2)
        first, last = self.latents(1, a), self.latents(1, b)
        t = torch.linspace(0, 1, steps)[:, None]
        shown = self.check_label(label, steps, labels)
        if shown is None and (drawn := self.drawn_labels(1, a, labels=labels)) is not None:
            shown = drawn.expand(steps)
        images = self.generate(_slerp(first, last, t), self._trained(shown, labels), exact=False)
        return Images.from_float(images, labels=shown, seed=a, model=self.config.name, columns=steps)

    # ----------------------------------------------------------------------------------------------------- private

    def _default_batch_size(self) -> int:
        """Return a batch size of whole chunks with about half a million pixels."""
        return self.chunk * max(1, (1 << 19) // self.resolution**2 // self.chunk)

    def _empty(self, seed: int | None) -> Images:
        pixels = torch.empty(0, 3, self.resolution, self.resolution, dtype=torch.uint8)
        y = torch.empty(0, dtype=torch.int64) if self.num_classes else None
        return Images(pixels, labels=y, seed=seed, model=self.config.name)


def _finished(arrive: Callable[[], Tensor], **about) -> Images:
    return Images(arrive(), **about)


def _check_count(name: str, value: int, minimum: int) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < minimum:
        raise ZooError(f"{name} is {value!r}; give a whole number of at least {minimum}")


def _slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Return points (steps, D) on the great circle from a to b (1, D); lengths go linearly from |a| to |b|."""
    norm_a, norm_b = a.norm(), b.norm()
    angle = torch.arccos(((a / norm_a) * (b / norm_b)).sum().clamp(-1, 1))
    if angle < 1e-4:  # almost the same direction: the arc is a straight line
        return a + t * (b - a)
    direction = (torch.sin((1 - t) * angle) * a / norm_a + torch.sin(t * angle) * b / norm_b) / torch.sin(angle)
    return direction * (norm_a + t * (norm_b - norm_a))
