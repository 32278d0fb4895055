"""The results of a study: one page of Markdown, its numbers as JSON, and its plots."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from zoo.common.files import write_atomically
from zoo.common.text import table


@dataclass(frozen=True)
class Table:
    """A table of text cells, with a caption."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        return f"{self.caption}\n\n{table(self.head, self.rows)}"


@dataclass(frozen=True)
class Figure:
    name: str  # of the file, without .png
    caption: str
    png: bytes


@dataclass(frozen=True)
class StudyReport:
    """A study's page. Findings are sentences, made from the numbers; `results` is what a program reads.

    A study that was cut short shows that it runs: its numbers are kept, and nothing is concluded from them.
    """

    title: str
    source: str  # paper, section and figure or table
    question: str
    method: Sequence[str]  # paragraphs
    settings: Mapping[str, Any]
    findings: Sequence[str]
    results: Mapping[str, Any]
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seconds: float | None = None  # of all training and measuring
    shortened: str | None = None  # "in 10 of 4,000 steps"; see `options.shortened`

    def write(self, folder: Path) -> Path:
        """Write README.md, results.json and the plots; results.json last, since it marks the study as finished."""
        for figure in self.figures:
            write_atomically(folder / f"{figure.name}.png", figure.png)
        write_atomically(folder / "README.md", self.markdown().encode())
        data = {"title": self.title, "source": self.source, "settings": dict(self.settings), **self.results}
        data |= {"findings": self._concluded(), "machine": self.machine()}
        data |= {"shortened": self.shortened} if self.shortened else {}
        text = json.dumps(data, indent=1, ensure_ascii=False)
        text = re.sub(
            r"\[\s+([^\[\]{}\"]+?)\s+\]", lambda match: f"[{' '.join(match[1].split())}]", text
        )  # lists of numbers
        write_atomically(folder / "results.json", f"{text}\n".encode())
        return folder / "README.md"

    def _concluded(self) -> list[str]:
        if self.shortened:
            return [f"Nothing follows from these numbers: the study was run {self.shortened}, to see that it runs."]
        return list(self.findings)

    def machine(self) -> dict[str, str]:
        about = {
            "hardware": hardware(self.device),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "command": _command(),
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
        }
        return about | ({"time": duration(self.seconds)} if self.seconds is not None else {})

    def markdown(self) -> str:
        parts = [f"# {self.title}", f"{self.source}. {self.question}", *self.method]
        parts.append("## What was found\n\n" + "\n".join(f"- {finding}" for finding in self._concluded()))
        parts += [table.markdown() for table in self.tables]
        parts += [f"![{figure.caption}]({figure.name}.png)\n\n{figure.caption}" for figure in self.figures]
        about = {**self.settings, **self.machine()}
        rows = [(name, f"`{value}`" if name == "command" else str(value)) for name, value in about.items()]
        parts += ["## Settings", Table("", ("", ""), rows).markdown().strip()]
        return "\n\n".join(parts) + "\n"


def mean_and_spread(values: Sequence[float], digits: int = 2) -> str:
    """Format as "12.30 ± 0.40": the mean and, for several values, the population standard deviation (as numpy's)."""
    text = f"{statistics.fmean(values):.{digits}f}"
    return text + (f" ± {statistics.pstdev(values):.{digits}f}" if len(values) > 1 else "")


def published(mean: float, std: float | None) -> str:
    return f"{mean:g}" + (f" ± {std:g}" if std is not None else "")


def duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 7200 else f"{seconds / 60:.1f} min"


def hardware(device: torch.device) -> str:
    """Name the processor: "NVIDIA H100", "1 of 2 cores of an Intel(R) Xeon(R) Processor with AMX"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    model = re.search(r"model name\s*: (.+)", text)
    name = " ".join(model[1].split()) if model else platform.processor() or platform.machine()
    article = "an" if name[:1] in "AEIOU" else "a"
    return f"{torch.get_num_threads()} of {cores} cores of {article} {name}" + (
        " with AMX" if "amx_tile" in text else ""
    )


def _command() -> str:
    """Return the command line of this process, with file names instead of paths."""
    name = sys.argv[0]
    module = re.search(r"(training/studies/\w+)\.py$", name.replace(os.sep, "/"))
    start = f"python -m {module[1].replace('/', '.')}" if module else "zoo"
    words = [word for word in sys.argv[1:] if word != "--resume"]  # which makes the same page
    short = [Path(word).name if word.startswith(os.sep) else word for word in words]
    return f"{start} {shlex.join(short)}".strip()
