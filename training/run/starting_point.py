"""Begin a run with the networks of another model: one of the zoo, a run, a folder, a Hub repository or a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo import nets
from zoo.checkpoints import discriminators, weights
from zoo.checkpoints.resolve import is_weights_file, resolve_model
from zoo.checkpoints.state_dicts import check_finite
from zoo.checkpoints.tensor_names import is_batch_count, unwrapped
from zoo.common import files
from zoo.common.errors import ZooError
from zoo.schema import labels, registry
from zoo.schema.config import ModelConfig
from zoo.schema.origin import Beginning

from ..ema import Ema
from ..networks import Networks

Tensors = dict[str, Tensor]
Counts = dict[str, tuple[int, ...]]  # shapes of tensors, by name
_SHOWN = 3  # parts or tensors that a line names
# Heads that know classes; a discriminator without classes has none of them.
_CLASS_HEADS = ("heads.embedding", "heads.classifier", "heads.projector", "heads.proxies")


@dataclass(frozen=True)
class StartingPoint:
    """The networks that a run begins with.

    Attributes:
        name: as the user named the model.
        public: the model without places on this machine.
        config: of these networks; None for a file by itself.
        generator, discriminator: tensors by name; no discriminator: None.
        sha256: of each file, by network.
    """

    name: str
    public: str
    config: ModelConfig | None
    generator: Tensors
    discriminator: Tensors | None
    sha256: dict[str, str]

    @property
    def record(self) -> dict[str, str]:
        """What the run notes of where it began."""
        return {"from": self.name} | {f"from_{part}_sha256": digest for part, digest in self.sha256.items()}


def read(source: str | os.PathLike) -> StartingPoint:
    """Read both networks of a model; the discriminator where the model has one, which is fetched if need be.

    Args:
        source: a name in any spelling, `name@tag`, a run, an exported folder, `hf://user/repo`, or a .safetensors file:
            a generator, with the discriminator of its run beside it, or a checkpoint of a run.

    Raises:
        ZooError: there is no such model, or its weights are unavailable, damaged or not finite.
    """
    name = os.fspath(source)
    tag = None
    if is_weights_file(name):
        path, config = Path(name), registry.exported(Path(name).parent)
        beside = discriminators.OfFolder(path)
        discriminator = beside.locate() if path.name == "model.safetensors" and beside.is_local() else None
    else:
        found = resolve_model(name)
        file, path, config = discriminators.lookup(found), found.path, found.config
        tag = None if found.exported else found.tag
        discriminator = file.locate() if file else None
    assert path is not None
    tensors, sha256 = _read(path), {"generator": files.sha256(path)}
    public = path.name if config is None else f"{config.name}@{tag}" if tag else config.name
    public = name if name.startswith("hf://") else public
    if any(key.startswith("generator/") for key in tensors):  # a checkpoint has all, float32
        inside = {part: _inside(tensors, part) for part in ("generator", "discriminator")}
        return StartingPoint(name, public, config, **inside, sha256={"checkpoint": sha256["generator"]})
    if discriminator:
        sha256["discriminator"] = files.sha256(discriminator)
    return StartingPoint(name, public, config, tensors, _read(discriminator) if discriminator else None, sha256)


def _read(path: Path) -> Tensors:
    tensors = unwrapped(weights.read(path), path)
    check_finite(tensors, path)
    return tensors


def _inside(tensors: Tensors, part: str) -> Tensors:
    prefix = f"{part}/"
    return {key[len(prefix) :]: tensor for key, tensor in tensors.items() if key.startswith(prefix)}


def check_frozen(config: ModelConfig, source: object) -> None:
    """Raise ZooError if blocks are to be kept of a discriminator that nobody names."""
    if _freezes(config) and source is None:
        raise ZooError("freeze-d keeps blocks of another model's discriminator: name the model with --from")


def _freezes(config: ModelConfig) -> bool:
    return any(part.type == "freeze-d" for part in config.training.regularizers)


def begin_with(start: StartingPoint, networks: Networks, config: ModelConfig) -> tuple[Beginning, str]:
    """Copy the tensors of a starting point into new networks, and into the average; returns what was kept, for the
    record and as a line.

    Parts that belong to classes keep their new values where the classes differ.

    Raises:
        ZooError: another tensor is missing, unknown or of another shape; nothing is changed.
    """
    others = start.config is not None and not _same_classes(start.config, config)
    plans, anew, lacks, problems = {}, [], [], []
    for part, network, build in (
        ("generator", networks.generator, nets.build_generator),
        ("discriminator", networks.discriminator, nets.build_discriminator),
    ):
        tensors = getattr(start, part)
        if tensors is None:
            if _freezes(config):
                raise ZooError(f"{start.name} has no discriminator whose blocks could be kept; leave out --freeze-d")
            lacks.append(part)
            continue
        found = plan(network, tensors, parts_of_classes(build, getattr(config, part)), others)
        plans[part] = network, {name: tensors[name] for name in found.kept}
        problems += [f"{part} {problem}" for problem in found.problems]
        if found.anew:
            anew.append(f"{part} {_few(found.anew)}")
    if problems:
        raise ZooError(
            f"{start.name} does not fit this run: {_few(problems, '; ')}; start from a model of the same architecture "
            f"and size, or without --from"
        )
    for network, kept in plans.values():
        _copy(network, kept)
    if networks.ema:
        networks.ema = Ema(networks.generator, networks.ema.decay, networks.ema.start)
    told = f"starting with the {' and '.join(plans)} of {start.name}"
    told += f", which has no {lacks[0]}" if lacks else ""
    beginning = Beginning(model=start.public, networks=tuple(plans), anew=tuple(anew))
    if not anew:
        return beginning, f"{told}: all tensors are kept"
    of = f"{config.num_classes} classes" if config.conditional else "no classes"
    return beginning, f"{told}: kept but for what is made anew for {of}: {'; '.join(anew)}"


@dataclass
class Plan:
    """For one network: tensors to keep, parts (modules) to make anew, and what does not fit."""

    kept: list[str]
    anew: list[str]
    problems: list[str]


def plan(network: nn.Module, tensors: Tensors, of_classes: set[str], classes_differ: bool) -> Plan:
    """Compare a network with the tensors of another; `of_classes` are its modules that depend on classes."""
    own = network.state_dict()
    misfits = {
        name: f"{name} is {tuple(tensors[name].shape)} there and {tuple(own[name].shape)} here"
        if name in tensors
        else f"{name} is missing there"
        for name in own
        if name not in tensors or tensors[name].shape != own[name].shape
        if not (name not in tensors and is_batch_count(name))
    }
    unknown = {name: f"{name} is unknown here" for name in tensors if name not in own}
    anew = {part for part in map(_part, own) if part in of_classes and classes_differ}
    anew |= {_part(name) for name in (misfits | unknown) if _belongs(_part(name), of_classes)}
    problems = [text for name, text in (misfits | unknown).items() if _part(name) not in anew]
    kept = [name for name in own if name in tensors and _part(name) not in anew]
    return Plan(kept, sorted(part for part in anew if any(_part(name) == part for name in own)), problems)


def _part(name: str) -> str:
    return name.rpartition(".")[0]


def _belongs(part: str, of_classes: set[str]) -> bool:
    return part in of_classes or part.startswith(_CLASS_HEADS)


def parts_of_classes(build: Callable[..., nn.Module], spec: Any) -> set[str]:
    """Return the modules of a network that depend on its classes, and those that it would have with or without any."""
    n = spec.num_classes
    has = _shapes(build, spec)
    counts = {n + 1} | ({0, 2} - {n} if build is nets.build_generator else set())
    found: set[str] = set()
    for count in counts:
        other = _shapes(build, spec.model_copy(update={"num_classes": count}))
        found |= {_part(name) for name in has.keys() | other.keys() if has.get(name) != other.get(name)}
    return found


def _shapes(build: Callable[..., nn.Module], spec: Any) -> Counts:
    return {name: tuple(tensor.shape) for name, tensor in build(spec, device="meta").state_dict().items()}


def _same_classes(a: ModelConfig, b: ModelConfig) -> bool:
    """Return True if two models have the same classes in the same order; numbers are no names."""
    names = labels.class_names(a)
    if names != labels.class_names(b):
        return False
    return a.data.dataset == b.data.dataset or names != tuple(map(str, range(len(names))))


@torch.no_grad()
def _copy(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    own = network.state_dict()
    for name, tensor in tensors.items():
        own[name].copy_(tensor)


def _few(items: list[str], between: str = ", ") -> str:
    more = len(items) - _SHOWN
    return between.join(items[:_SHOWN]) + (f"{between}and {more} more" if more > 0 else "")
