"""`zoo.compare`: the same images through every public FID tool that is installed, and what sets their numbers apart."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..common import choices, extras
from ..common.devices import pick_device
from ..common.errors import UsageError, ZooError
from ..common.memory import refuse_if_too_large
from ..common.numbers import whole
from ..common.progress import Progress, ProgressCallback
from ..common.tables import columns
from ..common.text import markdown, plain, table
from ..datasets.catalogue import own_split
from ..schema.architecture import ConfigPart
from .features import extractors, references
from .features.extraction import images_per_batch
from .features.sources import ALIGNMENT, Generated, ImageSource
from .metrics import scores
from .names import INCEPTION
from .protocols.protocol import Sampling
from .report.report import Subject, number
from .targets import Target, check_names, data_for, open_target

if TYPE_CHECKING:
    from rich.console import Group
    from torch import Tensor

    from ..datasets import Dataset
    from ..sampling.gan import GAN
    from ..sampling.images import Images
    from .fid_tools import Pair, Tool

COUNT = 10_000  # images of either side, where there are more
_HEAD = ("tool", "value", "beside ours", "real / generated", "what differs")


class ToolScore(ConfigPart):
    """The number of one tool, and how it comes about; or why there is none."""

    tool: str
    version: str | None = None
    value: float | None = None
    resize: str
    scale: str
    precision: str
    seconds: float | None = None
    why_not: str | None = None  # how to install it, or what it failed with


class ToolTable(ConfigPart):
    """One row a tool, ours first; all of the same images and the same weights file."""

    subject: Subject
    reference: str
    num_real: int
    num_fake: int
    metric: str  # "FID", or "FD" and the weights where they are not Inception's own
    weights: str  # file name
    sha256: str  # of the file
    rows: tuple[ToolScore, ...]

    def __getitem__(self, tool: str) -> ToolScore:
        return next(row for row in self.rows if row.tool == tool)

    def difference(self, row: ToolScore) -> str:
        """The row's number beside ours, such as "+0.0123 (+0.25 %)"."""
        ours = self.rows[0].value
        if row is self.rows[0] or row.value is None or ours is None:
            return ""
        by = row.value - ours
        share = f" ({by / ours:+.2%})".replace("%", " %") if ours else ""
        return f"{by:+.4g}{share}"

    def explanation(self, row: ToolScore) -> str:
        """What is done otherwise than here, in one line."""
        if row.why_not:
            return row.why_not
        ours = self.rows[0]
        if row is ours:
            return f"resizes {row.resize}; scale {row.scale}; nothing is rounded after resizing; {row.precision}"
        parts = [
            f"{title}{getattr(row, part)}"
            for part, title in (("resize", "resizes "), ("scale", "scale "), ("precision", ""))
            if getattr(row, part) != getattr(ours, part)
        ]
        return "; ".join(parts) or "nothing: the same network, resizing and formula"

    def _cells(self) -> list[tuple[str, ...]]:
        counts = f"{self.num_real:,} / {self.num_fake:,}"
        return [
            (
                f"{row.tool} {row.version}" if row.version and row is not self.rows[0] else row.tool,
                number(row.value),
                self.difference(row),
                counts if row.value is not None else "",
                self.explanation(row),
            )
            for row in self.rows
        ]

    def _title(self) -> str:
        return f"{self.metric} of {self.subject.name} against {self.reference}, weights {self.weights}"

    def __rich__(self) -> Group:
        from rich.console import Group

        shown = columns(*_HEAD, right=("value",))
        for cells in self._cells():
            shown.add_row(*map(plain, cells))
        return Group(plain(self._title(), "bold"), shown)

    def _repr_markdown_(self) -> str:
        rows = [[markdown(cell) for cell in cells] for cells in self._cells()]
        return f"**{markdown(self._title())}**\n\n{table(_HEAD, rows)}\n"

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"


