"""Files that images are written to."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..common.errors import UsageError, ZooError
from ..common.files import write_atomically
from ..common.text import short
from . import animation

_FORMATS = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tiff", ".mp4"}


def kind_of(path: str | os.PathLike) -> str:
    """Return the suffix of an output, in lower case; "" for a folder.

    What ends in a slash, and what is a folder already, is a folder, whatever dots its name has.
    """
    text = os.fspath(path)
    if not text or "\0" in text:
        raise UsageError(f"the path {short(text)} names no file; give one such as grid.png, or a folder")
    is_folder = text.endswith((os.sep, os.altsep or os.sep)) or Path(text).is_dir()
    return "" if is_folder else Path(text).suffix.lower()


def output_kind(path: str | os.PathLike) -> str:
    """Return the kind of an output for images: the suffix of an image or film format, ".npz", or "" for a folder."""
    suffix = kind_of(path)
    if suffix not in _FORMATS | {"", ".npz"}:
        known = ", ".join(sorted(_FORMATS))
        raise UsageError(
            f"{path}: unknown format {suffix}; give an image file ({known}), an .npz, or a folder ({path}/, with a "
            f"slash, as its name has a dot)"
        )
    return suffix


def check_format(suffix: Any) -> None:
    """Raise UsageError for a suffix that no file of images has."""
    known = sorted({*_FORMATS, ".npz"})
    if not isinstance(suffix, str) or suffix not in known:
        raise UsageError(f"suffix is {short(suffix)}; give one of {', '.join(known)}")


def is_animation(frames: bool, suffix: str) -> bool:
    """Return True if images become an animation in this format; `frames` as in `Images`."""
    return suffix == ".mp4" or (frames and suffix == ".gif")


def check_options(frames: bool, suffix: str, columns: Any = None, fps: Any = None, scale: Any = None) -> None:
    """Raise ZooError for an option of grids with an animation, one of animations with another file, or a wrong fps."""
    animated = is_animation(frames, suffix)
    for name, value in (("fps", fps), ("scale", scale)):
        if value is not None and not animated:
            raise UsageError(f"{name} is for animations, .mp4 and the .gif of an interpolation; leave it out")
    if animated:
        animation.frame_rate(fps)
    if columns is not None and animated:
        raise UsageError(f"columns is for a grid, and this {suffix} is an animation; leave it out, or give .png")


def targets_of(path: str | os.PathLike, start: int, n: int) -> list[Path]:
    """Return the files of images start ... start + n - 1: the path itself, or one PNG per image in a folder."""
    return [Path(path)] if output_kind(path) else [Path(path) / f"{start + i:06d}.png" for i in range(n)]


def holds(file: Path, content: Callable[[], bytes]) -> bool:
    """Return True for a file that has this content already."""
    return file.is_file() and file.read_bytes() == content()


def refuse_overwriting(targets: Sequence[str | os.PathLike], force: bool) -> None:
    for target in targets:
        if os.path.lexists(target) and not force:
            raise _exists(target)


def write(target: Path, data: bytes, force: bool) -> None:
    """Write a whole file; without `force`, raises ZooError if it exists, also if another process has just made it."""
    try:
        write_atomically(target, data, replace=force)
    except FileExistsError:
        raise _exists(target) from None


def _exists(target: str | os.PathLike) -> ZooError:
    return ZooError(f"{target} exists; give another path, or force=True (--force) to overwrite it")
