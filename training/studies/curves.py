"""`python -m training.studies.curves RUN ...`: values of the logs of runs against steps, in one plot.

FID while training, of several methods (InfoMax-GAN, arXiv 2007.04589, Figure 4), and the scales of losses (Figure 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from zoo.common.errors import ZooError
from zoo.common.files import write_atomically
from zoo.release.run_log import read_log
from zoo.release.run_plots import scores_of

from . import options, study_plots

_UNPLOTTED = ("step", "seconds")


def series_of(runs: Sequence[Path], values: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    """Return points (step, value) by the names of value and run.

    Args:
        values: names in the log, or patterns such as "fd*" or "d/*", in any case; empty: all scores.

    Raises:
        ZooError: a folder has no log, a log has none of the values, or no log has one of them; the message says what
            there is.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    logged: dict[str, None] = {}
    for run in runs:
        records = read_log(run / "metrics.jsonl")[0]
        if not records:
            raise ZooError(f"{run} has no metrics.jsonl with a line that can be read; give the folder of a run")
        known = list(dict.fromkeys(name for record in records for name in record if name not in _UNPLOTTED))
        scores = list(dict.fromkeys(name for record in records for name in scores_of(record)))
        chosen = [n for n in known if any(_is_meant(n, v) for v in values)] if values else scores
        logged |= dict.fromkeys(known)
        if not chosen:
            wanted = f"none of {', '.join(values)}" if values else "no scores (zoo train --evaluate-every)"
            raise ZooError(f"the log of {run} has {wanted}; it has {', '.join(known)}")
        for name in chosen:
            title = ", ".join([name] * (len(chosen) > 1 or len(runs) == 1) + [str(run)] * (len(runs) > 1))
            found[title] = [(record["step"], record[name]) for record in records if name in record]
    if lost := [value for value in values if not any(_is_meant(name, value) for name in logged)]:
        raise ZooError(f"no log has {' or '.join(lost)}; there are {', '.join(logged)}")
    return found


def _is_meant(name: str, value: str) -> bool:
    return fnmatchcase(name.lower(), value.lower())


def study(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs (`zoo train --out`).")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture, a .png file.")] = Path("curves.png"),
    value: Annotated[
        list[str] | None,
        typer.Option(
            help='A value of the log or a pattern, such as "fd*", d/infomax or "d/*"; repeatable.',
            show_default="all scores",
        ),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Draw the values on a logarithmic scale.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing picture.")] = False,
) -> None:
    """Plot scores, losses or any other logged value of runs against generator steps.

    zoo train infomax-gan/digits --out runs/digits --evaluate-every 500

    python -m training.studies.curves runs/digits -o scores.png

    python -m training.studies.curves runs/digits --value d/infomax --value d/adversarial -o scales.png
    """
    options.check_picture(out, force)
    series = series_of(runs, value or [])
    axis = " and ".join(value) if value else "scores"
    write_atomically(out, study_plots.curves(series, "generator steps", axis, markers=not value, log=log))
    print(f"wrote {out}: {', '.join(series)}")


if __name__ == "__main__":
    options.main(study)
