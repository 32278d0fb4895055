"""Examine this machine: versions, devices, caches, and the servers that it can reach."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

from ..checkpoints import cache, hub, mirror
from ..checkpoints import weights as weights_files
from ..checkpoints.upstream import drive
from ..common import downloads, extras, files, network_settings
from ..common.cache_roots import cache_root, hub_root
from ..common.errors import ZooError
from ..common.version import __version__
from ..schema import registry

NEEDED = {  # distribution: module
    "torch": "torch",
    "numpy": "numpy",
    "pillow": "PIL",
    "pydantic": "pydantic",
    "safetensors": "safetensors.torch",
    "huggingface-hub": "huggingface_hub",
    "filelock": "filelock",
}
_DEVELOPMENT = ("test", "docs", "dev")
_PATIENCE = 5.0  # seconds for a server to answer
_CORRECT = "correct that variable"
_PROXY_WANTS_PASSWORD = 407  # HTTP status


@dataclass(frozen=True)
class Finding:
    """One line of the examination; `ok` is False if something does not work, and `advice` says what to do."""

    topic: str
    name: str
    value: str
    ok: bool = True
    advice: str = ""


def examine(reach_out: bool = True, development: bool = False) -> list[Finding]:
    """Examine versions, extras, devices, caches, weights, and the servers that weights come from.

    Args:
        reach_out: try the network; each server has 5 seconds to answer.
        development: also list the extras of developers.
    """
    return [
        *_versions(),
        *_extras(development),
        *_devices(),
        *_caches(),
        *_weights(),
        *_mirror(reach_out),
        *_places(reach_out),
    ]


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "zoo", __version__)
    yield Finding("versions", "Python", f"{platform.python_version()} on {platform.platform()}")
    for name in NEEDED:
        fault = _import_fault(name)
        value = _version(name) or "missing"
        yield Finding("versions", name, f"{value}, {fault}" if fault else value, fault is None, f"pip install {name}")


def _import_fault(name: str) -> str | None:
    """Return why a package that everything needs cannot be used; None if it can."""
    try:
        import_module(NEEDED[name])
    except Exception as error:  # of any package, or of a library that it opens
        return f"cannot be imported ({' '.join(str(error).split())})"
    return None


def _extras(development: bool) -> Iterator[Finding]:
    """List the extras and their missing packages; a missing extra is not a problem until it is used."""
    found = extras.extras()
    if not found:
        yield Finding("extras", "unknown", "this source tree is not installed (pip install -e .)")
    for extra, lines in sorted(found.items()):
        if extra in _DEVELOPMENT and not development:
            continue
        missing = sorted(name for name in map(extras.name_of, lines) if _version(name) is None)
        install = extras.install(extra, *missing)
        yield Finding("extras", extra, f"missing {', '.join(missing)}: {install}" if missing else "complete")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> Iterator[Finding]:
    import torch

    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    said = f"{cores} core{'s' * (cores > 1)}, {threads} thread{'s' * (threads > 1)}"
    yield Finding("devices", "cpu", said)
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
    bundled = [(config.name, entry) for config in configs for entry in config.weights]
    for name, entry in bundled:
        try:
            if entry.bundled:
                weights_files.bundled(entry.bundled, entry.sha256)
        except ZooError as error:
            advice = "install the package again"
            yield Finding("weights", f"{name}@{entry.tag}", str(error), False, advice)
    try:
        converted = cache.entries()
    except OSError as error:
        advice = "set ZOO_CACHE to a folder that can be read"
        yield Finding("weights", "converted here", f"{error.filename}: {error.strerror}", False, advice)
        return
    size = files.as_size(sum(entry.size for entry in converted))
    yield Finding("weights", "converted here", f"{len(converted)}, {size}" if converted else "0")


def _mirror(reach_out: bool) -> Iterator[Finding]:
    """Read the manifest of the user's mirror, if there is one."""
    advice = f"correct or unset {mirror.VARIABLE}"
    try:
        found = mirror.current()
        if found is None:
            return
        if found.folder is None and (not reach_out or downloads.is_offline()):
            yield Finding("weights", "mirror", f"{found.place}, not tried")
            return
        with tempfile.TemporaryDirectory() as temporary:
            count = len(found.manifest(Path(temporary)).files)
        yield Finding("weights", "mirror", f"{found.place}, {count} files")
    except ZooError as error:
        yield Finding("weights", "mirror", str(error), False, advice)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no access
        return False


def _places(reach_out: bool) -> Iterator[Finding]:
    if not reach_out or downloads.is_offline():
        yield Finding("network", "not tried", downloads.OFFLINE if downloads.is_offline() else "as asked")
        return
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(_hub), pool.submit(_drive)]
        yield from (answer.result() for answer in asked)
    yield _data_sets()


def _hub() -> Finding:
    if wrong := hub.endpoint_fault():
        return Finding("network", "Hugging Face Hub", "not tried", False, wrong)
    return _place("Hugging Face Hub", hub.endpoint(), hub.client(), lambda: hub.ask(_PATIENCE))


def _drive() -> Finding:
    name = "Google Drive"
    if _version("gdown") is None:
        return Finding("network", name, f"not tried, as gdown is missing: {extras.install('upstream')}")
    client = network_settings.REQUESTS
    return _place(name, drive.DRIVE, client, lambda: drive.ask(timeout=_PATIENCE)[0])


def _place(name: str, url: str, client: network_settings.Client, ask: Callable[[], int]) -> Finding:
    """Ask a server as downloads do, and say how that went."""
    try:
        status = ask()
    except Exception as error:  # of any client, or of its settings
        wrong = network_settings.fault(client, url, error)
        reason = wrong or network_settings.described(downloads.in_short(error), client, url)
        advice = _CORRECT if wrong else "check the network and the proxy, or set ZOO_OFFLINE=1"
        return Finding("network", name, f"{url} cannot be reached ({reason})", False, advice)
    failed = status == _PROXY_WANTS_PASSWORD or status >= 500
    answer = network_settings.described(f"{url} answers (HTTP {status})", client, url)
    return Finding("network", name, answer, not failed, "check the proxy, or try again later")


def _data_sets() -> Finding:
    """Say which way data sets take; their servers are many, and none is asked."""
    client, url = network_settings.URLLIB, "https://www.cs.toronto.edu"
    wrong = network_settings.fault(client, url)
    way = "fetched when asked for" + ("" if network_settings.proxy_of(client, url) else ", directly")
    return Finding(
        "network", "data sets", wrong or network_settings.described(way, client, url), wrong is None, _CORRECT
    )
