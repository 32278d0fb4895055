"""Examine this machine: versions, devices, caches, and the servers that it can reach."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ..checkpoints import cache, hub
from ..common import downloads, files
from ..common.cache_roots import cache_root, hub_root
from ..common.version import __version__
from ..schema import registry

_DISTRIBUTION = "contrastive-gan-zoo"
_PATIENCE = 5.0  # seconds for a server to answer


@dataclass(frozen=True)
class Finding:
    """One line of the examination; `ok` is False if something does not work, and `advice` says what to do."""

    topic: str
    name: str
    value: str
    ok: bool = True
    advice: str = ""


def examine(reach_out: bool = True) -> list[Finding]:
    """Examine versions, extras, devices, caches, weights, and the servers that weights come from.

    Args:
        reach_out: try the network; each server has 5 seconds to answer.
    """
    return [*_versions(), *_extras(), *_devices(), *_caches(), *_weights(), *_places(reach_out)]


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "zoo", __version__)
    yield Finding("versions", "Python", f"{platform.python_version()} on {platform.platform()}")
    for name in ("torch", "numpy", "safetensors", "huggingface-hub"):
        yield Finding("versions", name, _version(name) or "missing", _version(name) is not None, f"pip install {name}")


def _extras() -> Iterator[Finding]:
    """List the extras and their missing packages; a missing extra is not a problem until it is used."""
    try:
        required = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Finding("extras", "unknown", "this source tree is not installed (pip install -e .)")
        return
    extras: dict[str, set[str]] = {}
    for line in required:
        if match := re.match(r"([\w.-]+).*extra *== *['\"]([\w-]+)['\"]", line):
            extras.setdefault(match[2], set()).add(match[1])
    for extra, names in sorted(extras.items()):
        missing = sorted(name for name in names - {_DISTRIBUTION} if _version(name) is None)
        install = f"pip install '{_DISTRIBUTION}[{extra}]'"
        yield Finding("extras", extra, f"missing {', '.join(missing)}: {install}" if missing else "complete")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> Iterator[Finding]:
    import torch

    yield Finding("devices", "cpu", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads")
    for i in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(i).total_memory
        yield Finding("devices", f"cuda:{i}", f"{torch.cuda.get_device_name(i)}, {memory / 2**30:.0f} GiB")
    if torch.backends.mps.is_available():
        yield Finding("devices", "mps", "Apple's GPU")


def _caches() -> Iterator[Finding]:
    for name, folder, variable in (
        ("converted weights", cache_root(), "ZOO_CACHE"),
        ("Hub", hub_root(), "HF_HOME"),
    ):
        existing = next(path for path in (folder, *folder.parents) if _is_there(path))
        writable = existing.is_dir() and os.access(existing, os.W_OK)
        free = f", {shutil.disk_usage(existing).free / 2**30:.0f} GiB free" if existing.is_dir() else ""
        value = f"{folder}{free}" + ("" if writable else ", cannot be written")
        yield Finding("caches", name, value, writable, f"set {variable} to a folder that can be written")


def _weights() -> Iterator[Finding]:
    configs = [registry.config(name) for name in registry.names()]
    listed = [weights for config in configs for weights in config.weights]
    yield Finding(
        "weights", "models", f"{len(configs)}, {sum(bool(config.weights) for config in configs)} with weights"
    )
    for place in sorted({weights.place for weights in listed}):
        yield Finding("weights", place, str(sum(weights.place == place for weights in listed)))
    try:
        converted = cache.entries()
    except OSError as error:
        advice = "set ZOO_CACHE to a folder that can be read"
        yield Finding("weights", "converted here", f"{error.filename}: {error.strerror}", False, advice)
        return
    size = files.as_size(sum(entry.size for entry in converted))
    yield Finding("weights", "converted here", f"{len(converted)}, {size}" if converted else "0")


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no access
        return False


def _places(reach_out: bool) -> Iterator[Finding]:
    if not reach_out or downloads.is_offline():
        yield Finding("network", "not tried", downloads.OFFLINE if downloads.is_offline() else "as asked")
        return
    places = {"Hugging Face Hub": hub.endpoint(), "Google Drive": "https://drive.google.com"}
    with ThreadPoolExecutor() as pool:
        for (name, url), answer in zip(places.items(), pool.map(_answer, places.values()), strict=True):
            yield Finding("network", name, f"{url} {answer}")


def _answer(url: str) -> str:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(url, method="HEAD"), timeout=_PATIENCE) as response:
            return f"answers (HTTP {response.status})"
    except HTTPError as error:
        return f"answers (HTTP {error.code})"
    except (OSError, ValueError) as error:
        return f"cannot be reached ({downloads.in_short(getattr(error, 'reason', error))})"
