"""A sweep: one file that defines the runs, the measurements and the paper's results.

The product of the axes' options is the list of runs; each option may name a model of the registry, change fields of
its config, or both. A sweep has two sizes: `small`, which a CPU finishes, and `paper`.
"""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from zoo.common.errors import ConfigError, UsageError
from zoo.common.json_files import read_json, reason
from zoo.common.package_data import data_path
from zoo.common.text import short
from zoo.evaluation.names import METRICS
from zoo.schema import registry
from zoo.schema.architecture import ConfigPart
from zoo.schema.bounds import Count, CountOrNone, Facts, Length, Line, Notes, Paragraph, Word
from zoo.schema.config import ModelConfig, Name, explain

from .. import paper_settings

FOLDER = data_path("training.studies", "sweeps")
STUDIES = ("cost", "forgetting", "mode_collapse", "mode_recovery")  # programs of their own
Kind = TypeVar("Kind", bound=ConfigPart)
_MOST_RUNS = 10_000  # of a size
OptionsByAxis = Annotated[
    dict[Word, Word], Field(max_length=20)
]  # axis -> option; axes that are left out match all their options
if TYPE_CHECKING:
    Metric = str
else:
    Metric = Literal[METRICS]


class Option(ConfigPart):
    """One value of an axis."""

    model: Name | None = None
    fills: Word | None = None  # what stands for the axis in the sweep's `models`
    setting: Literal["A", "B", "C", "D", "E", "F"] | None = None  # of ContraGAN's Table A9
    set: Facts = {}  # dotted fields, as `ModelConfig.updated` takes them

    @property
    def changes(self) -> Facts:
        return (paper_settings.CONTRAGAN[self.setting] if self.setting else {}) | self.set

    class_share: Annotated[float, Field(gt=0, le=1)] = 1.0  # of the data's classes, the first ones


class Size(ConfigPart):
    """How large a sweep is run. `set` comes before the options' own changes."""

    set: Facts = {}
    only: Annotated[
        dict[Word, Annotated[tuple[Word, ...], Length(1000)]], Field(max_length=20)
    ] = {}  # axis -> the options that are run; others: all
    seeds: Annotated[tuple[CountOrNone, ...], Length(1000, least=1)] = (0,)
    extractor: Annotated[Word, Field(pattern=r"^[\w.-]+$")] = "inception"  # part of file names
    protocol: Word = "clean"  # of the scores that it has; all others are measured as "clean" says
    num_fake: Count | None = None  # generated images per score; None: 10,000, or as many as the paper's protocol says
    num_real: Count | None = None  # at most; None: as many as generated, or as the paper's protocol says
    split: Word | None = None  # of the real ones; None: the protocol's, or what the model is trained on
    as_paper: bool = False  # begin with the paper's values where the published run differs
    note: Paragraph | None = None  # what this size leaves out


class PublishedCell(ConfigPart):
    """A number of the paper; `where` gives the option of every axis."""

    where: OptionsByAxis
    metric: Word = "fid"
    value: float
    std: float | None = None
    note: Paragraph | None = None


class PaperClaim(ConfigPart):
    """A comparison that the paper reports: the metric is less, greater or alike in one place than in another."""

    text: Paragraph
    metric: Word = "fid"
    where: OptionsByAxis
    relation: Literal["less", "greater", "alike"] = "less"
    than: OptionsByAxis


class ComparedRuns(ConfigPart):
    """Runs that the paper compares, and all the fields in which they may differ beside those that the options set."""

    among: Annotated[dict[Word, Annotated[tuple[Word, ...], Length(1000)]], Field(max_length=20)] = {}  # empty: all
    differ_in: Annotated[tuple[Word, ...], Length(100)] = ()  # fields with all that is below them

    def holds(self, run: PlannedRun) -> bool:
        return all(run.where[axis] in options for axis, options in self.among.items())


