"""Pictures as bytes: PNG for the page and for downloads, a zip, a looping GIF, an HTML table of strips."""

from __future__ import annotations

import base64
import html
import io
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..common.pictures import encoded
from ..sampling import animation

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..sampling.images import Images
    from .drawing import Row


def png(image: Image) -> bytes:
    return encoded(image, compress_level=3)  # 9 is hardly smaller for small pictures, and three times as slow


def zipped(pictures: dict[str, bytes]) -> bytes:
    """Zip PNGs without compressing them again."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in pictures.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def gif(images: Images, seconds: float = 2.0) -> bytes:
    """Encode a loop there and back, each way in `seconds`."""
    frames = [*images, *list(images)[-2:0:-1]]
    return animation.gif(frames, 1000 * seconds / max(1, len(images) - 1))


def picture(data: bytes, alt: str, kind: str = "png", style: str = "") -> str:
    """Return an <img> with embedded pixels."""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img class="zoo-pixels" src="{source}" alt="{html.escape(alt)}" style="{style}">'


def strips(rows: Sequence[Row], heading: str, alt: str) -> str:
    """Return an HTML table with one row of pictures per Row, its title before it, readable by screen readers."""
    if not rows:
        return ""
    cells = []
    for row in rows:
        strip = png(row.images.grid(len(row.images), padding=1))
        n = len(row.images)
        style = f"max-width: {max(96, row.images.shape[3] + 24) * n}px"
        title = f'<th scope="row">{html.escape(row.title)}</th>' if row.title else ""
        told = ", ".join(part for part in (alt, row.title, f"{n} images") if part)
        cells.append(f"<tr>{title}<td>{picture(strip, told, style=style)}</td></tr>")
    return f'<table class="zoo-strips"><caption>{html.escape(heading)}</caption><tbody>{"".join(cells)}</tbody></table>'


def stacked(rows: Sequence[Row]) -> bytes:
    """Encode all rows as one PNG, as `Images.grid` lays them out."""
    from ..sampling.images import Images

    together = Images.cat([_unlabelled(row.images) for row in rows])
    return png(together.grid(len(rows[0].images)))


def _unlabelled(images: Images) -> Images:
    from ..sampling.images import Images

    return Images(images.uint8)