def compare(
    source: str | os.PathLike | GAN | Images | Dataset | Tensor | Target,
    data: Any = None,
    *,
    tools: str | Sequence[str] = "all",
    split: str | None = None,
    num_real: int = COUNT,
    num_fake: int = COUNT,
    seed: int = 0,
    weights: str = "default",
    inception_weights: str | os.PathLike | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    cache_dir: str | os.PathLike | None = None,
    progress: bool | ProgressCallback = False,
    resolution: int | None = None,
) -> ToolTable:
    """Measure the FID of the same images by every public tool that is installed.

    Each tool resizes, extracts and computes by its own code; the images, their number and the weights file are the
    same, so what is left between two numbers is resizing, scale and precision.

    Args:
        source, data, split, weights, device, batch_size, cache_dir, progress, resolution: as for `zoo.evaluate`. The
            real images have to be here: statistics are not enough.
        tools: "all", or names: torch-fidelity, clean-fid, torchmetrics, pytorch-fid. Our own number is always there.
        num_real, num_fake: at most so many images; of more, a random choice of a fixed seed.
        seed: of a model's images.
        inception_weights: the file; None looks in torch.hub's folder, where torch-fidelity and pytorch-fid keep theirs,
            then downloads.

    Raises:
        ZooError: a tool is unknown; the weights or the real images are not here.
    """
    extractors.require_fidelity()
    from . import fid_tools
    from .features import inception

    chosen = [fid_tools.OURS, *_chosen(fid_tools.TOOLS, tools)]
    check_names(source, weights, data, split)
    path = inception.locate(inception_weights, instead="; these tools measure by Inception alone")
    counts = [whole(name, value, 2) for name, value in (("num_real", num_real), ("num_fake", num_fake))]
    target = open_target(source, weights=weights, device=device, cache_dir=cache_dir, resolution=resolution)
    where = target.model.device if target.model else pick_device(device)
    extractor = extractors.load(INCEPTION, inception_weights=path)  # refuses a file that is none
    reference = data_for(target, data, split)
    trained_on = target.config.data.split if target.config else "train"
    reference = reference if reference.split else _of_split(reference, trained_on)
    real = _choice(reference.loaded.images, counts[0])
    with Progress(progress) as bars:
        pair = fid_tools.Pair(
            _images(target, counts[1], seed, bars),
            real,
            path,
            extractor.to(where),
            where,
            images_per_batch(where, batch_size),
        )
        if min(len(pair.fake), len(pair.real)) < 2:
            raise ZooError(
                f"a covariance needs at least 2 images, got {len(pair.real)} real and {len(pair.fake)} others"
            )
        rows = tuple(_row(tool, pair, bars) for tool in chosen)
    return ToolTable(
        subject=target.subject,
        reference=str(reference),
        num_real=len(pair.real),
        num_fake=len(pair.fake),
        metric=extractors.metric_name("fid", extractor.label),
        weights=extractor.weights,
        sha256=extractor.sha256,
        rows=rows,
    )


def _of_split(data: references.ReferenceData, split: str) -> references.ReferenceData:
    return replace(data, split=own_split(data.dataset, split))


def _chosen(known: tuple[Tool, ...], tools: str | Sequence[str]) -> list[Tool]:
    """Return the tools of these names; a package in several modes is several rows."""
    names = {tool.distribution for tool in known}
    if tools == "all":
        return list(known)
    wanted = [tools] if isinstance(tools, str) else list(tools)
    if not wanted:
        raise UsageError("no tool is named; name one or more, such as clean-fid, or leave them out for all")
    for name in wanted:
        if name not in names:
            raise UsageError(choices.unknown("tool", name, (*sorted(names), "all")))
    return [tool for tool in known if tool.distribution in wanted]


def _choice(images: Tensor, count: int) -> Tensor:
    if count >= len(images):
        return images
    return images[scores.random_indices(len(images), count)]


def _images(target: Target, count: int, seed: int, bars: Progress) -> Tensor:
    """Make, or read, the images to be measured, uint8 (N, 3, H, W) on the CPU."""
    import torch

    if target.images is None:
        assert target.model is not None
        source: ImageSource = Generated(target.model, Sampling(), count, seed)
    elif count < len(target.images):
        source = target.images.subset(scores.random_indices(len(target.images), count))
    else:
        source = target.images
    n = len(source)
    refuse_if_too_large(
        3 * n * target.side**2, f"{n:,} images of {target.side}x{target.side}", "give fewer (num_fake=)"
    )
    advance, parts = bars.task(target.subject.name, n), []
    for start in range(0, n, ALIGNMENT):
        parts.append(source.batch(start, min(ALIGNMENT, n - start)).cpu())
        advance(len(parts[-1]))
    return torch.cat(parts)


def _row(tool: Tool, pair: Pair, bars: Progress) -> ToolScore:
    from . import fid_tools

    version = tool.version
    about = {"tool": tool.name, "version": version, "resize": tool.resize, "scale": tool.scale}
    about["precision"] = tool.precision
    if version is None:
        return ToolScore(**about, why_not=f"not installed; run: {extras.install('compare', tool.distribution)}")
    clock = time.perf_counter()
    counted = replace(pair, advance=bars.task(tool.name, len(pair.fake) + len(pair.real)))
    try:
        value = fid_tools.measure(tool, counted)
    except ZooError:
        raise
    except Exception as error:  # of another project's code, such as with a newer scipy
        if tool is fid_tools.OURS:
            raise
        first = (str(error).splitlines() or [""])[0]
        return ToolScore(**about, why_not=f"failed with {type(error).__name__}: {first[:200]}")
    return ToolScore(**about, value=value, seconds=round(time.perf_counter() - clock, 3))
