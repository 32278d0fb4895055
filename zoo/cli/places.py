"""Where a command writes: a name of the wrong kind and a place that cannot be written are refused before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer

from ..common import files
from ..common.text import short

# Suffixes of files that are known, so that "run.2" and "v1.5" stay names of folders.
_PICTURES = {".bmp", ".gif", ".jpeg", ".jpg", ".mp4", ".png", ".svg", ".tif", ".tiff", ".webp"}
_ARRAYS = {".npy", ".npz", ".onnx", ".pkl", ".pt", ".pth", ".safetensors", ".ts"}
_TEXTS = {".csv", ".htm", ".html", ".json", ".jsonl", ".md", ".pdf", ".txt"}
_OF_FILES = {*_PICTURES, *_ARRAYS, *_TEXTS, ".gz", ".tar", ".tgz", ".xz", ".zip"}


def folder(path: Path | None) -> Path | None:
    """Refuse, as the callback of an option, a place that cannot be written, and a name that only a file would have."""
    if path is not None and path.suffix.lower() in _OF_FILES and not path.is_dir():
        raise typer.BadParameter(
            f"{short(path.name)} is the name of a {path.suffix} file, and what is written is a folder; give a name "
            f"without {path.suffix}"
        )
    return writable(path)


def file(*suffixes: str) -> Callable[[Path | None], Path | None]:
    """Return the callback of an option for a file that refuses a name without any of these suffixes."""

    def file(path: Path | None) -> Path | None:
        if path is not None and path.suffix.lower() not in suffixes:
            raise typer.BadParameter(f"{short(path.name)} does not end in {' or '.join(suffixes)}")
        return writable(path)

    return file


def writable(path: Path | None) -> Path | None:
    """Refuse, as the callback of an option, a place that cannot be written."""
    if path is not None:
        files.refuse_unwritable(path)
    return path
