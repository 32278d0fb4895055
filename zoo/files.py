"""Files: written whole or not at all, and known by their sha256."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import WeightsCorruptedError

if TYPE_CHECKING:
    from torch import Tensor


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _sha256(file)


def _sha256(file) -> str:  # Python 3.10 has no file_digest
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def verify_sha256(path: Path, expected: str | None, remedy: str = "fetch or install it again") -> None:
    """Raises WeightsCorruptedError, ending with the remedy, if the file is not the expected one."""
    if expected is not None and (actual := sha256(path)) != expected:
        raise WeightsCorruptedError(
            f"{path} is damaged: its sha256 is {actual[:12]}..., expected {expected[:12]}...; {remedy}"
        )


def as_size(size: int) -> str:
    """Bytes for a person: "17.2 MB"."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside the target, renamed to it in the end: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp's 0600 would keep a shared cache from its readers
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes) -> None:
    """Write a whole file, or leave what was there."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def save(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all. The same tensors and metadata give the same bytes."""
    with replacing(Path(path)) as temporary:
        write_safetensors(temporary, tensors, metadata)


def write_safetensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file in place; for a path that nobody reads yet."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(contiguous, path, {"format": "pt", **(metadata or {})})
    except SafetensorError as error:  # it wraps the system's errors
        match = re.search(r"\(os error (\d+)\)", str(error))
        if match is None:
            raise
        code = int(match[1])
        raise OSError(code, os.strerror(code), str(path)) from error
    _sort_metadata(path)


def _sort_metadata(path: Path) -> None:
    """safetensors writes metadata in the order of a randomised hash map; a checksum wants one order."""
    with path.open("rb+") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        assert len(text) <= length, "the same keys and values in another order are not longer"
        file.seek(8)
        file.write(text.ljust(length))
