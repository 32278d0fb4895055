"""Many images of one seed on disk: a folder of PNGs, an .npz or a .tar.

The images are made in parts of a fixed number. A part is on disk whole or not at all, so memory is constant, a run that
was stopped goes on where it was, and the ranks of a torchrun share the parts. What is written does not depend on any of
this: image i is `model.sample(..., start=i)`'s, and files hold no times.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import files, latents
from .errors import ZooError
from .evaluation import distributed
from .formats import FORMATS, Format
from .images import refuse_overwriting
from .progress import Progress

if TYPE_CHECKING:
    from .labelled import Label, Labels
    from .model import GAN

PART_PIXELS = 1 << 20  # about as many pixels a part: 1,024 images of 32x32
_RECORD = "sample.json"
_WORK = ".zoo-sample"
_ENCODERS = 4  # threads; compression lets go of the interpreter's lock


class StoppedError(ZooError):
    """Ctrl-C, or SIGTERM, while images were written."""

    exit_status = 130


@dataclass(frozen=True)
class Written:
    """What a call of `write` did, on this rank."""

    seed: int
    images: int  # made now; the others were there already
    seconds: float

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.images / self.seconds


@contextmanager
def stopping_on_sigterm() -> Iterator[None]:
    """Inside, SIGTERM, with which schedulers and torchrun stop a process, is Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def is_bulk(path: Path) -> bool:
    """Whether images go to this path one by one, as opposed to a grid."""
    return path.suffix.lower() in FORMATS


def write(
    model: GAN,
    out: str | Path,
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
    """Write n images; called again after an interruption, with the same arguments, it goes on.

    Under torchrun every rank calls this with the same arguments; the first one puts the parts together.

    Args:
        model: the generator; the other arguments without a word here are those of `GAN.sample`.
        out: a folder, which gets 000000.png and so on and sample.json, which says what they are; an .npz with `images`
            (N, H, W, 3) uint8, `labels` and `seed`; or a .tar in webdataset's layout: 000000.png, 000000.cls. Their
            labels are those of `Images.labels`: classes, or with `labels="trained"` the generator's own.
        seed: None goes on with the seed of an interrupted run, or draws one.
        force: overwrite what is there, rather than go on with it.

    Raises:
        ZooError: other images are there already, the disk is full, or (StoppedError) Ctrl-C; what to do next is said.
    """
    out = Path(out)
    label = _numbers(model, label, n, labels)
    format = FORMATS[out.suffix.lower()](out, out / _WORK if not out.suffix else out.parent / f".{out.name}{_WORK}")
    start = time.perf_counter()
    record = _agreed(_record(model, n, label, seed, truncation, labels, format), out, format, n, force)
    made = 0
    try:
        with ThreadPoolExecutor(_ENCODERS) as pool, Progress(progress and distributed.rank() == 0) as bar:
            each = model.chunk * max(1, PART_PIXELS // model.resolution**2 // model.chunk)
            parts = [range(first, min(n, first + each)) for first in range(0, n, each)]
            mine = parts[distributed.rank() :: distributed.world_size()]
            advance = bar.task(model.config.name, sum(map(len, mine)))
            for part in mine:
                missing = format.missing(part, force)
                advance(len(part) - len(missing), made=False)
                if missing:
                    here = range(missing[0], part.stop) if format.images_alone else part
                    wanted = label if label is None or isinstance(label, int) else label[here.start : here.stop]
                    size = batch_size or 8 * model.chunk
                    seed, first = record["seed"], here.start
                    batches = model.stream(len(here), wanted, seed, truncation, size, start=first, labels=labels)
                    for written in format.write_part(part, batches, set(missing), pool):
                        made += written
                        advance(written)
            distributed.agree(None)  # all parts are there
            if distributed.rank() == 0:
                shown = _labels(model, n, label, record["seed"], labels)
                format.finish(parts, shown, record["seed"], model.resolution)
                shutil.rmtree(format.work, ignore_errors=True)
            distributed.agree(None)
    except KeyboardInterrupt:
        raise StoppedError(f"stopped; the same command goes on with {out} where it was") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ZooError(f"no space left for {out}; make some, and the same command goes on where it was") from None
    return Written(record["seed"], made, time.perf_counter() - start)


def _numbers(model: GAN, label, n: int, labels: str) -> int | list[int] | None:
    """The classes by number, one for all or one for each; refuses them before anything is written."""
    chosen = model.check_label(label, n, labels)
    if chosen is None or isinstance(label, int):
        return label
    single = hasattr(label, "__index__") or (isinstance(label, str) and label.lower() != "all")
    return int(chosen[0]) if single and n else chosen.tolist()


def _record(
    model: GAN, n: int, label, seed: int | None, truncation: float | None, labels: str, format: Format
) -> dict[str, Any]:
    """What the images depend on. A folder can grow, where the labels allow it; a file cannot."""
    digest = hashlib.sha256()
    for name, tensor in model.generator.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().view(-1).numpy().tobytes())
    listed = label is not None and not isinstance(label, int)
    return {
        "model": model.config.name,
        "weights": digest.hexdigest(),
        "seed": None if seed is None else latents.check_seed(seed),
        "label": hashlib.sha256(json.dumps([int(y) for y in label]).encode()).hexdigest() if listed else label,
        "truncation": truncation,
        "number": None if format.images_alone and not listed else n,
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": model.device.type,
        "fused": model.fused,
        "label map": list(model.label_map) if labels == "aligned" and model.is_permuted else None,
    }


def _agreed(record: dict[str, Any], out: Path, format: Format, n: int, force: bool) -> dict[str, Any]:
    """The record of this run, the same on all ranks, after the first has looked at what is there."""
    error = None
    if distributed.rank() == 0:
        try:
            record = _begin(record, out, format, n, force)
        except (ZooError, OSError) as raised:
            error = raised
    distributed.agree(error)
    agreed = distributed.from_first(record)
    if agreed["weights"] != record["weights"]:
        error = ZooError("the ranks have different weights; give them a model with weights that are not random")
    distributed.agree(error)
    return agreed


def _begin(record: dict[str, Any], out: Path, format: Format, n: int, force: bool) -> dict[str, Any]:
    path = (out if format.images_alone else format.work) / _RECORD
    if force:
        shutil.rmtree(format.work, ignore_errors=True)
        path.unlink(missing_ok=True)
    if path.is_file():
        before = json.loads(path.read_text())
        if record["seed"] is None:
            record["seed"] = before.get("seed")
        if differing := [key for key in record if record[key] != before.get(key)]:
            raise ZooError(
                f"{out} was begun with another {' and '.join(differing)}; give another path, or force=True (--force) "
                f"to begin anew"
            )
    else:
        refuse_overwriting(format.targets(n), force)
        record["seed"] = latents.check_seed(record["seed"])
    format.work.mkdir(parents=True, exist_ok=True)
    if not path.is_file():
        files.write_atomically(path, (json.dumps(record, indent=2) + "\n").encode())
    return record


def _labels(model: GAN, n: int, label, seed: int, labels: str):
    """(n,) int64, or None without classes."""
    import torch

    if not model.num_classes:
        return None
    if label is None:
        return model.drawn_labels(n, seed, labels=labels).numpy()
    return torch.tensor([label] * n if isinstance(label, int) else label).numpy()
