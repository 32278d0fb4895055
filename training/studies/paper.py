"""The two papers as data: every table, figure, equation and claim, and the command that repeats it.

`papers/*.json` say what belongs to which part. Figures are not in them: a part names the sweeps whose runs are its
cells, or the source under which the configs of the registry hold what the paper printed.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Literal

from pydantic import Field, model_validator

from zoo.common import choices
from zoo.common.errors import UsageError
from zoo.common.package_data import data_path
from zoo.common.text import letters
from zoo.schema import registry
from zoo.schema.architecture import ConfigPart
from zoo.schema.bounds import Length, Line, Paragraph, Word
from zoo.schema.entries import Published

from . import sweep
from .sweep import OptionsByAxis, PlannedRun, PublishedCell, Sweep

FOLDER = data_path("training.studies", "papers")


Options = Annotated[dict[Word, Word], Field(max_length=20)]  # of a command, by name


class OfSweep(ConfigPart):
    """The runs of a sweep that are cells of a part."""

    sweep: Word
    cell: Word  # the name of a cell, such as "cifar10/{method}"
    only: Annotated[dict[Word, Annotated[tuple[Word, ...], Length(1000)]], Field(max_length=20)] = {}
    metrics: Annotated[tuple[Word, ...], Length(10)] = ()  # that the part prints; empty: all that are published

    def load(self) -> Sweep:
        return sweep_of(self.sweep)

    def name_of(self, where: OptionsByAxis) -> str:
        return slug(self.cell.format(**where))

    def holds(self, where: OptionsByAxis) -> bool:
        return all(where[axis] in options for axis, options in self.only.items())


class OfStudy(ConfigPart):
    """A study that measures a part: a command of training.studies, and what it is told at the sizes of sweeps."""

    study: Word  # its module
    folder: Word  # of its results
    data: bool = True  # whether it takes --data
    paper: Options | None = {}  # None: not run at this size
    small: Options | None = {}
    smallest: Options | None


class StudyNumber(ConfigPart):
    """Where the results of a study hold a number that the part prints; a place is a path of keys."""

    cell: Word
    model: Word
    metric: Word
    study: Word  # its folder
    place: tuple[Word, ...]


class StudyClaim(ConfigPart):
    """A comparison within the results of a study; places are paths of keys into its results.json."""

    text: Paragraph
    study: Word  # its folder
    place: tuple[Word, ...]
    relation: Literal["less", "greater"]
    than: tuple[Word, ...] | float
    each: bool = False  # than every one of them, not than their mean
    enough: tuple[Word, ...] = ()  # where the results say whether the steps suffice to tell
    small: Line = "at the CPU's size"  # said of results that were not made with --paper


class Sheet(ConfigPart):
    """The samples of one model in a figure."""

    model: Word
    small: Annotated[tuple[Word, ...], Length(10)] = ()  # models like it that are bundled


class Part(ConfigPart):
    """A table, a figure, an equation or a claim."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Line
    says: Paragraph | None = None
    sweeps: Annotated[tuple[OfSweep, ...], Length(10)] = ()
    studies: Annotated[tuple[OfStudy, ...], Length(10)] = ()
    numbers: Annotated[tuple[StudyNumber, ...], Length(100)] = ()
    scores: Word | None = None  # how the source of its scores in the configs begins
    claims: Annotated[tuple[StudyClaim, ...], Length(100)] = ()  # beside those of the sweeps
    equation: Word | None = None  # which form of the loss the claims are about: a run with another is none of them
    commands: Annotated[tuple[Line, ...], Length(10)] = ()  # where neither a sweep nor a study runs it
    samples: Annotated[tuple[Sheet, ...], Length(10)] = ()  # of a figure that shows some
    columns: Annotated[int, Field(ge=1, le=10)] = 2  # sheets side by side
    code: Word | None = None  # the function that an equation is
    checked_by: Annotated[tuple[Line, ...], Length(10)] = ()  # tests of it
    needs: Paragraph | None = None  # what a run at the paper's size needs

    @model_validator(mode="after")
    def _can_be_repeated(self):
        if not (self.sweeps or self.studies or self.commands or self.samples or self.checked_by):
            raise ValueError("give sweeps, studies, commands, samples or checked_by")
        if self.sweeps and self.studies:
            raise ValueError("give sweeps or studies, not both")
        return self

    def printed(self) -> list[tuple[str, Published]]:
        """Return the scores of the part that configs hold, with the name of the model."""
        if self.scores is None:
            return []
        return [(name, score) for name, score in _scores() if f"{score.source},".startswith(f"{self.scores},")]


