"""What a later reader needs to know about the machine of a run."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

import torch

from ...common import ranks
from ...common.version import __version__

_PACKAGES = ("torch", "torch-fidelity", "numpy", "scikit-learn", "torchvision")


def convolutions() -> str:
    """TF32 or float32, as cuDNN computes them; asked in the one way that no earlier setting makes an error."""
    backends = torch.backends
    cudnn, every = backends.cudnn, backends.fp32_precision  # pyright: ignore[reportAttributeAccessIssue] (made on import)
    settings = (cudnn.conv.fp32_precision, cudnn.fp32_precision, every)  # pyright: ignore[reportAttributeAccessIssue]
    return "TF32" if next((s for s in settings if s != "none"), "ieee") == "tf32" else "float32"


def machine(device: str) -> dict[str, str]:
    """Versions, processor, command and time."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    if device.startswith("cuda"):
        where = torch.cuda.get_device_name(device)
        where += f", {convolutions()} convolutions"
    else:
        threads = torch.get_num_threads()
        where = platform.machine() + (f", {threads} thread{'s' * (threads > 1)}" if device == "cpu" else "")
    return {
        "zoo": __version__,
        **versions,
        "python": platform.python_version(),
        "device": f"{device} ({where})",
        "ranks": str(ranks.world_size()),
        "command": _command(),
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _command() -> str:
    """How this process was started; `python -m zoo` is the command `zoo`."""
    name = Path(sys.argv[0]).name
    return " ".join(map(_quoted, ["zoo" if name == "__main__.py" else name, *sys.argv[1:]])) if name else ""


def _quoted(word: str) -> str:
    """Quote a word for a shell; one whose bytes are not UTF-8 as bash takes it: $'caf\\xe9'."""
    try:
        word.encode()
    except UnicodeEncodeError:
        plain = b"".join(bytes([b]) if 32 <= b < 127 and b not in b"'\\" else b"\\x%02x" % b for b in os.fsencode(word))
        return f"$'{plain.decode()}'"
    return shlex.quote(word)
