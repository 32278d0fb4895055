"""The record of a run beside its published weights: its log, its curves, the same latents over time."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image

from ..common.errors import ZooError
from ..common.files import write_atomically
from ..common.numbers import from_end_to_end
from ..schema.config import ModelConfig
from ..schema.labels import class_names
from . import card, run_plots
from .run_log import read_log

_LINES = 400  # of the log, at most: about 80 KB
_ROWS = 8  # moments of the training in the picture
STEPS = "Steps"  # the text in the file of this picture that lists the steps of its rows


def write_record(run: Path, out: Path, config: ModelConfig | None = None) -> list[Path]:
    """Write the record of a run folder into another, under the names that its card links; returns the files.

    Args:
        run: the folder of `zoo train --out`.
        out: the folder of the card.
        config: the config of the card; None: the run's own.

    Raises:
        ZooError: the run has logged nothing, or drawn no sheet of samples.
    """
    config = config or ModelConfig.from_file(run / "config.json")
    records = read_log(run / "metrics.jsonl")[0]
    sheets = {int(path.stem): path for path in sorted((run / "samples").glob("*.png")) if _is_sheet(path)}
    if not records or not sheets:
        lacking = "sheet of samples in samples/" if records else "line in metrics.jsonl"
        raise ZooError(f"{run} has no {lacking} that can be read; nothing is recorded")
    names = card.record_filenames(config)
    rows = _first_rows(sheets, config)
    data = {
        names.curves: run_plots.losses(records),
        names.over_time: run_plots.strips(
            {f"{step:,}": row for step, row in rows.items()}, column_titles(config), {STEPS: " ".join(map(str, rows))}
        ),
        names.log: "".join(f"{json.dumps(record)}\n" for record in thinned(records)).encode(),
    }
    for name, content in data.items():
        write_atomically(out / name, content)
    return [out / name for name in data]


def _is_sheet(path: Path) -> bool:
    """True if this is an intact picture with a file name that training gives."""
    if not path.stem.isdecimal():
        return False
    try:
        with Image.open(path) as sheet:
            sheet.load()
    except (OSError, ValueError):
        print(f"zoo: {path} is damaged and left out", file=sys.stderr)
        return False
    return True


def thinned(records: list[dict[str, float]], most: int = _LINES) -> list[dict[str, float]]:
    """Return at most `most` evenly spaced records, plus each one with a score; the last is always kept."""
    every = -(-len(records) // most)
    last = len(records) - 1
    return [r for i, r in enumerate(records) if i % every == 0 or i == last or run_plots.scores_of(r)]


def _first_rows(sheets: dict[int, Path], config: ModelConfig) -> dict[int, Image.Image]:
    """Return the first row of a few sheets, evenly spaced in time, by step."""
    steps = sorted(sheets)
    height = config.generator.resolution + 4  # with the white around it
    rows = {}
    for step in (steps[i] for i in from_end_to_end(_ROWS, len(steps))):
        with Image.open(sheets[step]) as sheet:
            rows[step] = sheet.convert("RGB").crop((0, 0, sheet.width, height))
    return rows


def column_titles(config: ModelConfig) -> list[str]:
    """Return the classes of the first ten labels: those that they draw, if that was measured."""
    names = class_names(config)
    found = config.default_alignment
    return [names[cls] for cls in (found.assignment if found else range(len(names)))][:10]
