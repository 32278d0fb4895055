"""A generator with its config, and what one does with it: sample, stream, generate, interpolate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from threading import Lock
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from . import labels as class_labels
from . import latents
from .capture import Captured
from .config import ModelConfig
from .errors import LabelError, WeightsUnavailableError, ZooError
from .fuse import fuse as fuse_generator
from .images import Images, one_ahead, quantised, recut, sent_to_host
from .labelled import Labelled
from .nets import settle_spectral_norm
from .parallel import one_thread_each
from .pretrained import Pretrained
from .progress import Progress

if TYPE_CHECKING:
    from .label_alignment import LabelAlignment
    from .labelled import Label, Labels
    from .loading import Expected

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def pick_device(device: str | torch.device) -> torch.device:
    """The device for a name; "auto" is CUDA, then Apple's GPU, then the CPU. Raises ZooError if it cannot be used."""
    if str(device) != "auto":
        try:
            return torch.empty(0, device=device).device
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ZooError(f'device "{device}" cannot be used ({reason}); give "cpu", "cuda" or "auto"') from None
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _pick_dtype(dtype: str | torch.dtype | None) -> torch.dtype:
    if dtype is None:
        return torch.float32
    chosen = _DTYPES.get(str(dtype).removeprefix("torch."))
    if chosen is None:
        raise ZooError(f"dtype {dtype} is not known; give one of {', '.join(_DTYPES)}")
    return chosen


_PREPARING = Lock()
_ALIGNMENT = 64  # bytes


@contextmanager
def _preparing(device: torch.device) -> Iterator[None]:
    """The same result wherever the first use happens: also in autocast, in inference mode, in several threads."""
    with _PREPARING, torch.inference_mode(False), torch.no_grad(), torch.autocast(device.type, enabled=False):
        yield


def _in_aligned_memory(network: nn.Module) -> nn.Module:
    """The network with its tensors at addresses as PyTorch allocates them.

    Weights that are mapped from a file begin anywhere, and some processors' kernels round differently there: the same
    weights in another file would give other bits.
    """
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.device.type == "cpu" and tensor.data_ptr() % _ALIGNMENT:
            tensor.data = tensor.data.clone(memory_format=torch.preserve_format)
    return network