class Slip(ConfigPart):
    """A slip in a paper's own text."""

    where: Line
    text: Paragraph


class Paper(ConfigPart):
    name: Word
    title: Line
    arxiv: Word
    parts: Annotated[tuple[Part, ...], Length(200, least=1)]
    slips: Annotated[tuple[Slip, ...], Length(100)] = ()

    @model_validator(mode="after")
    def _ids_differ(self):
        ids = [part.id for part in self.parts]
        if twice := {name for name in ids if ids.count(name) > 1}:
            raise ValueError(f"two parts are called {', '.join(sorted(twice))}")
        return self

    def part(self, name: str) -> Part:
        """Return a part by its id in any spelling; raises UsageError with the nearest, or all of them."""
        found = next((part for part in self.parts if letters(part.id) == letters(name)), None)
        if found is None:
            raise UsageError(choices.unknown(f"part of {self.name}", name, [part.id for part in self.parts]))
        return found


def slug(name: str) -> str:
    """Return "cifar-10/ssgan-im" for "CIFAR-10/SSGAN + IM"."""
    return "/".join(re.sub(r"([^a-z0-9.]|\.(?!\d))+", "-", word.lower()).strip("-") for word in name.split("/"))


@cache
def _scores() -> list[tuple[str, Published]]:
    """Return all published scores of the registry, with the name of the model."""
    return [(name, score) for name in registry.names() for score in registry.config(name).published]


@cache
def sweep_of(name: str) -> Sweep:
    return sweep.load(name)


@cache
def runs_of(name: str, paper: bool, smallest: bool) -> tuple[PlannedRun, ...]:
    return tuple(sweep_of(name).runs(paper, smallest))


def cells_of(part: OfSweep, paper: bool = True, smallest: bool = False) -> dict[str, list[PlannedRun]]:
    """Return the runs of each cell, seeds in a row."""
    found: dict[str, list[PlannedRun]] = {}
    for run in runs_of(part.sweep, paper, smallest):
        if part.holds(run.where):
            found.setdefault(part.name_of(run.where), []).append(run)
    return found


def published_of(part: OfSweep, run: PlannedRun) -> list[PublishedCell]:
    """Return what the paper prints for a run, one number a metric."""
    cells = [cell for cell in part.load().printed if sweep.matches(run.where, cell.where)]
    wanted = [cell for cell in cells if not part.metrics or cell.metric in part.metrics]
    return list({cell.metric: cell for cell in wanted}.values())


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str) -> Paper:
    """Load a paper by its name in any spelling.

    Raises:
        UsageError: there is no such paper.
        ConfigError: its file is wrong; the message says where.
    """
    found = next((known for known in names() if letters(known) == letters(name)), None)
    if found is None:
        raise UsageError(choices.unknown("paper", name, names()))
    return sweep.read(Paper, FOLDER / f"{found}.json")


def chosen_cells(known: list[str], wanted: list[str]) -> list[str]:
    """Return the cells that names, or their first words ("cifar10"), choose in any spelling; all for none.

    Raises:
        UsageError: a name chooses none.
    """
    known = list(dict.fromkeys(known))
    if not wanted:
        return known
    found: list[str] = []
    for name in wanted:
        of_name = cells_named(known, name)
        if not of_name:
            raise UsageError(choices.unknown("cell", name, known[:40]) if known else "there are no cells here")
        found += of_name
    return list(dict.fromkeys(found))


def cells_named(known: list[str], name: str) -> list[str]:
    """Return the cells that a name, or first words, choose."""
    words = _words(name)
    return [cell for cell in known if _words(cell)[: len(words)] == words]


def _words(cell: str) -> list[str]:
    return [letters(word) for word in cell.split("/")]
