"""Write many images of one seed to disk: a folder of PNGs, an .npz or a .tar.

The images are made in parts of a fixed size. A part is on disk whole or not at all, so memory is constant, an
interrupted run continues where it stopped, and the ranks of a torchrun share the parts. The output does not depend on
any of this: image i is that of `model.sample(..., start=i)`, and files contain no times.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common import ranks, side_files
from ..common.errors import StoppedError, ZooError
from ..common.memory import refuse_if_too_large
from ..common.numbers import whole
from ..common.progress import Progress
from ..common.tensors import state_sha256
from ..schema import labels as class_labels
from . import latents
from .formats import Format, NpzFormat, TarFormat
from .journal import Command, Journal, OutputPart
from .outputs import kind_of, refuse_overwriting
from .png_folder import DamagedRecordError, PngFolder

if TYPE_CHECKING:
    import numpy as np

    from .gan import GAN
    from .labelled import Label, Labels

FORMATS: dict[str, type[Format]] = {"": PngFolder, ".npz": NpzFormat, ".tar": TarFormat}  # by suffix
PART_PIXELS = 1 << 20  # approximate pixels per part: 1,024 images of 32x32
_PART_BYTES = 300  # of memory per part, for the range and the names of its images
_JOURNAL = ".zoo-sample"
_ENCODERS = 4  # threads; compression releases the interpreter's lock


@dataclass(frozen=True)
class Written:
    """What a call of `write` did on this rank."""

    seed: int
    images: int  # made by this call; the others existed already
    seconds: float

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds


def is_bulk(path: str | os.PathLike) -> bool:
    """Return True if this path gets single images, as opposed to a grid."""
    return kind_of(path) in FORMATS


def write(
    model: GAN,
    out: str | os.PathLike,
    n: int,
    label: Label = None,
    seed: int | None = None,
    truncation: float | None = None,
    batch_size: int | None = None,
    *,
    labels: Labels = "aligned",
    force: bool = False,
    progress: bool = False,
) -> Written:
    """Write n images; after an interruption, the same call continues.

    Under torchrun every rank calls this with the same arguments; rank 0 joins the parts.

    Args:
        model: the generator; arguments that are not listed here are those of `GAN.sample`.
        out: a folder, which gets 000000.png and so on and a sample.json that describes them; an .npz with `images`
            (N, H, W, 3) uint8, `labels` and `seed`; or a .tar in webdataset's layout: 000000.png, 000000.cls. The
            labels are those of `Images.labels`: classes, or the generator's own labels with `labels="trained"`. What
            ends in a slash, or is a folder already, is a folder.
        seed: None continues with the seed of an interrupted run, or draws a seed.
        force: overwrite existing images, rather than continue them.

    Raises:
        ZooError: other images exist, or the disk is full.
        StoppedError: Ctrl-C, or SIGTERM.
    """
    kind, out, n, truncation = kind_of(out), Path(out), whole("n", n), latents.check_truncation(truncation)
    seed = None if seed is None else latents.check_seed(seed)
    batch_size = None if batch_size is None else whole("batch_size", batch_size, 1)
    label = _numbers(model, label, n, labels)
    if kind and out.is_symlink() and out.exists():
        out = out.resolve()  # write the file and keep the link
    journal = Journal(out.parent / f".{out.name}{_JOURNAL}" if kind else out / _JOURNAL)
    format = FORMATS[kind](out, journal)
    each = model.chunk * max(1, PART_PIXELS // model.resolution**2 // model.chunk)
    refuse_if_too_large(_PART_BYTES * n // each, f"the lists of the parts of {n:,} images", "make fewer")
    if isinstance(format, NpzFormat) and model.num_classes:
        refuse_if_too_large(8 * n, f"the labels of {n:,} images", "give a folder or a .tar")
    parts = [range(first, min(n, first + each)) for first in range(0, n, each)]
    record = _record(model, n, label, seed, truncation, labels, format)
    start, made = time.perf_counter(), 0
    try:
        with _begun(record, format, parts, n, force) as (command, missing), ThreadPoolExecutor(_ENCODERS) as pool:
            drawn = command.record["seed"]
            if missing is not None:
                mine = missing[ranks.rank() :: ranks.world_size()]
                with Progress(progress and ranks.rank() == 0) as bar:
                    advance = bar.task(model.config.name, n if ranks.world_size() == 1 else sum(map(len, mine)))
                    if ranks.world_size() == 1:
                        advance(n - sum(map(len, mine)), made=False)
                    for part in mine:
                        wanted = label if label is None or isinstance(label, int) else label[part.start : part.stop]
                        size = batch_size or 8 * model.chunk
                        batches = model.stream(
                            len(part), wanted, drawn, truncation, size, start=part.start, labels=labels, exact=True
                        )
                        for written in format.write_part(command, part, batches, pool):
                            made += written
                            advance(written)
                    ranks.agree(None)  # all parts are written
                    if ranks.rank() == 0:
                        with bar.steps(f"{model.config.name}, writing", {out.name: 1}):
                            numbers = partial(_labels, model, n, label, drawn, labels)
                            format.finalize(command, parts, numbers, model.resolution)
                        journal.end()
                ranks.agree(None)
    except KeyboardInterrupt:
        raise StoppedError(f"stopped; the same command continues {out}") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ZooError(f"no space left for {out}; free some space, then the same command continues") from None
    return Written(drawn, made, time.perf_counter() - start)


def _numbers(model: GAN, label, n: int, labels: str) -> int | list[int] | None:
    """Return the classes by number, one for all images or one per image; refuses them before anything is written."""
    single = class_labels.is_single(label)
    chosen = model.check_label(label, 1 if single else n, labels)
    if chosen is None:
        return None
    return int(chosen[0]) if single else chosen.tolist()


def _record(
    model: GAN, n: int, label, seed: int | None, truncation: float | None, labels: str, format: Format
) -> dict[str, Any]:
    """Return what the images depend on. A folder can grow, if the labels allow it; a file cannot."""
    listed = None if label is None or isinstance(label, int) else [int(y) for y in label]
    return {
        "model": model.config.name,
        "weights": state_sha256(model.state_dict()),
        "seed": seed,
        "label": hashlib.sha256(json.dumps(listed).encode()).hexdigest() if listed is not None else label,
        "truncation": truncation,
        "number": None if format.images_alone and listed is None else n,
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": model.device.type,
        "fused": model.fused,
        "label map": list(model.label_map) if labels == "aligned" and model.is_permuted else None,
    }


@contextmanager
def _begun(
    record: dict[str, Any], format: Format, parts: list[range], n: int, force: bool
) -> Iterator[tuple[Command, list[range] | None]]:
    """Yield (the command, its missing parts or None if the output is whole), the same on all ranks.

    Rank 0 examines the output and holds the lock of the journal.
    """
    with ExitStack() as held:
        error, found = None, None
        if ranks.rank() == 0:
            try:
                found = _finished(record, format, parts, n, force)
                if found is None:
                    held.enter_context(format.journal.locked(format.out))
                    found = _begin(record, format, parts, n, force)
            except (ZooError, OSError) as raised:
                error = raised
        ranks.agree(error)
        command, missing = ranks.from_first(found)
        if command.record["weights"] != record["weights"]:
            error = ZooError("the ranks have different weights; give a model whose weights are not random")
        ranks.agree(error)
        yield command, missing


def _finished(
    record: dict[str, Any], format: Format, parts: list[range], n: int, force: bool
) -> tuple[Command, None] | None:
    """Return the command if all its images exist already; `force` without a seed asks for other images."""
    if format.journal.begun() or (force and record["seed"] is None):
        return None
    try:
        there = format.finished()
    except DamagedRecordError:
        return None
    if there is None or there.images != n or not there.makes(record) or not format.is_complete(parts):
        return None
    if format.journal.folder.exists():
        with format.journal.locked(format.out):  # removes the leftovers of a killed process
            pass
    return there, None


def _begin(
    record: dict[str, Any], format: Format, parts: list[range], n: int, force: bool
) -> tuple[Command, list[range]]:
    """Begin or continue; the caller holds the lock."""
    begun, finished, is_damaged = format.journal.begun(), None, False
    try:
        finished = format.finished()
    except DamagedRecordError as error:
        is_damaged = True
        side_files.set_aside(error.path, "it does not name the command of the images")
    there = begun or finished
    if record["seed"] is None and there and (begun or not force):
        record["seed"] = there.record.get("seed")
    record["seed"] = latents.check_seed(record["seed"])
    if there and not force:
        _refuse_others(record, there, format, n)
    elif there is None and not is_damaged:
        refuse_overwriting(format.existing(n), force)

    forced = force or (begun is not None and begun.makes(record) and begun.forced)
    earlier = _earlier(record, format, n, begun, finished)
    command = Command(record, n, forced, tuple(dict.fromkeys(map(str, earlier))))
    format.check_room(command)
    if command != begun:
        format.journal.begin(command)
    format.make_room(command)
    if finished and not finished.makes(record):
        format.forget()
    return command, list(_missing(parts, format.done(command)))


def _earlier(
    record: dict[str, Any], format: Format, n: int, begun: Command | None, finished: Command | None
) -> list[OutputPart]:
    """Return the parts to remove: all parts of other commands, and those of this command beyond n images."""
    parts = []
    if begun is not None and begun.makes(record):
        parts += begun.replaced
        parts += [part for part in format.journal.parts(begun) if part.stop > n and format.images_alone]
    elif begun is not None:
        parts += format.earlier_parts(begun)
    if finished is not None:
        parts += [part for part in format.earlier_parts(None) if part.stop > n or not finished.makes(record)]
    return parts


def _refuse_others(record: dict[str, Any], there: Command, format: Format, n: int) -> None:
    """Raise ZooError if the output has images of another command."""
    differing = [key for key in record if record[key] != there.record.get(key)]
    if there.images > n and differing in ([], ["number"]):
        raise ZooError(
            f"{format.out} has {there.images:,} images of this command, more than {n:,}: ask for as many, give another "
            f"path, or force=True (--force) to keep only {n:,}"
        )
    if differing:
        raise ZooError(
            f"{format.out} was begun with another {' and '.join(differing)}; give another path, or force=True "
            f"(--force) to start again"
        )


def _missing(parts: list[range], done: list[OutputPart]) -> Iterator[range]:
    """Yield the rest of each part after its finished first images."""
    stops = {part.first: part.stop for part in sorted(done, key=lambda part: part.stop)}
    for part in parts:
        first = part.start
        while first < part.stop and first < stops.get(first, 0) <= part.stop:
            first = stops[first]
        if first < part.stop:
            yield range(first, part.stop)


def _labels(model: GAN, n: int, label: int | list[int] | None, seed: int, labels: Labels) -> np.ndarray | None:
    """Return labels (n,) int64, or None without classes."""
    import torch

    if label is None:
        drawn = model.drawn_labels(n, seed, labels=labels)
        return None if drawn is None else drawn.numpy()
    return (torch.full((n,), label) if isinstance(label, int) else torch.tensor(label)).numpy()
