"""What the sections of the page share: figures, a clock, and the page as JSON and Markdown."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, ClassVar

import torch

from .children import TimeUpError

_OF_A_MINUTE = 56  # seconds: the rest is for starting, and for what was begun just in time


class Figure:
    """A line of a table that was measured: a dataclass with the names of the columns, and one text for each."""

    COLUMNS: ClassVar[tuple[str, ...]]

    def row(self) -> tuple[str, ...]:
        raise NotImplementedError


@dataclass(frozen=True)
class NotRun:
    """Something that was left out, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Failure:
    """Something that was tried and went wrong."""

    what: str
    error: str


class Clock:
    """Until when a section may begin something."""

    def __init__(self, end: float):
        self.end = end  # of time.monotonic()

    @property
    def left(self) -> float:
        return max(0.0, self.end - time.monotonic())

    def lacks(self, what: str, seconds: float) -> NotRun | None:
        """None where there are so many seconds left."""
        if self.left >= seconds:
            return None
        return NotRun(what, f"{self.left:.0f} s of the section's time were left, it may take {seconds:.0f} s")


@dataclass
class Setting:
    """Where the page is measured."""

    device: torch.device
    rehearse: bool = False
    recipes: Sequence[str] = ()  # whose steps are timed
    loops: Sequence[str] = ()  # in which they are taken
    shared: dict[str, Any] = field(default_factory=dict)  # what a section leaves for a later one

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def wait(self) -> None:
        """For everything that the device has been asked for."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    def seconds(self, function: Callable[[], Any]) -> float:
        self.wait()
        start = time.perf_counter()
        function()
        self.wait()
        return time.perf_counter() - start


Found = Figure | NotRun | Failure


@dataclass(frozen=True)
class Section:
    name: str
    title: str
    share: float  # of the time
    run: Callable[[Setting, Clock], Iterable[Found]]


@dataclass
class Part:
    """What a section found; its error, if it has one, comes after what was found before it."""

    section: Section
    seconds: float = 0.0
    found: list[Found] = field(default_factory=list)

    @property
    def failures(self) -> list[Failure]:
        return [found for found in self.found if isinstance(found, Failure)]

    @property
    def not_run(self) -> list[NotRun]:
        return [found for found in self.found if isinstance(found, NotRun)]

    def json(self) -> dict[str, Any]:
        figures = [found for found in self.found if isinstance(found, Figure)]
        return {
            "seconds": round(self.seconds, 1),
            "figures": [{"figure": type(figure).__name__} | asdict(figure) for figure in figures],
            "not run": [asdict(left) for left in self.not_run],
            "failures": [asdict(failure) for failure in self.failures],
        }

    def markdown(self) -> str:
        lines = [f"## {self.section.title}", ""]
        figures = [found for found in self.found if isinstance(found, Figure)]
        for kind, rows in groupby(figures, key=type):
            lines += [*table(kind.COLUMNS, [figure.row() for figure in rows]), ""]
        lines += [f"- Not run: {left.what}: {left.why}" for left in self.not_run]
        lines += [f"- **Failed**: {failure.what}: {failure.error}" for failure in self.failures]
        return "\n".join([*lines, ""] if lines[-1] else lines)


def parts(sections: Sequence[Section], setting: Setting, minutes: float) -> Iterator[Part]:
    """Every section in turn, each until the end of its own share; what one leaves, the next ones have."""
    end, scale = time.monotonic(), _OF_A_MINUTE * minutes / sum(section.share for section in sections)
    for section in sections:
        end += scale * section.share
        part, start = Part(section), time.monotonic()
        clock = Clock(end)
        if clock.left:
            part.found.extend(guarded(section.title, partial(section.run, setting, clock)))
        else:
            part.found.append(NotRun(section.title, "the time was up"))
        part.seconds = time.monotonic() - start
        yield part


def guarded(what: str, run: Callable[[], Iterable[Found]]) -> Iterator[Found]:
    """What it finds; an error is the last of it, a line of the page and its exit status, and the page goes on."""
    try:
        yield from run()
    except TimeUpError as error:
        yield NotRun(f"the rest of {what}", str(error))
    except Exception as error:
        yield Failure(what, describe(error))


def describe(error: Exception) -> str:
    """One line: the error, and where it was raised."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text} ({where.filename.rpartition('/')[2]}, line {where.lineno})"


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Markdown, columns padded so that it reads as text too."""
    cells = [tuple(text.replace("|", "\\|") for text in row) for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)) + " |" for row in cells]
    return [lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]]


def number(value: float | None, form: str = ".1f") -> str:
    return "" if value is None else format(value, form)
