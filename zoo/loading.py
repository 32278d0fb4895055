"""From a name or a folder to a loaded generator."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from . import nets, registry
from . import weights as weight_files
from .config import ModelConfig
from .errors import WeightsUnavailableError, ZooError
from .model import GAN


def load(
    name_or_folder: str | os.PathLike,
    weights: str | os.PathLike = "default",
    device: str | torch.device = "auto",
    dtype: str | torch.dtype | None = None,
    fuse: bool = True,
    cache_dir: str | os.PathLike | None = None,
) -> GAN:
    """Load a generator by name, or from an exported folder with config.json and model.safetensors.

    Args:
        name_or_folder: a name in any spelling, `name@tag`, or a folder's path.
        weights: "default", a tag, "random" (untrained), or the path of a .safetensors file.
        device: "auto" (CUDA, then Apple's GPU, then the CPU) or a torch device.
        dtype: None for float32; "bfloat16" or "float16" trade exactness for speed.
        fuse: rewrite the generator for fast inference; the same images to float32 rounding.
        cache_dir: where converted weights are kept, default $ZOO_CACHE or ~/.cache/contrastive-gan-zoo.

    Raises:
        UnknownModelError: no model or folder has this name; the message names the nearest.
        WeightsUnavailableError: the weights are not on this machine; the message says how to get them.
        WeightsCorruptedError: the file is damaged or belongs to another architecture.
    """
    config, path, settle = _find(name_or_folder, os.fspath(weights), cache_dir)
    if path is None:
        generator = nets.build_generator(config.generator)
    else:
        with torch.device("meta"):  # without drawing initial weights that would be replaced at once
            generator = nets.build_generator(config.generator)
        weight_files.load_into(generator, weight_files.read(path), path)
    if settle:
        nets.settle_spectral_norm(generator)
    return GAN(config, generator, device=device, dtype=dtype, fuse=fuse)


def _find(name_or_folder, wanted: str, cache_dir) -> tuple[ModelConfig, Path | None, bool]:
    """The config, the file of its weights (None = random), and whether spectral norm vectors are to be settled.

    StudioGAN's averaged generators hold averaged vectors, and its sampling iterates; settling is where that leads.
    """
    text = os.fspath(name_or_folder)
    folder, tag = Path(text), "default"
    exported = config = registry.exported(folder)
    if config is None:
        if folder.is_dir() and not _is_name(text):
            raise WeightsUnavailableError(f"{folder} has no config.json; give a model's name, or an exported folder")
        base, tag = registry.split_tag(text)
        config = registry.config(base)
    if wanted == "random":
        return config, None, False
    if wanted.endswith(".safetensors"):
        return config, Path(wanted), False
    if Path(wanted).is_file():
        raise WeightsUnavailableError(
            f"{wanted} is not a .safetensors file; convert it with: zoo import {config.name}@TAG --from {wanted}"
        )
    if exported and wanted == "default":
        return config, folder / "model.safetensors", False
    tag = tag if wanted == "default" else wanted
    upstream = weight_files.entry(config, tag).upstream
    return config, weight_files.locate(config, tag, cache_dir), upstream is not None and upstream.source == "studiogan"


def _is_name(text: str) -> bool:
    try:
        registry.resolve(registry.split_tag(text)[0])
    except ZooError:
        return False
    return True
