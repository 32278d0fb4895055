"""Read safetensors files, the only form in which weights are kept: their tensors, or what they state of themselves."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from ..common.errors import WeightsCorruptedError, WeightsUnavailableError
from ..common.files import read_safetensors
from ..common.json_files import UnreadableError, open_regular, reason
from .safetensors_header import metadata, read_header

if TYPE_CHECKING:
    from torch import Tensor


def read(path: str | Path) -> dict[str, Tensor]:
    """Return all tensors of a safetensors file, mapped into memory.

    Raises:
        WeightsUnavailableError: the file cannot be opened.
        WeightsCorruptedError: the file is damaged or not a safetensors file.
    """
    from safetensors import SafetensorError

    from ..common.torch_defaults import fresh_defaults

    path = Path(path)
    try:
        with open_regular(path) as file:
            start = file.read(9)
        if not start:
            raise WeightsCorruptedError(f"{path} is empty; fetch it again")
        # A safetensors file may begin with any length byte, 0x80 included; its JSON begins at the ninth byte.
        if start[8:9] != b"{" and start.startswith((b"PK\x03\x04", b"\x80")):
            raise WeightsCorruptedError(
                f"{path} is a PyTorch pickle, not safetensors; convert it with: "
                f"zoo import NAME@TAG --from {quote(str(path))}"
            )
        metadata(read_header(path))  # enforces bounds that the library does not have
        with fresh_defaults():
            return read_safetensors(path)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        if isinstance(error, UnreadableError):
            raise WeightsCorruptedError(_damaged(path, error)) from None
        raise WeightsUnavailableError(f"{path} cannot be read ({reason(error)}); check the path") from None
    except SafetensorError as error:
        raise WeightsCorruptedError(_damaged(path, error)) from None


def is_one(path: Path) -> bool:
    """Return True if a file of any name begins as a safetensors file does, whose JSON begins at the ninth byte."""
    with open_regular(path) as file:
        start = file.read(9)
    return start[8:9] == b"{" and not start.startswith((b"PK\x03\x04", b"\x80"))


def _damaged(path: Path, error: Exception) -> str:
    return f"{path} is damaged or not a safetensors file ({error}); fetch it again"


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the metadata of a safetensors file; converted weights state their source, its sha256 and the converter.

    Raises WeightsCorruptedError if the file cannot be read.
    """
    try:
        described = metadata(read_header(path))
    except (OSError, ValueError) as error:
        raise WeightsCorruptedError(f"{path} cannot be read ({reason(error)}); remove it") from None
    return {key: value for key, value in described.items() if key != "format"}
