"""A generator with its config: sample, stream, generate, interpolate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..common import dtypes, memory, quantise
from ..common.devices import pick_device
from ..common.errors import LabelError, ZooError
from ..common.numbers import whole
from ..common.progress import Progress
from ..inference.process_state import float32_products, undisturbed
from ..inference.threads import one_thread_each
from ..schema import labels as class_labels
from ..schema.config import ModelConfig
from . import latents
from .discriminator_methods import DiscriminatorMethods
from .images import Images, one_ahead, recut, sent_to_host
from .pretrained import Pretrained

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..checkpoints.discriminators import DiscriminatorFile
    from ..schema.label_alignment import LabelAlignment
    from .labelled import Label, Labels


class GAN(DiscriminatorMethods, Pretrained):
    """A generator with its config. The network is moved to its device and fused on first use.

    It has the methods of a PyTorch module: `to`, `train`, `parameters`, `state_dict` and so on. `sample` always shows
    the weights that `generator` has at the moment.

    Attributes:
        config: the ModelConfig.
        device: of the computation.
        precision: of the computation: "float32", "tf32", "float16" or "bfloat16"; the weights are float32.
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
        origin: str | None = None,
        alignment: LabelAlignment | None = None,
        doubt: str | None = None,
        discriminator_file: DiscriminatorFile | None = None,
    ):
        """Wrap a generator.

        Args:
            settle: first iterate the vectors of spectral norm to their fixed point, as StudioGAN's sampling does.
            tag: of these weights in the config; None for a user's own weights.
            provenance: the metadata of the weights file, such as the source, its sha256 and the converter.
            origin: where the weights come from, for messages.
            doubt: a line on why labels may be wrong, printed when classes are first requested.
            discriminator_file: the discriminator that was trained with this generator, located on first use.
        """
        self.config = config
        self._hold(generator, pick_device(device), dtypes.named(dtype), fuse, settle)
        self._come_from(tag, provenance, origin)
        self.alignment = alignment
        self._doubt = doubt  # set after the alignment, whose setter clears it
        self._discriminator_file = discriminator_file

    @property
    def resolution(self) -> int:
        """Side of the square images, in pixels."""
        return self.config.generator.resolution

    @property
    def latent_dim(self) -> int:
        return self.config.generator.latent_dim

    def __repr__(self) -> str:
        name = self.config.name + (f"@{self.tag}" if self.tag else "")
        classes = f", {self.num_classes} classes" if self.num_classes else ""
        parameters = sum(parameter.numel() for parameter in self._generator.parameters())
        origin = f" from {self._origin}" if self._origin else ""
        return (
            f"GAN({name}, {self.resolution}x{self.resolution}{classes}, {parameters:,} parameters, "
            f"{self.precision} on {self.device}, weights {self._short_hash()}{origin}"
            f"{', changed since' if self.is_changed else ''})"
        )

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
        generator: torch.Generator | None = None,
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
            generator: draw the seed from this; its state advances.

        Raises:
            LabelError: a label is unknown, out of range, or given to a model without classes.
            ZooError: an argument is out of range, the images do not fit in memory, or are not finite.
        """
        n = whole("n", n)
        memory.refuse_if_too_large(
            2 * 3 * n * self.resolution**2,  # the parts, and then the whole
            f"{n:,} images of {self.resolution}x{self.resolution}",
            "use model.stream(), or `zoo sample` into a folder, which take constant memory",
        )
        seed = latents.seed_from(seed, generator)
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
        generator: torch.Generator | None = None,
    ) -> Iterator[Images]:
        """Yield the images of `sample` in batches of batch_size, in constant memory; same arguments."""
        n, start = whole("n", n), latents.check_start(start)
        batch_size = self._default_batch_size() if batch_size is None else whole("batch_size", batch_size, 1)
        truncation = latents.check_truncation(truncation)
        seed = latents.seed_from(seed, generator)
        chosen = self.check_label(label, n, labels)
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
        renderer = self._renderer
        # Whole chunks, so that no image is computed twice; on a CPU a multiple of the number of threads.
        each = renderer.step * -(-batch_size // renderer.step)
        few = 0 if exact else renderer.few(n, start)
        first = 0
        while first < n:
            count = n if few == n else min(each - (start + first) % each, n - first)
            last = few if first + count == n else 0
            wanted = None if chosen is None else chosen[first : first + count]
            yield self._batch(renderer, count, wanted, labels, seed, truncation, start + first, last)
            first += count

    def _batch(self, renderer, count, wanted, labels, seed, truncation, start, few) -> Callable[[], Images]:
        with undisturbed(self.device):
            drawn = (seed, start, count, self.latent_dim, truncation)
            if self.device.type == "cpu":  # a large operation here would wake threads that spin while the pool computes
                [z] = one_thread_each(latents.normal, [drawn])
            else:
                z = latents.normal(*drawn)
            shown = self.drawn_labels(count, seed, start, labels) if wanted is None else wanted
            images = self._as_rgb(renderer(z, self._trained(shown, labels), start, few))
            arrive, are_finite = sent_to_host(quantise.fixed(images)), sent_to_host(_are_finite(images))

        def finish() -> Images:
            pixels = arrive()
            self._refuse_infinite(are_finite(), start)
            return Images(pixels, labels=shown, seed=seed, start=start, model=self.config.name)

        return finish

    def _refuse_infinite(self, are_finite: Tensor, start: int = 0) -> None:
        if are_finite.all():
            return
        first = start + int(are_finite.int().argmin())
        is_half = self.precision == "float16"
        remedy = (
            "compute in bfloat16 or float32" if is_half else "its weights are too large; take an earlier checkpoint"
        )
        raise ZooError(f"image {first} of {self.config.name} is NaN or infinite in {self.precision}: {remedy}")

    def latents(self, n: int, seed: int, start: int = 0, truncation: float | None = None) -> Tensor:
        """Return the latents (n, latent_dim) float32 that `sample` uses for images start ... start + n - 1."""
        n, start = whole("n", n), latents.check_start(start)
        with undisturbed(self.device):
            return latents.normal(latents.check_seed(seed), start, n, self.latent_dim, truncation)

    def generate(
        self,
        z: Tensor | ArrayLike,
        y: Tensor | Sequence[int] | int | None = None,
        *,
        grad: bool = False,
        exact: bool = True,
        check: bool = True,
    ) -> Tensor:
        """Generate images for given latents: float32 (N, 3, H, W) in [-1, 1], on the device of z.

        Args:
            z: latents (N, latent_dim), standard normal in training; a tensor, or an array, whose images are on the CPU.
            y: the generator's own labels (N,), or one label for all; they are never mapped (`trained_labels` finds the
                labels of classes). Conditional models need y, others refuse it.
            grad: compute with gradients with respect to z, and to the parameters that ask for them: in float32, by the
                plain generator in its present mode. False: by its fast eval-mode form, without gradients.
            exact: the bits of an image do not depend on N. False: up to 64 images are as fast as in `sample`.
            check: raise if an image is not finite; on a GPU, this waits for the images.

        Raises:
            LabelError: y is missing, out of range, or given to a model without classes.
            ZooError: z has another shape or is not finite, or an image is not.
        """
        with undisturbed(self.device, gradients=grad):
            z = self._checked_latents(z)
            y = self._checked_labels(y, len(z))
            if grad:
                with float32_products(self.device):
                    images = self._as_rgb(self.generator(*self._on_device(z, y)))
            else:
                few = 0 if exact else self._renderer.few(len(z))
                images = self._as_rgb(self._renderer(z, y, 0, few))
            if check:
                self._refuse_infinite(_are_finite(images))
            return images.to(z.device)

    def __call__(self, z: Tensor | ArrayLike, y: Tensor | Sequence[int] | int | None = None) -> Tensor:
        """Return images as `generate` does, on the model's device, by the plain generator as any module is called: in
        its present mode, with the gradients, autocast and precision that are set where it is called."""
        z = self._as_latents(z)
        y = self._checked_labels(y, len(z))
        return self._as_rgb(self.generator(*self._on_device(z, y)))

    def _as_latents(self, z: Any) -> Tensor:
        try:
            z = z if isinstance(z, Tensor) else torch.from_numpy(np.array(z, dtype=np.float32))
        except (TypeError, ValueError):
            raise ZooError(f"z is of type {type(z).__name__}; give a tensor or an array of latents") from None
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ZooError(f"z is {tuple(z.shape)}; {self.config.name} takes latents (N, {self.latent_dim})")
        if z.is_meta or z.is_complex() or z.layout != torch.strided:
            kind = "on the meta device" if z.is_meta else "complex" if z.is_complex() else "sparse"
            raise ZooError(f"z is {kind}; give dense real numbers")
        return z

    def _checked_latents(self, z: Any) -> Tensor:
        z = self._as_latents(z)
        if not z.isfinite().all():
            raise ZooError("z holds values that are NaN or infinite; give finite latents")
        return z.clone() if z.is_inference() else z  # which no backward pass could use

    def _checked_labels(self, y: Any, n: int) -> Tensor | None:
        if y is None and self.num_classes:
            raise LabelError(f"{self.config.name} is conditional: give y, one label or one per latent")
        return class_labels.indices(self.config, y, n)

    def _on_device(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return z.to(self.device, torch.float32), None if y is None else y.to(self.device)

    def _as_rgb(self, images: Tensor) -> Tensor:
        """Return generator output as float32 (N, 3, H, W) in [-1, 1]."""
        images = images.float().expand(-1, 3, -1, -1)
        return images if self.config.data.range == "[-1, 1]" else images * 2 - 1

    def interpolate(self, a: int, b: int, steps: int, label: Label = None, labels: Labels = "aligned") -> Images:
        """Generate images along the great circle between the latents of seeds a and b, both ends included.

        Args:
            a, b: seeds; the ends are image 0 of each.
            steps: number of images, at least 2.
            label: a class by index or name, or a sequence of `steps` classes; None takes the class drawn for seed a.
            labels: as in `sample`.
        """
        steps, a, b = whole("steps", steps, 2), latents.check_seed(a), latents.check_seed(b)
        memory.refuse_if_too_large(
            4 * 3 * steps * self.resolution**2, f"{steps:,} images of {self.resolution}x{self.resolution}", "take fewer"
        )
        with undisturbed(self.device):
            t = torch.linspace(0, 1, steps, dtype=torch.float32)[:, None]
            z = latents.great_circle(self.latents(1, a), self.latents(1, b), t)
            shown = self.check_label(label, steps, labels)
            if shown is None and (drawn := self.drawn_labels(1, a, labels=labels)) is not None:
                shown = drawn.expand(steps)
            images = self.generate(z, self._trained(shown, labels), exact=False)
            return Images.from_float(images, labels=shown, seed=a, model=self.config.name, columns=steps, frames=True)

    # ----------------------------------------------------------------------------------------------------- private

    def _default_batch_size(self) -> int:
        """Return a batch size of whole chunks with about half a million pixels."""
        return self.chunk * max(1, (1 << 19) // self.resolution**2 // self.chunk)

    def _empty(self, seed: int | None) -> Images:
        pixels = torch.empty(0, 3, self.resolution, self.resolution, dtype=torch.uint8)
        y = torch.empty(0, dtype=torch.int64) if self.num_classes else None
        return Images(pixels, labels=y, seed=seed, model=self.config.name)


def _are_finite(images: Tensor) -> Tensor:
    """Return for each image (N, ...) whether all its values are finite."""
    return images.detach().isfinite().flatten(1).all(dim=1)
