"""The whole state of a run in one safetensors file, written atomically, verified when read, exact to the bit.

A file holds both networks, both optimisers and the average, all float32, and in its header the step, the run's identity
(seed, precision, data, config) and a sha256 of all tensors.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.checkpoints import weights
from zoo.common import files
from zoo.common.errors import WeightsCorruptedError, ZooError

from ..networks import Networks

_TERMS = "terms"
_NAME = re.compile(r"step-(\d{7,})\.safetensors")


def save(folder: Path, step: int, networks: Networks, about: dict[str, str]) -> Path:
    """Write the state after `step` generator steps; returns its path.

    Raises:
        ZooError: the disk is full or not writable; older checkpoints are untouched.
    """
    tensors = state(networks)
    metadata = {**about, "step": str(step), "sha256": digest(tensors)}
    path = path_of(folder, step)
    try:
        files.save(path, tensors, metadata)
    except OSError as error:
        last = newest(folder)
        kept = f"the last good checkpoint is {last}" if last else "there is no earlier checkpoint"
        raise ZooError(
            f"{path} cannot be written ({error.strerror}); {kept}. Make room, then continue with --resume"
        ) from None
    return path


def load(path: Path, networks: Networks) -> dict[str, str]:
    """Restore the networks' state; returns the header.

    Raises:
        WeightsCorruptedError: the file is damaged, or belongs to other networks.
    """
    tensors, header = weights.read(path), weights.read_metadata(path)
    if header.get("sha256") != digest(tensors):
        raise WeightsCorruptedError(f"{path} is damaged: its tensors are not those that were saved; remove it")
    _restore(networks, tensors, path)
    return header


def steps(folder: Path) -> list[int]:
    """List the steps that have a checkpoint, oldest first."""
    found = (int(match[1]) for path in folder.glob("*") if (match := _NAME.fullmatch(path.name)))
    return sorted(step for step in found if path_of(folder, step).is_file())


def path_of(folder: Path, step: int) -> Path:
    return folder / f"step-{step:07d}.safetensors"


def newest(folder: Path) -> Path | None:
    found = steps(folder)
    return path_of(folder, found[-1]) if found else None


def prune(folder: Path, keep: int, best: int | None = None) -> None:
    """Remove all but the newest `keep` checkpoints and the best."""
    for step in steps(folder)[:-keep]:
        if step != best:
            path_of(folder, step).unlink()


def config_digest(config_json: str) -> str:
    """sha256 of a config but for its number of steps, which a finished run may extend."""
    config = json.loads(config_json)
    config["training"].pop("steps")
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


# -------------------------------------------------------------------------------------------------------- the state


def state(networks: Networks) -> dict[str, Tensor]:
    """Return every tensor that training changes, by name."""
    tensors = {}
    for part, module in _modules(networks).items():
        tensors |= {f"{part}/{name}": tensor for name, tensor in module.state_dict().items()}
        for name, buffer in module.named_buffers():  # Mimicry's spectral norm keeps v out of the weights
            tensors.setdefault(f"{part}/{name}", buffer)
    for part, (optimizer, module) in _optimizers(networks).items():
        for name, parameter in module.named_parameters():
            for key, value in optimizer.state.get(parameter, {}).items():  # a frozen parameter has none
                tensors[f"{part}/{name}/{key}"] = torch.as_tensor(value)
    return tensors | {f"{_TERMS}/{name}": tensor for name, tensor in networks.of_terms.items()}


def _restore(networks: Networks, tensors: dict[str, Tensor], path: Path) -> None:
    expected = {name for part, module in _modules(networks).items() for name in _names(part, module)}
    have = {name for name in tensors if name.partition("/")[0] in _modules(networks)}
    lost = {f"{_TERMS}/{name}" for name in networks.of_terms} - set(tensors)
    if expected != have or lost:
        odd = ", ".join(sorted((expected ^ have) | lost)[:3])
        raise WeightsCorruptedError(f"{path} belongs to other networks ({odd}); resume with the config it was made by")
    with torch.no_grad():
        for part, module in _modules(networks).items():
            for name, target in (*module.named_parameters(), *module.named_buffers()):
                target.copy_(tensors[f"{part}/{name}"])
        for name, target in networks.of_terms.items():
            target.copy_(tensors[f"{_TERMS}/{name}"])
    for part, (optimizer, module) in _optimizers(networks).items():
        for name, parameter in module.named_parameters():
            prefix = f"{part}/{name}/"
            entries = {key[len(prefix) :]: t for key, t in tensors.items() if key.startswith(prefix)}
            if entries:
                optimizer.state[parameter] = {key: _like(parameter, key, value) for key, value in entries.items()}


def _like(parameter: Tensor, key: str, value: Tensor) -> Any:
    """Move an optimiser's tensor to its device; moments share the parameter's memory layout."""
    value = value.to(parameter.device)
    return value if key == "step" else torch.empty_like(parameter).copy_(value)


def _names(part: str, module: nn.Module) -> list[str]:
    return [f"{part}/{name}" for name, _ in (*module.named_parameters(), *module.named_buffers())]


def _modules(networks: Networks) -> dict[str, nn.Module]:
    modules = {"generator": networks.generator, "discriminator": networks.discriminator}
    return modules | ({"ema": networks.ema.module} if networks.ema else {})


def _optimizers(networks: Networks) -> dict[str, tuple[torch.optim.Optimizer, nn.Module]]:
    return {
        "generator_optimizer": (networks.generator_optimizer, networks.generator),
        "discriminator_optimizer": (networks.discriminator_optimizer, networks.discriminator),
    }


def digest(tensors: dict[str, Tensor]) -> str:
    """sha256 of names, shapes and bytes, in the order of names."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        total.update(tensor.flatten().view(torch.uint8).numpy().data if tensor.numel() else b"")
    return total.hexdigest()
