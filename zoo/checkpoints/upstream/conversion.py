"""Convert a published checkpoint into a file of our cache, held against what is known of it.

The sha256 of a file is recorded when it is first seen; after that, a file of that place must have the same sha256, and
any place must give the same tensors.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...common import files
from ...common.errors import WeightsCorruptedError
from ...common.tensors import state_sha256
from ...schema import labels
from ...schema.config import ModelConfig
from ...schema.entries import Upstream, Weights
from .. import cache, safetensors_files
from ..tensor_names import is_batch_count
from . import convert_file, download, pickles

if TYPE_CHECKING:
    from torch import Tensor, nn

CONVERTER_VERSION = "1"


@dataclass(frozen=True)
class Wanted:
    """A published network of a weights entry: its generator or its discriminator."""

    config: ModelConfig
    entry: Weights
    sources: tuple[Upstream, ...]
    upstream: Upstream  # the one of the sources that is tried
    discriminator: bool

    @property
    def key(self) -> str:
        """What stands for the tag in names of files."""
        return cache.discriminator_key(self.entry.tag) if self.discriminator else self.entry.tag

    @property
    def name(self) -> str:
        """The name that messages and `zoo cache` show."""
        return f"{self.config.name}@{self.key}"

    def of(self, source: Upstream) -> Wanted:
        return replace(self, upstream=source)

    @property
    def spec(self) -> Any:
        """Return the spec of the network."""
        return self.config.of_weights(self.entry.tag).discriminator if self.discriminator else self.config.generator

    def build(self) -> nn.Module:
        """Return the network without weights."""
        from ... import nets

        build = nets.build_discriminator if self.discriminator else nets.build_generator
        return build(self.spec, device="meta")

    def target(self, cache_dir: str | os.PathLike | None) -> Path:
        return cache.weights_path(self.config, self.key, cache_dir)

    def beside(self, target: Path) -> str | None:
        """Return the published path of the generator, whose run that of a discriminator must be; None if not known."""
        generator = target.with_name(f"{self.entry.tag}.safetensors")
        known = self.discriminator and generator.is_file()
        return safetensors_files.read_metadata(generator).get("original") if known else None


@dataclass(frozen=True)
class Converted:
    """The tensors of a network, and what they were made from."""

    wanted: Wanted
    tensors: dict[str, Tensor]
    tensors_sha256: str
    original: download.Original
    sha256: str  # of the original
    is_new: bool  # no sha256 of the original was known before

    def store(self, target: Path) -> Path:
        """Write them to the cache, whose lock the caller holds, and tell what is new; returns `target`."""
        provenance = _provenance(self.wanted, self.original, self.sha256)
        cache.store(
            target, self.tensors, provenance, self.sha256, self.original.address, tensors_sha256=self.tensors_sha256
        )
        name, config = self.wanted.name, self.wanted.config
        if self.is_new:
            file = _published_file(self.wanted, self.original) or self.original.path
            size = files.as_size(file.stat().st_size)
            print(
                f"zoo: {name} is {self.original.name}, {size}, sha256 {self.sha256}; the sha256 is recorded and "
                f"enforced from now on",
                file=sys.stderr,
            )
        doubt = None if self.wanted.discriminator else labels.doubt(config, name, None)
        if doubt:
            print(f"zoo: {doubt}", file=sys.stderr)
        return target


def convert(wanted: Wanted, original: download.Original, target: Path, trust_anew: bool = False) -> Converted:
    """Convert a published file, held against its entry and the record of `target`.

    Args:
        trust_anew: ignore the record.

    Raises:
        WeightsCorruptedError: the file is damaged, belongs to another model, or differs from the entry or the record.
    """
    upstream, known = wanted.upstream, cache.Record.read(target)
    published = _published_file(wanted, original)
    digest = files.sha256(published or original.path)
    if published:
        download.check_size(upstream, str(original), published.stat().st_size, "download it again")
        for expected, whose in (
            (original.sha256, "that its server states"),
            (download.stated_sha256(upstream), "of the published file"),
        ):
            download.check_sha256(str(original), digest, expected, f"the sha256 {whose}; download it again")
    enforced = None if trust_anew else known
    if enforced and _is_same_place(enforced, wanted, original):
        remedy = f"the sha256 of its first download; {how_to_forget(wanted)}"
        download.check_sha256(str(original), digest, enforced.original_sha256, remedy)
    tensors = convert_file(_state(original), upstream.source, wanted.spec, str(original))
    identity = tensors_sha256(tensors)
    if enforced and enforced.tensors_sha256 not in (None, identity):
        raise WeightsCorruptedError(
            f"{original} gives other tensors than {enforced.original} gave first; {how_to_forget(wanted)}"
        )
    return Converted(wanted, tensors, identity, original, digest, is_new=known is None and upstream.sha256 is None)


def _published_file(wanted: Wanted, original: download.Original) -> Path | None:
    """Return the file that the entry states size and sha256 of; None if another program took it out of its archive."""
    return original.archive if wanted.upstream.archive else original.path


def _state(original: download.Original) -> Mapping[str, Any]:
    if original.path.suffix.lower() == ".safetensors" or safetensors_files.is_one(original.path):
        return safetensors_files.read(original.path)
    return pickles.read(original.path, str(original))


def tensors_sha256(tensors: dict[str, Tensor]) -> str:
    """Return what identifies converted tensors; without the counts of batches, which some files of one model lack."""
    return state_sha256({name: tensor for name, tensor in tensors.items() if not is_batch_count(name)})


def _is_same_place(known: cache.Record, wanted: Wanted, original: download.Original) -> bool:
    """Whether the file must be the recorded one, byte by byte; a file from another place holds the same tensors."""
    if known.tensors_sha256 is None or known.original == original.address:
        return True
    return len(wanted.sources) == 1 and not wanted.upstream.archive


def how_to_forget(wanted: Wanted) -> str:
    return f"if you trust the new file, forget the old one: zoo cache clear {wanted.name} --forget, then load it again"


def _provenance(wanted: Wanted, original: download.Original, digest: str) -> dict[str, str]:
    return {
        "name": wanted.config.name,
        "tag": wanted.entry.tag,
        **({"network": "discriminator"} if wanted.discriminator else {}),
        "source": json.dumps(wanted.upstream.model_dump(exclude_none=True)),
        "original": original.name,
        "original_sha256": digest,
        "converter": CONVERTER_VERSION,
        **({"revision": original.revision} if original.revision else {}),
    }
