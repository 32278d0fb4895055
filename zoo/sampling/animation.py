"""Images as the frames of a film: a looping GIF, or an MP4."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..common import extras
from ..common.errors import UsageError, ZooError
from ..common.numbers import whole
from ..common.text import short

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

FPS = 12
_FASTEST = 50  # a GIF counts hundredths of a second, and browsers slow down those with one of them per frame
_LEAST_SIDE = 128  # pixels: smaller films are enlarged
_LONGEST_SIDE = 16_384  # of H.264
# Quality that hardly differs from lossless. Untagged colours are guessed; these are what FFmpeg converts RGB to.
_H264 = {
    "crf": "18",
    **dict.fromkeys(("colorspace", "color_primaries", "color_trc"), "smpte170m"),
    "color_range": "tv",
}


def encoded(images: Sequence[Image], suffix: str, fps: Any = None, scale: Any = None) -> bytes:
    """Return the bytes of a film.

    Args:
        images: the frames, RGB and of one size.
        suffix: ".gif", which loops for ever, or ".mp4".
        fps: frames per second, up to 50; None for 12. A GIF rounds a frame's duration to hundredths of a second.
        scale: enlarge by this whole factor, without smoothing; None for the smallest that makes at least 128 pixels.

    Raises:
        ZooError: there are no frames, PyAV is not installed, or `fps` or `scale` is not usable.
    """
    if not images:
        raise ZooError("there are no images to animate; give at least one")
    rate = frame_rate(fps)
    side = max(images[0].size)
    factor = math.ceil(_LEAST_SIDE / side) if scale is None else whole("scale", scale, 1)
    if side * factor > _LONGEST_SIDE:
        raise UsageError(
            f"a film is at most {_LONGEST_SIDE:,} pixels wide, not {side * factor:,}; give a smaller scale"
        )
    return gif(images, float(1000 / rate), factor) if suffix == ".gif" else _mp4(images, rate, factor)


def gif(images: Sequence[Image], milliseconds: float, scale: int = 1) -> bytes:
    """Return an endless GIF, each frame with a palette of its own; grey ones are exact."""
    frames = [_enlarged(image, scale) for image in _with_palettes(images)]
    duration = max(20, round(milliseconds / 10) * 10)
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=duration, loop=0, disposal=1)
    return buffer.getvalue()


def _with_palettes(images: Sequence[Image]) -> list[Image]:
    if all(_is_grey(image) for image in images):
        return [image.convert("L") for image in images]
    return [image.quantize(256) for image in images]


def _is_grey(image: Image) -> bool:
    red, green, blue = (channel.tobytes() for channel in image.split())
    return red == green == blue


def _enlarged(image: Image, scale: int) -> Image:
    from PIL.Image import Resampling

    return image.resize((image.width * scale, image.height * scale), Resampling.NEAREST) if scale > 1 else image


def require_pyav() -> None:
    """Raise ZooError if .mp4 files cannot be written here."""
    try:
        import av
    except ImportError:
        raise ZooError(
            f".mp4 needs PyAV, which is not installed; run: {extras.install('video')}, or give a .gif"
        ) from None
    if "libx264" not in av.codecs_available:
        raise ZooError(
            f"this PyAV was built without the encoder libx264; run: {extras.install('video')}, or give a .gif"
        )


def _mp4(images: Iterable[Image], rate: Fraction, scale: int) -> bytes:
    require_pyav()
    import av

    buffer, stream = io.BytesIO(), None
    with av.open(buffer, "w", format="mp4") as container:
        for pixels in _of_even_sides(images, scale):
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options=_H264)
                stream.height, stream.width, stream.pix_fmt = *pixels.shape[:2], "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode())
    return buffer.getvalue()


def _of_even_sides(images: Iterable[Image], scale: int) -> Iterator[np.ndarray]:
    """Yield (H, W, 3) uint8: browsers play colours in blocks of 2x2, so a last odd line is doubled."""
    import numpy as np

    for image in images:
        pixels = np.asarray(_enlarged(image, scale))
        yield np.pad(pixels, [(0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2), (0, 0)], mode="edge")


def frame_rate(fps: Any = None) -> Fraction:
    """Return frames per second, None for 12; raises ZooError if it is not a number up to 50."""
    try:
        rate = Fraction(float(FPS if fps is None else fps)).limit_denominator(1000)
    except (TypeError, ValueError, OverflowError):
        rate = Fraction(0)
    if isinstance(fps, bool) or not 0 < rate <= _FASTEST:
        raise UsageError(f"fps is {short(fps)}; give a number up to {_FASTEST}")
    return rate
