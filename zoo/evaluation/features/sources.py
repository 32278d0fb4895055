"""Sources of images to measure: a generator under a protocol, or existing images, in batches on the device.

A source gives images start ... start + count - 1 on request, so any rank can make any part. The images of a generator
are those of `GAN.sample` with the same seed, unless the protocol asks for another scale or batch norm mode.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ...common import quantise, ranks
from ...common.errors import ZooError
from ...common.tensors import state_sha256
from ...common.text import cut
from ...datasets.find import of_path
from ...datasets.npz import Npz
from ...datasets.reader import naming, to_rgb
from ...datasets.source import DatasetSource
from ...sampling import latents
from ...sampling.gan import GAN
from ..protocols import batch_norm_modes
from ..protocols.protocol import Sampling

# Batches start at multiples of this, so that every image has the same place in a chunk of the generator as in
# `GAN.sample`, and so the same bits.
ALIGNMENT = 64


class ImageSource(Protocol):
    """Images by index."""

    def __len__(self) -> int: ...

    def batch(self, start: int, count: int) -> Tensor:
        """Return uint8 (count, 3, H, W), or float32 0 ... 255 if the protocol does not round."""
        ...

    def labels(self) -> Tensor | None:
        """Return labels (N,) int64, or None without classes."""
        ...

    def prepare(self) -> None:
        """Compute what depends on all images, before the first batch; every rank calls it."""
        ...

    def identity(self) -> dict[str, Any]:
        """Return what tells these images from all others, as JSON."""
        ...


@dataclass
class Fixed:
    """Existing images: a uint8 tensor (N, 3, H, W), in memory or mapped from a file."""

    images: Tensor
    known_labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, start: int, count: int) -> Tensor:
        return self.images[start : start + count]

    def labels(self) -> Tensor | None:
        return self.known_labels

    def prepare(self) -> None:
        pass

    def identity(self) -> dict[str, Any]:
        return {"shape": list(self.images.shape), "pixels": pixels_sha256(self.images)}

    def subset(self, chosen: Tensor) -> Fixed:
        return Fixed(self.images[chosen], None if self.known_labels is None else self.known_labels[chosen])


@dataclass
class PictureSource:
    """Pictures of one size, read as training data are but for crop and resize: upright, and on white."""

    source: DatasetSource
    chosen: Tensor | None = None  # indices; None for all

    def __len__(self) -> int:
        return len(self.source) if self.chosen is None else len(self.chosen)

    @cached_property
    def _size(self) -> tuple[int, ...]:
        return self._read(0).shape

    def _read(self, i: int) -> np.ndarray:
        j = i if self.chosen is None else int(self.chosen[i])
        with naming(self.source.where(j)), self.source.image(j) as opened:
            return np.array(to_rgb(opened))

    def batch(self, start: int, count: int) -> Tensor:
        indices = range(start, min(start + count, len(self)))
        out = np.empty((len(indices), *self._size), np.uint8)
        for row, i in enumerate(indices):
            image = self._read(i)
            if image.shape != self._size:
                j = i if self.chosen is None else int(self.chosen[i])
                sizes = [f"{shape[1]}x{shape[0]}" for shape in (image.shape, self._size)]
                raise ZooError(
                    f"{self.source.where(j)} is {sizes[0]}, others are {sizes[1]}; give images of one size, or say "
                    f"--resolution {min(self._size[:2])} to have them cropped and resized"
                )
            out[row] = image
        return torch.from_numpy(out).permute(0, 3, 1, 2)

    def labels(self) -> Tensor | None:
        if self.source.num_classes == 1:
            return None
        labels = torch.from_numpy(self.source.labels)
        return labels if self.chosen is None else labels[self.chosen]

    def prepare(self) -> None:
        pass

    def identity(self) -> dict[str, Any]:
        chosen = None if self.chosen is None else hashlib.sha256(self.chosen.numpy().tobytes()).hexdigest()
        return {"files": self.source.fingerprint(), "of": self.source.origin, "chosen": chosen}

    def subset(self, chosen: Tensor) -> PictureSource:
        return PictureSource(self.source, chosen if self.chosen is None else self.chosen[chosen])


def pixels_sha256(images: Tensor) -> str:
    """Return the sha256 of pixels (N, 3, H, W) uint8, image after image as (H, W, 3)."""
    digest = hashlib.sha256()
    for part in images.split(4096):
        digest.update(part.permute(0, 2, 3, 1).contiguous().numpy().data)
    return digest.hexdigest()


def pictures(path: Path, split: str = "train") -> Fixed | PictureSource:
    """Open the images of a folder, an archive or an .npz, as `zoo.datasets` finds them.

    Raises:
        DataUnavailableError: there are none.
        DataCorruptedError: a file is damaged or of the wrong kind.
    """
    source = of_path(path, split)
    _ = source.labels  # reads what is there
    if isinstance(source, Npz) and source.pixels.shape[3:] == (3,):
        return from_array(source.pixels, torch.from_numpy(source.labels) if source.num_classes > 1 else None)
    return PictureSource(source)


def from_array(images, labels: Tensor | None = None) -> Fixed:
    """Take uint8 images, (N, 3, H, W) as a tensor or (N, H, W, 3) as an array."""
    tensor = images if isinstance(images, Tensor) else _as_tensor(images)
    if tensor.ndim == 4 and tensor.shape[1] != 3 and tensor.shape[3] == 3:
        tensor = tensor.permute(0, 3, 1, 2)
    if tensor.dtype != torch.uint8 or tensor.ndim != 4 or tensor.shape[1] != 3:
        raise ZooError(_wrong(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape)))
    return Fixed(tensor, labels)


def _as_tensor(images) -> Tensor:
    try:
        array = np.ascontiguousarray(images)
    except ValueError:  # of rows of different lengths
        raise ZooError(_wrong(type(images).__name__, ())) from None
    if array.dtype != np.uint8:  # of which some are no tensors
        raise ZooError(_wrong(str(array.dtype), array.shape))
    return torch.from_numpy(array)


def _wrong(kind: str, shape: tuple[int, ...]) -> str:
    return f"images are {cut(kind, 60)} {shape}; give uint8 (N, 3, H, W), values 0 to 255"


# ------------------------------------------------------------------------------------------------- a generator


@dataclass
class Generated:
    """n images of a model from one seed, under a protocol's sampling."""

    model: GAN
    sampling: Sampling
    n: int
    seed: int
    proportions: Tensor | None = None  # of the classes, (num_classes,), where labels follow the data
    _generate: Callable[[Tensor, Tensor | None], Tensor] = field(init=False, repr=False)
    _range: tuple[float, float] | None = field(default=None, init=False, repr=False)

    def __post_init__(self):
        if self.sampling.batch_norm == "running":
            self._generate = partial(self.model.generate, check=False)  # `floats` does, and names the image
        else:
            self._generate = batch_norm_modes.generator(self.model, self.sampling)

    def __len__(self) -> int:
        return self.n

    def labels(self) -> Tensor | None:
        return self._labels(0, self.n)

    def _labels(self, start: int, count: int) -> Tensor | None:
        if not self.model.num_classes:
            return None
        if self.proportions is not None:
            classes = in_proportion(self.proportions, self.n, self.seed)[start : start + count]
            return self.model.trained_labels(classes, count)  # the data's proportions are those of classes
        return latents.labels(self.seed, start, count, self.model.num_classes)

    def identity(self) -> dict[str, Any]:
        model = self.model
        return {
            "generator": model.config.generator.model_dump(mode="json"),
            "range": model.config.data.range,
            "weights": state_sha256(model.state_dict()),
            "computed": [model.precision, model.device.type, model.fused],
            "sampling": self.sampling.model_dump(mode="json"),
            "seed": self.seed,
            "count": self.n,
            "proportions": None if self.proportions is None else [*self.proportions.tolist(), *model.label_map],
        }

    def batch(self, start: int, count: int) -> Tensor:
        kind = self.sampling.quantise
        if kind == "min-max":
            assert self._range is not None, "prepare comes first"
            return quantise.min_max(self.floats(start, count), *self._range)
        if kind == "min-max-batch":
            groups = [
                self.floats(i, min(self._group, start + count - i)) for i in range(start, start + count, self._group)
            ]
            return torch.cat([quantise.min_max(x, float(x.min()), float(x.max())) for x in groups])
        images = self.floats(start, count)
        return quantise.fixed(images) if kind == "fixed" else quantise.unrounded(images)

    @property
    def _group(self) -> int:
        assert isinstance(self.sampling.batch_size, int), "settled by the plan"
        return self.sampling.batch_size

    def floats(self, start: int, count: int) -> Tensor:
        """Generate images (count, 3, H, W) in [-1, 1], in whole groups if they share statistics.

        Raises ZooError if a value is not finite.
        """
        step = self._group if self.sampling.batch_norm == "batch" else count
        parts = []
        for i in range(start, start + count, step):
            z = self.model.latents(step, self.seed, i, self.sampling.truncation).to(self.model.device)
            y = self._padded_labels(i, step)
            parts.append(self._generate(z, y))
        images = torch.cat(parts)[:count]
        if not torch.isfinite(images).all():
            bad = int((~torch.isfinite(images)).flatten(1).any(1).nonzero()[0])
            raise ZooError(
                f"image {start + bad} of {self.model.config.name} (seed {self.seed}) has values that are not finite; "
                f"the weights are damaged or training diverged, so there is no score. Look with: zoo sample"
            )
        return images

    def _padded_labels(self, start: int, count: int) -> Tensor | None:
        """Return labels, also of images beyond the last one, which complete a group."""
        y = self._labels(start, count)
        if y is not None and len(y) < count:
            y = torch.cat([y, latents.labels(self.seed, start + len(y), count - len(y), self.model.num_classes)])
        return y

    def prepare(self) -> None:
        """Find the smallest and largest value of all n images, in a separate pass that keeps none of them."""
        if self.sampling.quantise != "min-max":
            return
        low, high, error = float("inf"), float("-inf"), None
        try:
            for start in ranks.share(range(0, self.n, ALIGNMENT)):
                images = self.floats(start, min(ALIGNMENT, self.n - start))
                low, high = min(low, float(images.min())), max(high, float(images.max()))
        except ZooError as problem:
            error = problem
        ranks.agree(error)
        self._range = ranks.extremes(low, high)


def in_proportion(counts: Tensor, n: int, seed: int) -> Tensor:
    """Draw n labels in the proportions of `counts`, by largest remainders, in an order drawn from the seed."""
    exact = counts.double() / counts.sum() * n
    whole = exact.floor().long()
    whole[(exact - whole).argsort(descending=True, stable=True)[: n - int(whole.sum())]] += 1
    labels = torch.repeat_interleave(torch.arange(len(counts)), whole)
    return labels[torch.from_numpy(np.random.RandomState(seed & 0xFFFFFFFF).permutation(n))]
