"""Where weight bytes come from, and how they get into a network.

Only safetensors are read here. A file is checked before anything is copied from it: that it is whole, that its
sha256 is the config's where there is one, and that its tensors are exactly the network's.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from .config import ModelConfig, Weights
from .errors import WeightsCorruptedError, WeightsUnavailableError

if TYPE_CHECKING:
    from torch import Tensor, nn


def default_cache_dir() -> Path:
    """$ZOO_CACHE, else $XDG_CACHE_HOME/contrastive-gan-zoo, else ~/.cache/contrastive-gan-zoo."""
    if "ZOO_CACHE" in os.environ:
        return Path(os.environ["ZOO_CACHE"]).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "contrastive-gan-zoo"


def cached_path(config: ModelConfig, tag: str, cache_dir: str | Path | None = None) -> Path:
    """Where the converted upstream weights of a tag are kept."""
    return Path(cache_dir or default_cache_dir()) / "weights" / config.name / f"{tag}.safetensors"


def bundled_path(filename: str) -> Path:
    return Path(str(resources.files("zoo") / "bundled" / filename))


def entry(config: ModelConfig, tag: str) -> Weights:
    """The weights with this tag ("default": the config's default); raises WeightsUnavailableError with the choice."""
    wanted = config.default_tag if tag == "default" else tag
    for weights in config.weights:
        if weights.tag == wanted:
            return weights
    if not config.weights:
        raise WeightsUnavailableError(
            f"{config.name} has no trained weights yet; train it (python -m training {config.name} --out runs/x), or "
            f'build it untrained with weights="random"'
        )
    raise WeightsUnavailableError(
        f'{config.name} has no weights tagged "{tag}"; it has {", ".join(config.tags)}, and weights="random" builds it '
        f"untrained"
    )


def is_local(config: ModelConfig, weights: Weights, cache_dir: str | Path | None = None) -> bool:
    """Whether these weights load without a network."""
    if weights.bundled:
        return bundled_path(weights.bundled).is_file()
    return cached_path(config, weights.tag, cache_dir).is_file()


def locate(config: ModelConfig, tag: str = "default", cache_dir: str | Path | None = None) -> Path:
    """The safetensors file of a tag on this machine.

    Raises:
        WeightsUnavailableError: no such tag, or not here; the message says what each tag needs.
        WeightsCorruptedError: a bundled file whose sha256 is not the config's.
    """
    weights = entry(config, tag)
    if weights.bundled:
        path = bundled_path(weights.bundled)
        if not path.is_file():
            raise WeightsUnavailableError(f"{path} is missing from the installation; install the package again")
        verify_sha256(path, weights.sha256)
        return path
    path = cached_path(config, weights.tag, cache_dir)
    if path.is_file():
        return path
    raise WeightsUnavailableError(
        f"{config.name}@{weights.tag} is not on this machine. {how_to_get(config, weights)}"
        f"{_alternatives(config, weights)}"
    )


def how_to_get(config: ModelConfig, weights: Weights) -> str:
    """One sentence: what to fetch, from where, and the command that takes it in."""
    if weights.upstream:
        upstream = weights.upstream
        return (
            f"Download {upstream.path} from {upstream.address}, then run: "
            f"zoo import {config.name}@{weights.tag} --from FILE."
        )
    if weights.hub:
        hub = weights.hub
        return (
            f"Download {hub.filename} (revision {hub.revision}) from https://huggingface.co/{hub.repo_id}, then load "
            f"it with weights=PATH."
        )
    return "It ships with the package."


def _alternatives(config: ModelConfig, weights: Weights) -> str:
    others = [other for other in config.weights if other.tag != weights.tag]
    described = [
        f"@{o.tag} ({'here' if is_local(config, o) else 'not here: ' + how_to_get(config, o)})" for o in others
    ]
    return f" Other weights: {'; '.join(described)}." if described else ' Untrained: weights="random".'


# -------------------------------------------------------------------------------------------------- reading a file


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _sha256(file)


def _sha256(file) -> str:  # Python 3.10 has no file_digest
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def verify_sha256(path: Path, expected: str | None) -> None:
    if expected is not None and (actual := sha256(path)) != expected:
        raise WeightsCorruptedError(
            f"{path} is damaged: its sha256 is {actual[:12]}..., expected {expected[:12]}...; fetch or install it again"
        )


def read(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file; raises WeightsCorruptedError with what is wrong with it."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsUnavailableError(f"{path} cannot be read ({error.strerror}); check the path") from None
    if not data:
        raise WeightsCorruptedError(f"{path} is empty; fetch it again")
    # A safetensors header may begin with any length, 0x80 included; its JSON begins at the ninth byte.
    if data[8:9] != b"{" and data.startswith((b"PK\x03\x04", b"\x80")):
        raise WeightsCorruptedError(
            f"{path} is a PyTorch pickle, not safetensors; convert it with: zoo import NAME@TAG --from {path}"
        )
    try:
        return load(data)
    except SafetensorError as error:
        raise WeightsCorruptedError(f"{path} is damaged or not a safetensors file ({error}); fetch it again") from None


def metadata(path: Path) -> dict[str, str]:
    """The text that stands in a safetensors file's header; raises WeightsCorruptedError where it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise WeightsCorruptedError(f"{path} cannot be read ({error}); remove it") from None


def load_into(network: nn.Module, tensors: dict[str, Tensor], origin: str | Path) -> None:
    """Give a network (which may be on the meta device) its tensors, half precision widened.

    Refuses before anything is changed if a tensor is missing, unknown, or of another shape or kind.
    """
    expected = network.state_dict()
    problems = []
    if missing := sorted(set(expected) - set(tensors)):
        problems.append(f"{len(missing)} tensors missing ({_few(missing)})")
    if unknown := sorted(set(tensors) - set(expected)):
        problems.append(f"{len(unknown)} unknown tensors ({_few(unknown)})")
    for name in sorted(set(expected) & set(tensors)):
        have, want = tensors[name], expected[name]
        if have.shape != want.shape:
            problems.append(f"{name} is {tuple(have.shape)}, expected {tuple(want.shape)}")
        elif have.is_floating_point() != want.is_floating_point():
            problems.append(f"{name} is {have.dtype}, expected {want.dtype}")
    if problems:
        shown = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
        raise WeightsCorruptedError(
            f"{origin} does not fit this architecture: {shown}; use the weights that belong to this config"
        )
    network.load_state_dict({name: tensors[name].to(want.dtype) for name, want in expected.items()}, assign=True)


def _few(names: list[str]) -> str:
    return ", ".join(names[:2]) + (", ..." if len(names) > 2 else "")


# -------------------------------------------------------------------------------------------------- writing a file


def save(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file whole or not at all; raises FileExistsError never, the caller decides."""
    from safetensors.torch import save as serialise

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(Path(path), serialise(contiguous, {"format": "pt", **(metadata or {})}))


def write_atomically(path: Path, data: bytes) -> None:
    """Write to a temporary file beside the target, then rename: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp's 0600 would keep a shared cache from its readers
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