class GAN(Labelled, Pretrained):
    """A generator with its config. The network is moved to its device and fused when it is first used.

    Attributes:
        config: the ModelConfig.
        device, dtype: where and in which precision it computes.
        tag: which of the config's weights these are; None for weights of one's own.
        provenance: what the weights file says about itself, such as the source, its sha256 and the converter.
        alignment: which class each label draws, as far as `zoo.align` has measured it; None where nothing is known.
            `sample` heeds it. `zoo.align(model)` sets it, and so may anybody.
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
        """`settle`: bring the vectors of spectral norm to their fixed point first, as StudioGAN's sampling does.
        `doubt`: a line on why labels may not mean what they say, printed when classes are first asked for.
        `discriminator_file`: of the discriminator that was trained with these weights."""
        self.config = config
        self.alignment = alignment
        self._doubt = doubt  # after the alignment, which ends any doubt
        self._discriminator_file = discriminator_file
        self.device, self.dtype = pick_device(device), _pick_dtype(dtype)
        if self.dtype != torch.float32 and not fuse:
            raise ZooError("dtype other than float32 needs fuse=True, which folds the norms first")
        self.tag, self.provenance = tag, dict(provenance or {})
        self._given, self.fused, self._settle = generator.eval().requires_grad_(False), fuse, settle

    @cached_property
    def generator(self) -> nn.Module:
        """The plain module in eval mode, weights as they were trained."""
        with _preparing(self.device):
            generator = _in_aligned_memory(self._given.to(self.device))
            if self._settle:
                settle_spectral_norm(generator)
                self._settle = False
        return generator

    @property
    def has_discriminator(self) -> bool:
        """Whether the discriminator that was trained with these weights is on this machine."""
        return self._discriminator_file is not None

    @cached_property
    def discriminator(self) -> nn.Module:
        """The discriminator that was trained with these weights, in eval mode, loaded on first use.

        Call it with images (N, C, H, W) in the data's range, and labels (N,) as the generator was trained with them
        where its head needs them; see `zoo.nets.DiscriminatorOutput`.

        Raises:
            WeightsUnavailableError: these weights come without one, or it is not on this machine.
        """
        from .loading import load_discriminator

        if self._discriminator_file is None:
            raise WeightsUnavailableError(
                f"these weights of {self.config.name} have no discriminator on this machine; runs, some bundled models "
                f"and exported folders with discriminator.safetensors have one"
            )
        return load_discriminator(self.config, self._discriminator_file, self.device)

    @cached_property
    def _network(self) -> nn.Module:
        generator = self.generator
        with _preparing(self.device):
            winograd = self._on_cpu and self.dtype == torch.float32
            network = fuse_generator(generator, winograd) if self.fused else generator
            return network.to(self.device, self.dtype).to(memory_format=torch.channels_last)

    @cached_property
    def _forward(self) -> Callable[[Tensor, Tensor | None], Tensor]:
        """The network for one chunk on the device: on an NVIDIA GPU, a CUDA graph of it."""
        network = self._network
        if self.device.type != "cuda":
            return network
        z = torch.zeros(self.chunk, self.latent_dim, device=self.device, dtype=self.dtype)
        y = torch.zeros(self.chunk, device=self.device, dtype=torch.int64) if self.num_classes else None
        with _preparing(self.device), torch.cuda.device(self.device):
            return Captured(network, z, y)

    @property
    def chunk(self) -> int:
        """How many images the generator computes at once, the last time padded.

        Always the same number: then the bits of image i depend on neither the batch size nor the number of images,
        whatever algorithm a library picks for a shape.
        """
        if self._on_cpu:  # by measurement: one image costs a whole chunk, and DCGANs are small
            return 16 if self.config.generator.architecture == "dcgan" else 8
        return 64 if self.device.type == "cuda" else 16

    @property
    def _on_cpu(self) -> bool:
        return self.device.type == "cpu"

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
    ) -> Images:
        """n images. The same seed gives the same images, whatever the batch size, and image i stays as n grows.

        Args:
            n: how many.
            label: a class by index or name, a sequence of n of them, or "all" for every class in equal parts, one
                after the other; None draws classes uniformly from the seed.
            seed: an integer, or None for a fresh one (see `images.seed`).
            truncation: draw each latent element again until its magnitude is at most this; None = never.
            batch_size: images held on the device at once; on a CPU no fewer than a chunk for each thread.
            progress: show a progress bar.
            start: index of the first image in the seed's sequence.
            labels: "aligned": `label` is a class, drawn by the label that an alignment found for it, where the model
                has one. "trained": `label` is the label itself, as the generator was trained with it. Either way
                `images.labels` holds what was asked for, and for None what was drawn.

        Raises:
            LabelError: a label is unknown, out of range, or given to a model without classes.
        """
        parts = list(self.stream(n, label, seed, truncation, batch_size, progress, start, labels))
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
    ) -> Iterator[Images]:
        """The images of `sample` in batches of batch_size, in constant memory; arguments as there."""
        _check_count("n", n, minimum=0)
        _check_count("start", start, minimum=0)
        batch_size = batch_size if batch_size is not None else self._default_batch_size()
        _check_count("batch_size", batch_size, minimum=1)
        seed = latents.check_seed(seed)
        chosen = self.check_label(label, n, labels)
        latents.check_truncation(truncation)
        return self._stream(n, chosen, labels, seed, truncation, batch_size, progress, start)

    def _stream(self, n, chosen, labels, seed, truncation, batch_size, progress, start) -> Iterator[Images]:
        begun = self._begun(n, chosen, labels, seed, truncation, batch_size, start)
        if self.device.type == "cuda":  # it is at work on the next batch while this one is looked at
            begun = one_ahead(begun)
        with Progress(progress) as bar:
            advance = bar.task(self.config.name, n)
            for images in recut((finish() for finish in begun), batch_size):
                yield images
                advance(len(images))

    def _begun(self, n, chosen, labels, seed, truncation, batch_size, start) -> Iterator[Callable[[], Images]]:
        """Batches that are computed, or on a GPU begun, when they are yielded; called, they wait for the images."""
        # Whole chunks, so that no image is computed twice; on a CPU as many as there are threads, or times that.
        step = self.chunk * (torch.get_num_threads() if self._on_cpu else 1)
        each = step * -(-batch_size // step)
        first = 0
        while first < n:
            count = min(each - (start + first) % each, n - first)
            z = latents.normal(seed, start + first, count, self.latent_dim, truncation)
            if chosen is None:
                shown = self.drawn_labels(count, seed, start + first, labels)
            else:
                shown = chosen[first : first + count]
            y = self._trained(shown, labels)
            arrive = sent_to_host(quantised(self._images(z, y, start + first)))
            yield partial(_finished, arrive, labels=shown, seed=seed, start=start + first, model=self.config.name)
            first += count

    def latents(self, n: int, seed: int, start: int = 0, truncation: float | None = None) -> Tensor:
        """The latents (n, latent_dim) float32 that `sample` would use for images start ... start + n - 1."""
        _check_count("n", n, minimum=0)
        return latents.normal(latents.check_seed(seed), start, n, self.latent_dim, truncation)

    def generate(self, z: Tensor, y: Tensor | Sequence[int] | int | None = None) -> Tensor:
        """Images for given latents: float32 (N, 3, H, W) in [-1, 1], on the device of z, without gradients.

        For gradients with respect to z, call `model.generator`.

        Args:
            z: latents (N, latent_dim), standard normal in training.
            y: labels (N,) or one label for all, as the generator was trained with them, so that they are never
                mapped (`trained_labels` finds those of classes); needed exactly for conditional models.
        """
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ZooError(f"z is {tuple(z.shape)}; {self.config.name} takes latents (N, {self.latent_dim})")
        if y is None and self.num_classes:
            raise LabelError(f"{self.config.name} is conditional: give y, one label or one for each latent")
        return self._images(z, class_labels.indices(self.config, y, len(z)), 0).to(z.device)

    @torch.no_grad()
    def _images(self, z: Tensor, y: Tensor | None, start: int) -> Tensor:
        """Images start ... start + N - 1 as float32 (N, 3, H, W), in whole chunks.

        Image i is always at place i % chunk of a chunk: what pads the others' places does not reach it.
        """
        n, chunk = len(z), self.chunk
        before = start % chunk
        padding = (before, -(before + n) % chunk)
        z = nn.functional.pad(z, (0, 0, *padding)).to(self.device, self.dtype)
        y = None if y is None else nn.functional.pad(y, padding).to(self.device)
        parts = [(z[i : i + chunk], None if y is None else y[i : i + chunk]) for i in range(0, len(z), chunk)]
        forward = self._forward
        outputs = one_thread_each(forward, parts) if self._on_cpu else [forward(*part) for part in parts]
        # An empty part in front, so that no images are a batch like any other.
        shape = (0, self.config.generator.image_channels, self.resolution, self.resolution)
        outputs = [torch.empty(shape, device=self.device), *(part.float() for part in outputs)]
        images = torch.cat(outputs)[before : before + n].expand(-1, 3, -1, -1)
        return images if self.config.data.range == "[-1, 1]" else images * 2 - 1

    def interpolate(self, a: int, b: int, steps: int, label: Label = None, labels: Labels = "aligned") -> Images:
        """Images along the great circle between the latents of seeds a and b, both ends included.

        Args:
            a, b: seeds; the ends are image 0 of each.
            steps: how many images, at least 2.
            label: a class by index or name, or a sequence of `steps` of them; None takes the class drawn for seed a.
            labels: as in `sample`.
        """
        _check_count("steps", steps, minimum=2)
        ends = [self.latents(1, seed) for seed in (a, b)]
        t = torch.linspace(0, 1, steps)[:, None]
        shown = self.check_label(label, steps, labels)
        if shown is None and self.num_classes:
            shown = self.drawn_labels(1, a, labels=labels).expand(steps)
        images = self.generate(_slerp(*ends, t), self._trained(shown, labels))
        return Images.from_float(images, labels=shown, seed=a, model=self.config.name, columns=steps)

    # ----------------------------------------------------------------------------------------------------- private

    def _default_batch_size(self) -> int:
        """Whole chunks of about half a million pixels."""
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
    """Points (steps, D) on the great circle from a to b (1, D); the length goes from |a| to |b| evenly."""
    norm_a, norm_b = a.norm(), b.norm()
    angle = torch.arccos(((a / norm_a) * (b / norm_b)).sum().clamp(-1, 1))
    if angle < 1e-4:  # nearly the same direction: a straight line is the circle
        return a + t * (b - a)
    direction = (torch.sin((1 - t) * angle) * a / norm_a + torch.sin(t * angle) * b / norm_b) / torch.sin(angle)
    return direction * (norm_a + t * (norm_b - norm_a))
