"""Files that images are written to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..common.errors import ZooError
from . import animation

_FORMATS = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tiff", ".mp4"}


def output_kind(path: Path) -> str:
    """Return the suffix of a path for images: that of an image or film format, ".npz", or "" for a folder."""
    suffix = path.suffix.lower()
    if suffix not in _FORMATS | {"", ".npz"}:
        known = ", ".join(sorted(_FORMATS))
        raise ZooError(f"{path}: unknown format {suffix}; give an image file ({known}), an .npz, or a folder")
    return suffix


def is_animation(frames: bool, suffix: str) -> bool:
    """Return True if images become an animation in this format; `frames` as in `Images`."""
    return suffix == ".mp4" or (frames and suffix == ".gif")


def check_options(frames: bool, suffix: str, columns: Any = None, fps: Any = None, scale: Any = None) -> None:
    """Raise ZooError for an option of grids with an animation, one of animations with another file, or a wrong fps."""
    animated = is_animation(frames, suffix)
    for name, value in (("fps", fps), ("scale", scale)):
        if value is not None and not animated:
            raise ZooError(f"{name} is for animations, .mp4 and the .gif of an interpolation; leave it out")
    if animated:
        animation.frame_rate(fps)
    if columns is not None and animated:
        raise ZooError(f"columns is for a grid, and this {suffix} is an animation; leave it out, or give .png")


def targets_of(path: Path, start: int, n: int) -> list[Path]:
    """Return the files of images start ... start + n - 1: the path itself, or one PNG per image in a folder."""
    return [path] if output_kind(path) else [path / f"{start + i:06d}.png" for i in range(n)]


def refuse_overwriting(targets: list[Path], force: bool) -> None:
    for target in targets:
        if os.path.lexists(target) and not force:
            raise ZooError(f"{target} exists; give another path, or force=True (--force) to overwrite it")
