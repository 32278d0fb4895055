"""What an evaluation found, and everything needed to run it again.

A report is data: it writes itself as JSON and reads that back. `save` makes a folder with report.json, report.md, a
sample sheet and plots, whole or not at all.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PrivateAttr, ValidationError, model_validator

from ...common.errors import ConfigError, ZooError
from ...common.files import building
from ...common.json_files import read_json, reason
from ...common.text import visible
from ...schema.architecture import ConfigPart
from ...schema.config import explain
from ...schema.entries import Measured
from ..metrics.classwise import ClassReport
from ..metrics.convergence import Convergence
from ..protocols.protocol import Protocol
from .verdicts import Comparison

if TYPE_CHECKING:
    from rich.console import Group
    from torch import Tensor

_REPLACED = ".report.json.replaced"  # of the report whose place another one takes
FILES = ("report.json", "report.md", "samples.png", "convergence.png", "classes.png")


class Result(ConfigPart):
    """One score under one protocol, over its seeds."""

    metric: str  # with the extractor's name, unless it is Inception's FID, KID or IS
    kind: str  # "fid", "kid", "is", "precision", "recall", "class accuracy", "intra-class fid", "... as assigned"
    value: float  # mean over seeds
    std: float | None = None  # population standard deviation over seeds; None for a single one
    per_seed: tuple[float, ...]
    spread: float | None = None  # over KID subsets or IS splits, of the first seed
    num_real: int | None = None
    num_fake: int
    split: str | None = None
    protocol: str
    settings: dict[str, Any] = {}  # of the metric under the protocol, seeds and selection of real images included
    note: str | None = None

    @property
    def text(self) -> str:
        """The value with its spread over seeds or, for a single one, over KID subsets or IS splits."""
        if self.std is None and self.spread is not None:
            parts = "splits" if self.kind == "is" else "subsets"
            return f"{number(self.value)} (± {number(self.spread, self.value)} over {parts})"
        return number(self.value) + (f" ± {number(self.std, self.value)}" if self.std is not None else "")

    @property
    def counts(self) -> str:
        return f"{self.num_real:,} / {self.num_fake:,}" if self.num_real else f"{self.num_fake:,}"


class Extraction(ConfigPart):
    """The feature extractor, to the byte."""

    name: str
    weights: str
    sha256: str
    official: bool
    preprocessing: tuple[str, ...]


def _shown(name: Any) -> Any:
    return visible(name) if isinstance(name, str) else name


class Subject(ConfigPart):
    """What was measured: a model with its weights, or images."""

    name: Annotated[str, BeforeValidator(_shown)]  # of a user's folder, in whatever bytes
    tag: str | None = None
    weights_sha256: str | None = None
    num_images: int | None = None
    dtype: str | None = None  # in which the generator computes


_OF_REAL_IMAGES = {  # what is known of them
    **dict.fromkeys(("dataset", "split", "selection", "checksum", "from"), str),
    **dict.fromkeys(("resolution", "count", "total"), int),
}


class Report(ConfigPart):
    """Scores, what they are compared with, and how they came about."""

    subject: Subject
    results: tuple[Result, ...]
    comparisons: tuple[Comparison, ...] = ()
    protocols: tuple[Protocol, ...]
    differences: tuple[str, ...] = ()  # of the protocols from "clean"
    references: tuple[dict[str, Any], ...] = ()
    extractor: Extraction
    classes: ClassReport | None = None
    convergence: Convergence | None = None
    warnings: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    seconds: dict[str, float] = {}
    request: str | None = None  # of `verify`: what was asked, so that a round knows what is done
    format: int = 1

    @model_validator(mode="after")
    def _can_be_shown(self):
        """What a page of it takes for granted."""
        for data in self.references:
            wrong = [key for key, kind in _OF_REAL_IMAGES.items() if not isinstance(data.get(key), kind)]
            if wrong:
                raise ValueError(f"references: {wrong[0]} is missing or of the wrong kind")
        if self.classes and len(self.classes.rows_assigned) not in (0, len(self.classes.rows)):
            raise ValueError("classes: rows_assigned and rows are not of the same classes")
        if (found := self.convergence) and (
            len(found.counts) != len(found.distances) or len(found.counts) < 2 or min(found.counts) < 1
        ):
            raise ValueError("convergence: counts and distances are no curve")
        return self

    _samples: Any = PrivateAttr(default=None)  # the first images, uint8 (N, 3, H, W), for the sheet
    _columns: int | None = PrivateAttr(default=None)

    def __getitem__(self, metric: str) -> Result:
        """The first result of a metric by its name or kind: report["FID"], report["fid"]."""
        for result in self.results:
            if metric in (result.metric, result.kind):
                return result
        raise KeyError(f"{metric} is not in this report; it has {', '.join(r.metric for r in self.results)}")

    @property
    def verdict(self) -> str | None:
        """The worst of all verdicts that compare; None where nothing is compared."""
        found = {comparison.verdict for comparison in self.comparisons}
        order = ("not reproduced", "reproduced", "better", "not comparable")
        return next((verdict for verdict in order if verdict in found), None)

    def with_samples(self, samples: Tensor | None, columns: int | None = None) -> Report:
        self._samples, self._columns = samples, columns
        return self

    def measured(self, hardware: str | None = None) -> tuple[Measured, ...]:
        """The results as entries for a config's `weights.scores`."""
        return tuple(
            Measured(
                metric=result.metric,
                value=round_to(result.value, result.std),
                std=None if result.std is None else float(f"{result.std:.2g}"),
                num_real=result.num_real,
                num_fake=result.num_fake,
                split=result.split,
                extractor=self.extractor.name,
                protocol=result.protocol,
                hardware=hardware or self.environment.get("device"),
                seeds=len(result.per_seed),
                note=self._note(result),
            )
            for result in self.results
        )

    def _note(self, result: Result) -> str | None:
        if result.kind.startswith("class accuracy") and self.classes:
            return f"The classifier is right on {self.classes.accuracy_on_real:.1%} of held-out real images."
        return None

    # ------------------------------------------------------------------------------------------- text and files

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def from_file(cls, path: str | Path) -> Report:
        """Read a report.json; raises ConfigError if it is none."""
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            raise ConfigError(f"{path} is not a report ({explain(error)}); delete it or measure again") from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} is not a report ({reason(error)}); delete it or measure again") from None

    def __rich__(self) -> Group:
        from .render import as_table

        return as_table(self)

    def _repr_markdown_(self) -> str:
        from .render import as_markdown

        return as_markdown(self)

    def save(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write report.json, report.md, samples.png, convergence.png and classes.png (the last three where there is
        something to draw) into a folder of its own.

        Raises:
            ZooError: the folder holds something already and `force` is not given, or the disk is full.
        """
        folder = Path(folder)
        refuse_overwriting(folder, force)
        try:
            with building(folder) as temporary:
                for name, data in self.files().items():
                    (temporary / name).write_bytes(data)
                _move(temporary, folder)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise ZooError(
                    f"the disk of {folder} is full; nothing was written. Free some space, or give another folder"
                ) from None
            raise
        return folder

    def files(self) -> dict[str, bytes]:
        """The contents of the folder that `save` writes, by file name."""
        from . import report_plots
        from .render import as_markdown

        files = {"report.json": self.to_json().encode()}
        if self._samples is not None:
            files["samples.png"] = report_plots.sheet(self._samples, self._columns)
        if self.convergence:
            files["convergence.png"] = report_plots.convergence(self.convergence, self["fid"].metric)
        if self.classes:
            files["classes.png"] = report_plots.classes(self.classes)
        return files | {"report.md": as_markdown(self, pictures=sorted(set(files) - {"report.json"})).encode()}


def refuse_overwriting(folder: Path, force: bool) -> None:
    """Raise before any work where a report would meet another file, or anything but an earlier report."""
    if folder.exists() and not folder.is_dir():
        raise ZooError(f"{folder} is a file; give a folder for the report")
    found = {item.name for item in folder.iterdir()} if folder.is_dir() else set()
    if not found:
        return
    if others := sorted(found - _of_report(folder)):
        raise ZooError(f"{folder} holds {others[0]}, which no report wrote; give another folder")
    if not force:
        raise ZooError(f"{folder} holds a report; give another folder, or force=True (--force) to replace it")


def _of_report(folder: Path) -> set[str]:
    """The names of files that the report in this folder has written."""
    if (folder / _REPLACED).exists():  # a replacement was cut short
        return {*FILES, _REPLACED}
    try:
        report = Report.from_file(folder / FILES[0])
    except ConfigError:  # damaged, where its page is there too
        return set(FILES) if all((folder / name).is_file() for name in FILES[:2]) else set()
    drawn = {"convergence.png": bool(report.convergence), "classes.png": bool(report.classes)}
    return {name for name in FILES if drawn.get(name, True)}


def _move(new: Path, folder: Path) -> None:
    """All at once where there is nothing yet; else file by file. report.json goes first and comes last: where it is,
    the others belong to it."""
    if not folder.exists():
        new.rename(folder)
        return
    report, replaced = folder / FILES[0], folder / _REPLACED
    if report.exists():
        report.replace(replaced)
    for name in reversed(FILES):
        if (new / name).exists():
            (new / name).replace(folder / name)
        elif name != FILES[0]:
            (folder / name).unlink(missing_ok=True)
    replaced.unlink(missing_ok=True)


def number(value: float | None, like: float | None = None) -> str:
    """Four significant digits, five from 1,000 on; a deviation with the decimals of its value."""
    if value is None:
        return ""
    size = abs(value if like is None else like)
    if size == 0:
        return "0"
    decimals = max(0, 3 - _exponent(size))
    return f"{value:.{min(decimals, 6)}f}"


def _exponent(size: float) -> int:
    return int(f"{size:e}".partition("e")[2])


def round_to(value: float, std: float | None) -> float:
    """A value with no more decimals than its deviation supports (two digits of it), or five digits without one."""
    if not std:
        return float(f"{value:.5g}")
    return round(value, max(0, 1 - _exponent(std)))


def summary(reports: Sequence[Report]) -> list[dict[str, str]]:
    """One row for each comparison or, where there is none, each result."""
    rows = []
    for report in reports:
        name = report.subject.name + (f"@{report.subject.tag}" if report.subject.tag else "")
        for c in report.comparisons:
            rows.append(
                {
                    "model": name,
                    "metric": c.metric,
                    "published": number(c.published),
                    "measured": number(c.measured)
                    + (f" ± {number(c.measured_std, c.measured)}" if c.measured_std is not None else ""),
                    "tolerance": number(c.tolerance, c.published),
                    "verdict": c.verdict + (f": {c.why}" if c.why else ""),
                }
            )
    return rows
