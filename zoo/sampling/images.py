"""A batch of generated images: show, save, index, convert."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from ..common.errors import ZooError
from ..common.memory import refuse_if_too_large
from ..common.numbers import whole
from ..common.pictures import encoded
from ..common.text import short
from . import animation
from .grid import PADDING, drawn, layout
from .indexing import position, positions
from .outputs import (
    check_format,
    check_options,
    holds,
    is_animation,
    output_kind,
    refuse_overwriting,
    targets_of,
    write,
)

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

T = TypeVar("T")
_SHOWN = 1000  # images in a notebook


class Images:
    """Images (N, 3, H, W) as uint8 on the CPU, with the seed and labels that made them.

    `images[i]` and iteration give PIL images; a slice, a mask or a list, array or tensor of indices gives `Images`, and
    an index out of range is an IndexError. `np.asarray(images)` is the same (N, 3, H, W) array as `images.uint8`. A
    notebook shows the batch, or its first thousand, as a grid.

    Attributes:
        labels: (N,) int64; None without classes.
        start: index of the first image in the seed's sequence.
        frames: the images are the frames of one animation, which `save` writes as such into a .gif.
    """

    def __init__(
        self,
        uint8: torch.Tensor | np.ndarray,
        *,
        labels: torch.Tensor | np.ndarray | Sequence[int] | None = None,
        seed: int | None = None,
        start: int = 0,
        model: str | None = None,
        columns: int | None = None,
        frames: bool = False,
    ):
        import torch

        pixels = torch.from_numpy(uint8) if isinstance(uint8, np.ndarray) and uint8.dtype == np.uint8 else uint8
        if not isinstance(pixels, torch.Tensor) or pixels.ndim != 4 or pixels.shape[1] != 3 or _kind(pixels) != "uint8":
            about = f"{_kind(uint8)} {tuple(uint8.shape)}" if hasattr(uint8, "shape") else short(uint8)
            raise ZooError(f"images must be uint8 (N, 3, H, W), not {about}")
        self.uint8 = pixels.cpu().contiguous()
        self.labels = None if labels is None else _labels(labels, len(pixels))
        self.seed = None if seed is None else whole("seed", seed, 0, (1 << 64) - 1)
        self.start = whole("start", start)
        self.model = model
        self.frames = frames
        self._columns = None if columns is None else whole("columns", columns, 1)

    @classmethod
    def from_float(cls, images: torch.Tensor, **about: Any) -> Images:
        """Convert generator output (N, 1 or 3, H, W) in [-1, 1] to 0 ... 255, halves rounded up (as in StudioGAN)."""
        import torch

        from ..common import quantise

        if not isinstance(images, torch.Tensor) or images.ndim != 4 or images.shape[1] not in (1, 3):
            kind = short(tuple(images.shape) if hasattr(images, "shape") else images)
            raise ZooError(f"images must be floats (N, 1 or 3, H, W) in [-1, 1], not {kind}")
        return cls(quantise.fixed(images).expand(-1, 3, -1, -1), **about)

    @classmethod
    def cat(cls, parts: Iterable[Images]) -> Images:
        """Join several batches in order, such as those of `model.stream`."""
        import torch

        parts = list(parts)
        if others := [part for part in parts if not isinstance(part, Images)]:
            raise ZooError(f"{short(others[0])} is not a batch of Images; give Images, such as those of model.stream")
        if not parts:
            raise ZooError("there are no images to join; give at least one batch")
        first, labels = parts[0], [part.labels for part in parts if part.labels is not None]
        sizes = dict.fromkeys(f"{part.shape[3]}x{part.shape[2]}" for part in parts)
        if len(sizes) > 1:
            raise ZooError(f"images of {' and '.join(sizes)} cannot be joined; give images of one size")
        n = sum(map(len, parts))
        refuse_if_too_large(
            n * first.uint8[:1].nbytes, f"{n:,} images of {next(iter(sizes))}", "keep the batches apart"
        )
        return cls(
            torch.cat([part.uint8 for part in parts]),
            labels=torch.cat(labels) if len(labels) == len(parts) else None,
            seed=first.seed if all(part.seed == first.seed for part in parts) else None,
            start=first.start,
            model=first.model if all(part.model == first.model for part in parts) else None,
            frames=all(part.frames for part in parts),
        )

    def float(self) -> torch.Tensor:
        """Return (N, 3, H, W) float32 in [0, 1]."""
        refuse_if_too_large(
            4 * self.uint8.nbytes, f"{len(self):,} floating-point images", "convert images[:1000], and so on"
        )
        return self.uint8.float() / 255

    def __len__(self) -> int:
        return len(self.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.uint8.shape)

    @overload
    def __getitem__(self, index: int | np.integer) -> Image: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | Sequence[bool] | np.ndarray | torch.Tensor) -> Images: ...

    def __getitem__(self, index):
        one = position(index, len(self))
        if one is not None:
            return _pil(self.uint8[one])
        chosen = positions(index, len(self))
        row = chosen if isinstance(chosen, range) and chosen.step == 1 else None
        where = list(chosen) if row is None else slice(row.start, row.stop)
        return Images(
            self.uint8[where],
            labels=None if self.labels is None else self.labels[where],
            seed=self.seed,
            start=0 if row is None else self.start + row.start,
            model=self.model,
            frames=self.frames,
        )

    def __iter__(self) -> Iterator[Image]:
        return (_pil(image) for image in self.uint8)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        array = self.uint8.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def pil(self) -> list[Image]:
        """Return the images as a list of PIL images."""
        return list(self)

    def grid(self, columns: int | None = None, padding: int = PADDING) -> Image:
        """Arrange all images in one PIL image, row by row, on white.

        Args:
            columns: images per row; default: about the square root of their number.
            padding: pixels between and around the images.

        Raises:
            ZooError: there are more than 10,000 images.
        """
        return self._grid(columns, padding)

    def _grid(self, columns: int | None, padding: int = PADDING, suffix: str = "") -> Image:
        from PIL import Image

        columns = self._columns if columns is None else columns
        where = layout(len(self), self.shape[2], self.shape[3], columns, padding, suffix)
        return Image.fromarray(drawn(self.uint8, where))

    def save(
        self,
        path: str | os.PathLike,
        *,
        columns: int | None = None,
        fps: float | None = None,
        scale: int | None = None,
        force: bool = False,
    ) -> Path:
        """Write a grid (for an image suffix), an animation, an .npz, or a folder with one PNG per image.

        A path that ends in a slash, or is a folder already, is a folder; other paths are what their suffix says.

        The .npz has `images` (N, H, W, 3) uint8, and `labels` and `seed` if known. A folder gets 000000.png and so on,
        numbered from `start`. An .mp4 is an animation, and so is a .gif of `interpolate`. Existing files are only
        overwritten with `force`; a file that holds the same already is left as it is, so that a cell may run again.

        Args:
            columns: of a grid.
            fps: frames per second of an animation, up to 50; default: 12.
            scale: whole factor by which an animation is enlarged; default: the least that makes 128 pixels.
        """
        suffix, targets = output_kind(path), targets_of(path, self.start, len(self))
        check_options(self.frames, suffix, columns, fps, scale)
        if suffix:
            contents = [partial(self.to_bytes, suffix, columns=columns, fps=fps, scale=scale)]
        else:
            contents = [partial(encoded, image, ".png") for image in self]
        missing = list(zip(targets, contents, strict=True))
        if not force:
            missing = [(file, content) for file, content in missing if not holds(file, content)]
        refuse_overwriting([file for file, _ in missing], force)
        if not suffix:
            Path(path).mkdir(parents=True, exist_ok=True)
        for file, content in missing:
            write(file, content(), force)
        return Path(path)

    def to_bytes(
        self, suffix: str, *, columns: int | None = None, fps: float | None = None, scale: int | None = None
    ) -> bytes:
        """Return the bytes of the file that `save` writes for this suffix, such as ".png"."""
        check_format(suffix)
        if suffix == ".npz":
            return self._npz()
        if is_animation(self.frames, suffix):
            return animation.encoded(self.pil(), suffix, fps, scale)
        return encoded(self._grid(columns, suffix=suffix), suffix)

    def _npz(self) -> bytes:
        arrays: dict[str, Any] = {"images": self.uint8.permute(0, 2, 3, 1).numpy()}
        if self.labels is not None:
            arrays["labels"] = self.labels.cpu().numpy()
        if self.seed is not None:
            arrays["seed"] = np.uint64(self.seed)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return encoded((self if len(self) <= _SHOWN else self[:_SHOWN]).grid(), ".png")

    def __repr__(self) -> str:
        about = "".join(
            f", {key}={value}" for key, value in (("model", self.model), ("seed", self.seed)) if value is not None
        )
        return f"Images({len(self)} of {self.shape[3]}x{self.shape[2]}{about})"


def sent_to_host(images: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Begin to copy a tensor to the CPU; the returned function waits for the copy."""
    import torch

    if images.device.type != "cuda":
        return images.cpu
    here = torch.empty(images.shape, dtype=images.dtype, pin_memory=True)
    here.copy_(images, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record(torch.cuda.current_stream(images.device))

    def arrive() -> torch.Tensor:
        copied.synchronize()
        return here

    return arrive


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield each item after the next one has begun."""
    waiting = list(itertools.islice(items, 1))
    for item in items:
        waiting.append(item)
        yield waiting.pop(0)
    yield from waiting


def recut(batches: Iterator[Images], size: int) -> Iterator[Images]:
    """Yield the same images in batches of `size`; the last batch may be smaller."""
    held: Images | None = None
    for batch in batches:
        batch = batch if held is None else Images.cat([held, batch])
        while len(batch) > size:
            yield batch[:size]
            batch = batch[size:]
        if len(batch) == size:
            yield batch
            held = None
        else:
            held = batch
    if held is not None:
        yield held


def _kind(array: Any) -> str:
    return str(array.dtype).removeprefix("torch.")


def _labels(labels: Any, n: int) -> torch.Tensor:
    import torch

    try:
        found = torch.as_tensor(labels, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        raise ZooError(f"labels are {short(labels)}; give one whole number per image") from None
    if found.shape != (n,):
        raise ZooError(f"labels are {tuple(found.shape)} for {n:,} images; give one per image")
    if n and (found.is_complex() or found.dtype == torch.bool or not _whole(found)):
        raise ZooError(f"labels are {short(labels)}; give one whole number per image")
    return found.to(torch.int64)


def _whole(numbers: torch.Tensor) -> bool:
    if not numbers.is_floating_point():
        return True
    return bool((numbers.isfinite() & (numbers == numbers.trunc())).all())


def _pil(image: torch.Tensor) -> Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
