"""Load a generator by name, from a folder, or from an address on the Hub."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch.overrides import TorchFunctionMode

from .. import nets
from ..checkpoints import alignments
from ..checkpoints import weights as weight_files
from ..checkpoints.resolve import Expected, ResolvedModel, resolve_model, shown_name
from ..common import files
from ..common.errors import WeightsCorruptedError
from ..schema import labels
from ..schema.config import ModelConfig
from .gan import GAN


def load(
    name_or_folder: str | os.PathLike,
    weights: str | os.PathLike = "default",
    device: str | torch.device = "auto",
    dtype: str | torch.dtype | None = None,
    fuse: bool = True,
    cache_dir: str | os.PathLike | None = None,
) -> GAN:
    """Load a generator by name, or from an exported folder with config.json and model.safetensors.

    Published weights that are not on this machine are fetched, verified and converted once.

    Args:
        name_or_folder: a name in any spelling, `name@tag`, the path of a folder, or `hf://user/repo[@revision]` for a
            folder on the Hugging Face Hub. A folder with the name of a model is written "./name", or as a Path.
        weights: "default", a tag, "random" (untrained), or the path of a .safetensors file.
        device: "auto" (CUDA, then Apple's GPU, then the CPU) or a torch device.
        dtype: None for float32; "bfloat16" or "float16" trade exactness for speed.
        fuse: rewrite the generator for fast inference; images agree to float32 rounding.
        cache_dir: folder of converted weights; default: $ZOO_CACHE or ~/.cache/contrastive-gan-zoo.

    Raises:
        UnknownModelError: no model or folder has this name; the message names the nearest.
        WeightsUnavailableError: the weights are unavailable; the message says why, and how to get them.
        WeightsCorruptedError: the file is damaged or belongs to another architecture.
    """
    found = resolve_model(name_or_folder, os.fspath(weights), cache_dir)
    return load_found(found, shown_name(name_or_folder, found), device, dtype, fuse, cache_dir)


def load_found(
    found: ResolvedModel,
    name: str,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype | None = None,
    fuse: bool = True,
    cache_dir: str | os.PathLike | None = None,
) -> GAN:
    """Load the result of `find`; `name` is its name in messages, the other arguments are those of `load`."""
    provenance: dict[str, str] = {}
    if found.path is None:
        generator = nets.build_generator(found.config.generator)
    else:
        with torch.device("meta"), _NoInitialWeights():
            generator = nets.build_generator(found.config.generator)
        weight_files.load_into(generator, weight_files.read(found.path), found.path)
        provenance = weight_files.read_metadata(found.path)
    generator.eval().requires_grad_(False)
    alignment = alignments.lookup(found, cache_dir)
    return GAN(
        found.config,
        generator,
        device=device,
        dtype=dtype,
        fuse=fuse,
        settle=_averages_spectral_norm(found),
        tag=found.tag,
        provenance=provenance,
        origin=str(found.path) if found.path else "no file: random",
        alignment=alignment,
        doubt=labels.doubt(found.config, name, alignment) if found.path else None,
        discriminator_file=_discriminator_file(found),
    )


def load_discriminator(config: ModelConfig, file: Expected, device: str | torch.device = "cpu") -> nets.Discriminator:
    """Load the discriminator of a config from a safetensors file, in eval mode.

    Raises:
        WeightsUnavailableError: the file is missing.
        WeightsCorruptedError: the file is damaged, is not the expected file, or belongs to another architecture.
    """
    path = file.path
    tensors = weight_files.read(path)
    files.verify_sha256(path, file.sha256)
    with torch.device("meta"), _NoInitialWeights():
        discriminator = nets.build_discriminator(config.discriminator)
    weight_files.load_into(discriminator, tensors, path)
    return discriminator.to(device).eval().requires_grad_(False)


def _discriminator_file(found: ResolvedModel) -> Expected | None:
    """Return the file of the discriminator that was trained with these weights, if it is on this machine."""
    if found.path is None:
        return None
    if found.exported:
        beside = found.path.with_name("discriminator.safetensors")
        return Expected(beside) if beside.is_file() and _are_of_one_run(found.path, beside) else None
    if found.tag is None:
        return None
    bundled = weight_files.entry(found.config, found.tag).discriminator
    return bundled and Expected(weight_files.bundled_path(bundled.bundled), bundled.sha256)


def _are_of_one_run(a: Path, b: Path) -> bool:
    """Return False if two weights files state different runs. A damaged file is reported when it is read."""
    try:
        one, other = weight_files.read_metadata(a), weight_files.read_metadata(b)
    except WeightsCorruptedError:
        return True
    return all(one[key] == other[key] for key in ("name", "config", "seed", "step") if key in one and key in other)


class _NoInitialWeights(TorchFunctionMode):
    """Builds modules without initial weights, which the weights of the file would replace at once."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return function(*args, **kwargs)


def _averages_spectral_norm(found: ResolvedModel) -> bool:
    """Return True if the vectors of spectral norm must be settled.

    StudioGAN's averaged generators have averaged vectors, and its sampling iterates; settling is the limit of that.
    """
    if found.tag is None or found.exported:
        return False
    upstream = weight_files.entry(found.config, found.tag).upstream
    return upstream is not None and upstream.source == "studiogan"
