"""Load a generator by name, from a folder, or from an address on the Hub."""

from __future__ import annotations

import os

import torch

from .. import nets
from ..checkpoints import alignments, discriminators
from ..checkpoints import weights as weight_files
from ..checkpoints.availability import source
from ..checkpoints.resolve import ResolvedModel, resolve_model, shown_name
from ..checkpoints.state_dicts import load_into
from ..schema import labels
from .gan import GAN


def load(
    name_or_folder: str | os.PathLike,
    weights: str | os.PathLike = "default",
    device: str | torch.device = "auto",
    dtype: str | torch.dtype | None = None,
    fuse: bool = True,
    cache_dir: str | os.PathLike | None = None,
    discriminator: bool = False,
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
        discriminator: load the discriminator at once, or raise; otherwise it is loaded, and fetched, on first use.

    Raises:
        UnknownModelError: no model or folder has this name; the message names the nearest.
        WeightsUnavailableError: the weights are unavailable; the message says why, and how to get them.
        WeightsCorruptedError: the file is damaged, belongs to another architecture, or holds a NaN.
    """
    found = resolve_model(name_or_folder, os.fspath(weights), cache_dir)
    model = load_found(found, shown_name(name_or_folder, found), device, dtype, fuse, cache_dir)
    if discriminator:
        model.discriminator  # noqa: B018  loads it
    return model


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
        generator = nets.build_generator(found.config.generator, device="meta")
        load_into(generator, weight_files.read(found.path), found.path)
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
        origin=_origin(found),
        alignment=alignment,
        doubt=labels.doubt(found.config, name, alignment) if found.path else None,
        discriminator_file=discriminators.lookup(found, cache_dir),
    )


def _origin(found: ResolvedModel) -> str:
    """Return what the weights came from, for people; a file of the package by its name."""
    if found.path is None:
        return "random numbers"
    if found.exported or found.tag is None:
        return str(found.path)
    entry = weight_files.entry(found.config, found.tag)
    return f"{entry.bundled or entry.place}, {source(entry)}"


def _averages_spectral_norm(found: ResolvedModel) -> bool:
    """Return True if the vectors of spectral norm must be settled.

    StudioGAN's averaged generators have averaged vectors, and its sampling iterates; settling is the limit of that.
    """
    if found.tag is None or found.exported:
        return False
    upstream = weight_files.entry(found.config, found.tag).upstream
    return upstream is not None and upstream.source == "studiogan"
