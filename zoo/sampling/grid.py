"""Many images as one picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ..common.errors import ZooError
from ..common.memory import refuse_if_too_large
from ..common.numbers import whole

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

MOST_IMAGES = 10_000  # more are too small to be seen in any window
PADDING = 2
_LONGEST_SIDE = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500, ".gif": 65_535}  # pixels
_MOST_BYTES = {".bmp": (1 << 32) - (1 << 16), ".tiff": (1 << 32) - (1 << 16)}  # the headers count in 32 bits
_INSTEAD = "take fewer (images[:1000], -n 1000), or save single images: a folder or an .npz"


class GridLayout(NamedTuple):
    """Places of n images in rows, with padding between and around them."""

    columns: int
    rows: int
    cell_height: int
    cell_width: int
    padding: int

    @property
    def height(self) -> int:
        return self.rows * self.cell_height + self.padding

    @property
    def width(self) -> int:
        return self.columns * self.cell_width + self.padding


def layout(
    n: int, height: int, width: int, columns: int | None = None, padding: int = PADDING, suffix: str = ""
) -> GridLayout:
    """Lay out n images of height x width; None makes about as many columns as rows.

    Raises:
        ZooError: there are too many images, or the format of this suffix or the memory cannot hold the picture.
    """
    if n > MOST_IMAGES:
        raise ZooError(f"a grid holds at most {MOST_IMAGES:,} images, not {n:,}; {_INSTEAD}")
    columns = max(1, math.ceil(math.sqrt(n))) if columns is None else whole("columns", columns, 1)
    columns, padding = min(columns, max(n, 1)), whole("padding", padding)
    found = GridLayout(columns, math.ceil(n / columns), height + padding, width + padding, padding)
    size, longest = f"{found.width:,} x {found.height:,} pixels", _LONGEST_SIDE.get(suffix)
    if longest and max(found.width, found.height) > longest:
        raise ZooError(
            f"a grid of {n:,} images has {size}, but {suffix} holds {longest:,} along a side; give .png, other "
            f"columns, or a folder or an .npz of single images"
        )
    if 3 * found.width * found.height > _MOST_BYTES.get(suffix, math.inf):
        raise ZooError(f"a grid of {n:,} images has {size}, too many for {suffix}; give .png")
    refuse_if_too_large(3 * found.width * found.height, f"the pixels of a grid of {n:,} images", _INSTEAD)
    return found


def drawn(images: Tensor, where: GridLayout) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 of images (N, 3, h, w) on white."""
    import numpy as np

    sheet = np.full((where.height, where.width, 3), 255, np.uint8)
    height, width = images.shape[2:]
    for i, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
        top, left = (where.padding + step for step in steps(i, where))
        sheet[top : top + height, left : left + width] = image
    return sheet


def steps(i: int, where: GridLayout) -> tuple[int, int]:
    """Return how far the cell of image i is from the top and from the left."""
    return i // where.columns * where.cell_height, i % where.columns * where.cell_width
