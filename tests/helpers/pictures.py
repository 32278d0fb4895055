"""Small images, and files of them, for the tests of the data sets."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def noise(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def picture(width, height, seed=0) -> Image.Image:
    """Smooth, so that it survives being made smaller, with detail, so that filters differ."""
    coarse = Image.fromarray(noise(height // 8 + 1, width // 8 + 1, 3, seed=seed))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def image_folder(path: Path, names, side=20) -> Path:
    for i, name in enumerate(names):
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(side, side, 3, seed=i)).save(file)
    return path


def npz(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def prepared(root: Path) -> list[Path]:
    return sorted((root / "prepared").glob("*/*"))


def png(image: Image.Image | np.ndarray) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, "PNG")
    return buffer.getvalue()