class Sweep(ConfigPart):
    """A sweep, as the files in `sweeps/` state it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Line
    source: Line
    question: Paragraph
    model: Name | None = None  # where no option names one
    models: Word | None = None  # or a pattern of axes, such as "{method}/{dataset}"
    axes: Annotated[
        dict[Word, Annotated[dict[Word, Option], Field(max_length=1000)]], Field(min_length=1, max_length=20)
    ]
    metrics: Annotated[tuple[Metric, ...], Length(10)] = ("fid",)
    curves: Annotated[tuple[Word, ...], Length(100)] = ()  # parts of the losses to plot over time, such as "d/infomax"
    comparisons: Annotated[tuple[ComparedRuns, ...], Length(100)] = ()  # none: runs differ in what the options set
    scores_while_training: Annotated[int, Field(ge=0, le=1000)] = 0  # how many, of the first metric
    label_curves: bool = False  # look at what the labels draw while a model trains
    published: Annotated[tuple[PublishedCell, ...], Length(1000)] = ()
    published_by: Word | None = None  # or how the source of scores in the configs begins: "ContraGAN, Table 1"
    claims: Annotated[tuple[PaperClaim, ...], Length(1000)] = ()
    small: Size
    paper: Size
    notes: Notes = ()

    @model_validator(mode="after")
    def _names_exist(self):
        for where in (*(p.where for p in self.published), *(w for c in self.claims for w in (c.where, c.than))):
            for axis, option in where.items():
                if option not in self.axes.get(axis, {}):
                    raise ValueError(f"there is no option {option!r} of an axis {axis!r}")
        for size in (self.small, self.paper):
            for axis, options in (*size.only.items(), *(x for c in self.comparisons for x in c.among.items())):
                if missing := set(options) - set(self.axes.get(axis, {})):
                    raise ValueError(f"{axis} has no option {', '.join(sorted(missing))}, which only or among names")
            runs = math.prod(len(size.only.get(axis, options)) for axis, options in self.axes.items())
            if runs * len(size.seeds) > _MOST_RUNS:
                raise ValueError(f"it has more than {_MOST_RUNS:,} runs; give fewer options or seeds")
        return self

    def size(self, paper: bool, smallest: bool = False) -> Size:
        return SMALLEST if smallest else self.paper if paper else self.small

    def runs(self, paper: bool = False, smallest: bool = False) -> list[PlannedRun]:
        """Return all runs of a size, seeds last.

        Raises:
            ConfigError: a change does not fit its model; UnknownModelError: there is no such model.
        """
        size, names = self.size(paper, smallest), list(self.axes)
        kept = [[o for o in self.axes[axis] if o in size.only.get(axis, self.axes[axis])] for axis in names]
        runs = []
        for options in itertools.product(*kept):
            where = dict(zip(names, options, strict=True))
            chosen = [self.axes[axis][option] for axis, option in where.items()]
            config = self._config(where, chosen, self.paper if smallest else size)
            share = min(option.class_share for option in chosen)
            classes = max(2, round(share * config.num_classes)) if share < 1 else None
            if classes:
                config = config.updated({f"{part}.num_classes": classes for part in ("generator", "discriminator")})
            config = shrunk(config) if smallest else config
            runs += [PlannedRun(self.name, where, seed, config, classes) for seed in size.seeds]
        return runs

    def _config(self, where: OptionsByAxis, chosen: list[Option], size: Size) -> ModelConfig:
        fills = {axis: option.fills or "" for axis, option in zip(where, chosen, strict=True)}
        model = self.models.format(**fills) if self.models else self.model
        model = next((option.model for option in chosen if option.model), model)
        if model is None:
            raise ConfigError(f"sweep {self.name}: no model is named for {_label(where)}; give `model`")
        config = registry.config(model)
        changes = (dict(config.training.as_paper) if size.as_paper else {}) | size.set
        for option in chosen:
            changes |= option.changes
        try:
            return config.updated(changes)
        except ConfigError as error:
            raise ConfigError(f"sweep {self.name}, {_label(where)}: {error}") from None

    def cell(self, where: OptionsByAxis, metric: str) -> PublishedCell | None:
        """Return what the paper prints for a run; None if it prints nothing."""
        return next((p for p in self.printed if p.metric == metric and matches(where, p.where)), None)

    @cached_property
    def printed(self) -> tuple[PublishedCell, ...]:
        """What the paper prints: the file's own cells, and those of the configs that `published_by` names."""
        found = list(self.published)
        for run in {run.label: run for run in self.runs(paper=True)}.values() if self.published_by else ():
            scores = [p for p in run.config.published if p.source.startswith(self.published_by or "")]
            plain = [p for p in scores if not p.settings.keys() - {"implementation"}]
            found += [PublishedCell(where=run.where, metric=p.metric.lower(), value=p.value, std=p.std) for p in plain]
        return tuple(found)


SMALLEST = Size(
    extractor="efficientnet-lite0",
    num_fake=100,
    note="Ten steps on batches of at most eight in networks of eight channels: it shows that everything runs, no more.",
)


def shrunk(config: ModelConfig) -> ModelConfig:
    """Return the config of a run that takes seconds: narrow networks, ten steps, few images a batch."""
    short = {"steps": 10, "batch_size": min(8, config.training.batch_size), "accumulation": 1, "discriminator_steps": 1}
    return config.at_width(8).updated({f"training.{name}": value for name, value in short.items()})


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep."""

    sweep: str
    where: OptionsByAxis
    seed: int
    config: ModelConfig
    classes: int | None = None  # the number of first classes of the data

    @property
    def id(self) -> str:
        """The name of its folder: letters, digits, dots and hyphens."""
        words = [f"{axis}-{option}" for axis, option in self.where.items()]
        return re.sub(r"[^a-z0-9.]+", "-", "-".join(words).lower()).strip("-.") + f"-seed{self.seed}"

    @property
    def label(self) -> str:
        return _label(self.where)


def matches(where: Mapping[str, str], pattern: Mapping[str, str]) -> bool:
    return all(where.get(axis) == option for axis, option in pattern.items())


def _label(where: OptionsByAxis) -> str:
    return ", ".join(f"{axis} {option}" for axis, option in where.items())


def names() -> list[str]:
    """List the sweeps that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str | Path) -> Sweep:
    """Load a sweep by name, or from a file.

    Raises:
        ConfigError: the file is no sweep; the message says which field and why.
        UsageError: there is neither a sweep nor a file of this name.
    """
    path = Path(name) if str(name).endswith(".json") else FOLDER / f"{name}.json"
    if not path.is_file():
        raise UsageError(f"{short(str(name))} is neither a sweep nor a .json file; {_hint(str(name))}")
    return read(Sweep, path)


def read(kind: type[Kind], path: Path) -> Kind:
    """Read a file of one kind; raises ConfigError, which says which field and why, if it is not valid."""
    try:
        return kind.model_validate(read_json(path))
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {reason(error)}; correct it") from None


def _hint(name: str) -> str:
    """Say which sweep or study was probably meant."""
    wanted = name.lower().replace("_", "-")
    known = {study.replace("_", "-"): f"python -m training.studies.{study}" for study in STUDIES}
    known |= {sweep: sweep for sweep in names()}
    close = difflib.get_close_matches(wanted[:200], known, n=2)
    return f"did you mean {' or '.join(known[key] for key in close)}?" if close else "`zoo sweep list` lists the sweeps"
