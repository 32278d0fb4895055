"""Pictures as bytes: PNG for the page and for downloads, a zip, a looping GIF, an HTML table of strips."""

from __future__ import annotations

import base64
import html
import io
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..common.errors import ZooError
from ..common.pictures import encoded
from ..sampling import animation

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..sampling.images import Images
    from .drawing import Row

_FILM = 720  # pixels, about


def png(image: Image) -> bytes:
    return encoded(image, compress_level=3)  # 9 is hardly smaller for small pictures, and three times as slow


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


def titled(images: Images, titles: Sequence[str], told: str) -> str:
    """Return images in columns under titles as HTML, with a caption."""
    heads = "".join(f'<span title="{html.escape(title)}">{html.escape(title)}</span>' for title in titles)
    heads = f'<div class="zoo-titles">{heads}</div>' if titles else ""
    shown = picture(png(images.grid(len(titles) or None)), f"{told}, {len(images)} images")
    return f'<div class="zoo-alone">{heads}{shown}</div><p class="zoo-caption">{html.escape(told)}</p>'


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
