"""A batch of generated images: show, save, index, convert."""

from __future__ import annotations

import io
import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from ..common.errors import ZooError
from ..common.files import write_atomically
from ..common.pictures import encoded

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

T = TypeVar("T")
_FORMATS = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tiff"}


class Images:
    """Images (N, 3, H, W) as uint8 on the CPU, with the seed and labels that made them.

    `images[i]` and iteration give PIL images, a slice or index list gives `Images`; `np.asarray(images)` is the same
    (N, 3, H, W) array as `images.uint8`. A notebook shows the batch as a grid.
    """

    def __init__(
        self,
        uint8: torch.Tensor,
        *,
        labels: torch.Tensor | None = None,
        seed: int | None = None,
        start: int = 0,
        model: str | None = None,
        columns: int | None = None,
    ):
        if uint8.ndim != 4 or uint8.shape[1] != 3 or str(uint8.dtype) != "torch.uint8":
            raise ZooError(f"images must be uint8 (N, 3, H, W), not {uint8.dtype} {tuple(uint8.shape)}")
        self.uint8 = uint8.cpu().contiguous()
        self.labels = labels  # (N,) int64, None without classes
        self.seed = seed
        self.start = start  # index of the first image in the seed's sequence
        self.model = model
        self._columns = columns

    @classmethod
    def from_float(cls, images: torch.Tensor, **about: Any) -> Images:
        """Convert generator output (N, 1 or 3, H, W) in [-1, 1] to 0 ... 255, halves rounded up (as in StudioGAN)."""
        from ..common import quantise

        return cls(quantise.fixed(images).expand(-1, 3, -1, -1), **about)

    @classmethod
    def cat(cls, parts: Sequence[Images]) -> Images:
        """Join several batches in order, such as those of `model.stream`."""
        import torch

        if not parts:
            raise ZooError("there are no images to join; give at least one batch")
        first = parts[0]
        labels = None if first.labels is None else torch.cat([part.labels for part in parts if part.labels is not None])
        return cls(
            torch.cat([part.uint8 for part in parts]),
            labels=labels,
            seed=first.seed,
            start=first.start,
            model=first.model,
        )

    def float(self) -> torch.Tensor:
        """Return (N, 3, H, W) float32 in [0, 1]."""
        return self.uint8.float() / 255

    def __len__(self) -> int:
        return len(self.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.uint8.shape)

    @overload
    def __getitem__(self, index: int | np.integer) -> Image: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray | torch.Tensor) -> Images: ...

    def __getitem__(self, index):
        if isinstance(index, (int, np.integer)):
            return _pil(self.uint8[int(index)])
        start = (
            self.start + range(len(self))[index].start if isinstance(index, slice) and index.step in (None, 1) else 0
        )
        return Images(
            self.uint8[index],
            labels=None if self.labels is None else self.labels[index],
            seed=self.seed,
            start=start,
            model=self.model,
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

    def grid(self, columns: int | None = None, padding: int = 2) -> Image:
        """Arrange all images in one PIL image, row by row, on white.

        Args:
            columns: images per row; default: about the square root of their number.
            padding: pixels between and around the images.
        """
        import torch

        n, channels, height, width = self.uint8.shape
        columns = columns or self._columns or math.ceil(math.sqrt(n)) or 1
        if columns < 1:
            raise ZooError(f"columns is {columns}; give 1 or more")
        columns = min(columns, max(n, 1))
        rows = math.ceil(n / columns)
        cell_h, cell_w = height + padding, width + padding
        sheet = torch.full((channels, rows * cell_h + padding, columns * cell_w + padding), 255, dtype=torch.uint8)
        for i, image in enumerate(self.uint8):
            top, left = padding + i // columns * cell_h, padding + i % columns * cell_w
            sheet[:, top : top + height, left : left + width] = image
        return _pil(sheet)

    def save(self, path: str | Path, *, columns: int | None = None, force: bool = False) -> Path:
        """Write a grid (for an image suffix), an .npz, or a folder with one PNG per image.

        The .npz has `images` (N, H, W, 3) uint8, and `labels` and `seed` if known. A folder gets 000000.png and so on,
        numbered from `start`. Existing files are only overwritten with `force`.
        """
        path = Path(path)
        suffix = output_kind(path)
        targets = targets_of(path, self.start, len(self))
        refuse_overwriting(targets, force)
        if suffix == ".npz":
            write_atomically(path, self._npz())
        elif suffix:
            write_atomically(path, encoded(self.grid(columns), suffix))
        else:
            path.mkdir(parents=True, exist_ok=True)
            for target, image in zip(targets, self, strict=True):
                write_atomically(target, encoded(image, ".png"))
        return path

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
        return encoded(self.grid(), ".png")

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


def output_kind(path: Path) -> str:
    """Return the suffix of a path for images: that of an image format, ".npz", or "" for a folder."""
    suffix = path.suffix.lower()
    if suffix not in _FORMATS | {"", ".npz"}:
        known = ", ".join(sorted(_FORMATS))
        raise ZooError(f"{path}: unknown format {suffix}; give an image file ({known}), an .npz, or a folder")
    return suffix


def targets_of(path: Path, start: int, n: int) -> list[Path]:
    """Return the files of images start ... start + n - 1: the path itself, or one PNG per image in a folder."""
    return [path] if output_kind(path) else [path / f"{start + i:06d}.png" for i in range(n)]


def refuse_overwriting(targets: list[Path], force: bool) -> None:
    for target in targets:
        if os.path.lexists(target) and not force:
            raise ZooError(f"{target} exists; give another path, or force=True (--force) to overwrite it")


def _pil(image: torch.Tensor) -> Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
