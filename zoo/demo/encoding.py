"""Pictures as bytes: PNG for the page and for downloads, a zip, a looping GIF, an HTML table of strips."""

from __future__ import annotations

import base64
import html
import io
import math
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..common.errors import ZooError
from ..common.pictures import encoded
from ..sampling import animation
from ..sampling.grid import PADDING, layout, steps

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..sampling.images import Images
    from .drawing import Row

_FILM = 720  # pixels, about
_FEW = 5  # pictures, which fit in one row anywhere


def png(image: Image) -> bytes:
    return encoded(image, compress_level=3)  # 9 is hardly smaller for small pictures, and three times as slow


def grid(images: Images, columns: int | None = None, padding: int = PADDING) -> bytes:
    """Return the PNG of `images.grid(columns, padding)` with clear gaps, so that it is at home on any background."""
    import numpy as np
    from PIL import Image

    made, n = images.grid(columns, padding), len(images)
    where = layout(n, images.shape[2], images.shape[3], columns, padding)
    seen = np.zeros((where.height, where.width), np.uint8)
    for i in range(n):
        top, left = (padding + step for step in steps(i, where))
        seen[top : top + images.shape[2], left : left + images.shape[3]] = 255
    made.putalpha(Image.fromarray(seen))
    return png(made)


def zipped(pictures: dict[str, bytes]) -> bytes:
    """Zip PNGs without compressing them again."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in pictures.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def films(frames: Sequence[Image]) -> tuple[dict[str, bytes], str]:
    """Encode frames as a looping GIF and, where PyAV is installed, an MP4, large enough for a slide.

    Returns:
        The films by suffix, and why there is no MP4, in a line; empty if there is one.
    """
    scale = max(1, _FILM // frames[0].width)
    made, why = {".gif": animation.encoded(frames, ".gif", scale=scale)}, ""
    try:
        made[".mp4"] = animation.encoded(frames, ".mp4", scale=scale)
    except ZooError as error:
        why = str(error)
    return made, why


def picture(data: bytes, alt: str, kind: str = "png", style: str = "") -> str:
    """Return an <img> with embedded pixels."""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img class="zoo-pixels" src="{source}" alt="{html.escape(alt)}" style="{style}">'


def by_title(pictures: Sequence[bytes], titles: Sequence[str], alt: str) -> str:
    """Return PNGs side by side as HTML, each over its title; in two rows where there is no room for one."""
    figures = "".join(
        f"<figure>{picture(data, f'{title}, {alt}')}<figcaption>{html.escape(title)}</figcaption></figure>"
        for data, title in zip(pictures, titles, strict=True)
    )
    n = len(pictures)
    rows = f"--wide: {n}; --narrow: {n if n <= _FEW else math.ceil(n / 2)}"
    return f'<div class="zoo-columns" style="{rows}">{figures}</div>'


def columns(images: Images, titles: Sequence[str]) -> list[bytes]:
    """Return the columns of rows of images, a column a title, as PNGs."""
    return [grid(images[list(range(i, len(images), len(titles)))], 1, 1) for i in range(len(titles))]


def strips(rows: Sequence[Row], heading: str, alt: str) -> str:
    """Return an HTML table with one row of pictures per Row, its title before it, readable by screen readers."""
    if not rows:
        return ""
    cells = []
    for row in rows:
        strip = grid(row.images, len(row.images), padding=1)
        n = len(row.images)
        style = f"max-width: {max(96, row.images.shape[3] + 24) * n}px"
        title = f'<th scope="row">{html.escape(row.title)}</th>' if row.title else ""
        told = ", ".join(part for part in (alt, row.title, f"{n} images") if part)
        cells.append(f"<tr>{title}<td>{picture(strip, told, style=style)}</td></tr>")
    return f'<table class="zoo-strips"><caption>{html.escape(heading)}</caption><tbody>{"".join(cells)}</tbody></table>'


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table of scores, whose rows are lists with these titles where there is no room for it."""
    titles = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in head)
    named = [f'<td data-title="{html.escape(title)}">' for title in head]
    lines = ["".join(f"{td}{html.escape(cell)}</td>" for td, cell in zip(named, row, strict=True)) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    caption = f'<caption class="zoo-caption">{html.escape(caption)}</caption>' if caption else ""
    return f'<table class="zoo-scores">{caption}<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>'
