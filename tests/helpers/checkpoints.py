"""Checkpoints as other libraries would save them, made by reading our key maps backwards, and configs for them."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import torch

from zoo import nets
from zoo.checkpoints import upstream
from zoo.schema import registry
from zoo.schema.config import ModelConfig

PARTS = ("generator", "discriminator")
_LIBRARIES = {
    "mimicry": upstream.mimicry,
    "studiogan": upstream.studiogan,
    "biggan-pytorch": upstream.biggan_pytorch,
}


def narrow(name: str, width: int = 16) -> ModelConfig:
    """A model of the registry with narrow layers and without weights, for `with_weights`."""
    config = registry.config(name)
    changes = {f"{part}.channels": [width] * len(getattr(config, part).channels) for part in PARTS}
    return config.updated({**changes, "weights": [], "default_tag": None, "published": []})


def with_weights(config: ModelConfig, **entry: Any) -> ModelConfig:
    """The config with one set of weights, tagged "test" unless the entry says otherwise."""
    entry = {"tag": "test", **entry}
    return config.updated({"weights": [entry], "default_tag": entry["tag"]})


def random_state(config: ModelConfig, seed: int = 0, part: str = "generator") -> dict[str, torch.Tensor]:
    """Our state dict of a network, with every tensor drawn."""
    generator = torch.Generator().manual_seed(seed)
    build = nets.build_generator if part == "generator" else nets.build_discriminator
    layout = build(getattr(config, part)).state_dict()
    return {
        name: torch.rand(t.shape, generator=generator) + 0.5 if t.is_floating_point() else t
        for name, t in layout.items()
    }


def foreign_state(config: ModelConfig, source: str, seed: int = 0, part: str = "generator") -> dict[str, torch.Tensor]:
    """The same as `random_state`, under the names that `source` gives its tensors."""
    sources = getattr(_LIBRARIES[source], f"{part}_keys")(getattr(config, part)).sources
    ours = {name: t for name, t in random_state(config, seed, part).items() if name in sources}
    return {next(s.name for s in sources[name] if "orig" not in str(s.name)): t for name, t in ours.items()}


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    return buffer.getvalue()


def saved(value: Any, legacy: bool = False) -> bytes:
    """The bytes of torch.save."""
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()
