"""docs/papers.md, and what `zoo papers` prints: every part of the papers with its commands, numbers and verdicts."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from zoo.common.text import markdown, table
from zoo.schema import registry

from . import paper
from .paper import Paper, Part
from .paper_results import JudgedClaim, PaperRow, Results, claims_of, rows_of, usual
from .sweep_report import AGREES, DISAGREES, NOT_RUN, TOO_CLOSE

PAGE = Path("docs/papers.md")
_VERDICTS = (AGREES, DISAGREES, TOO_CLOSE, NOT_RUN)
_INTRO = """\
Every table, figure, equation and claim of the two papers, the command that repeats it, and what came of it here.
`zoo papers` shows the same, `zoo reproduce` trains, samples, scores and compares:

```sh
zoo papers                                                        # all parts, with their verdicts
zoo papers infomax-gan table1 --cell cifar10/ssgan                # one cell, and the command that runs it
zoo reproduce infomax-gan table1 --cell cifar10/ssgan --smallest  # ten steps, to see that it runs
zoo reproduce infomax-gan table1 --cell cifar10/ssgan --data cifar10.npz --device cuda    # as the paper
zoo reproduce infomax-gan table1 --budget 15m --data cifar10.npz  # what fits
```

Verdicts: **agrees**, **disagrees**, **too close** (less than seeds differ, or than 5 % between single ones; or the
seeds of a study contradict each other) and **not run**. A number is held against the paper's only where it was
measured at the paper's size, by its protocol. A claim, which compares two runs, is judged at the size that was run,
which is named; a small one shows a direction at most.
Published numbers come from the configs and the sweeps. `zoo papers page` renews this page from `studies/`."""


def render(results: Results | None = None) -> str:
    """Return the page."""
    results = results or usual()
    parts = ["# The papers, cell by cell", _INTRO]
    for name in paper.names():
        parts += _paper(paper.load(name), results)
    return "\n\n".join(parts) + "\n"


def _paper(found: Paper, results: Results) -> list[str]:
    sections, summary = [], []
    for part in found.parts:
        rows, claims = rows_of(part, results), claims_of(part, results)
        summary.append((f"[{part.id}](#{_anchor(found, part)})", markdown(part.title), tally(part, rows, claims)))
        sections += _part(found, part, rows, claims)
    slips = [f"- {markdown(slip.where)}: {markdown(slip.text)}" for slip in found.slips]
    heading = (
        f"## {markdown(found.title)}\n\narXiv [{found.arxiv}](https://arxiv.org/abs/{found.arxiv}), `{found.name}`"
    )
    slipped = f"### Slips in the text of {found.name}\n\n" + "\n".join(slips)
    return [heading, table(("part", "what", "verdicts"), summary), *sections, slipped]


def _anchor(found: Paper, part: Part) -> str:
    return f"{found.name}-{part.id}"


def _part(found: Paper, part: Part, rows: list[PaperRow], claims: list[JudgedClaim]) -> list[str]:
    told = [f"### {found.name} {part.id}\n\n{markdown(part.title)}."]
    told += [f"The paper: {markdown(part.says)}"] if part.says else []
    told.append("\n".join(["```sh", *commands(found, part), "```"]))
    told += [f"Code: `{part.code}`."] if part.code else []
    told += [f"Checked by {', '.join(f'`{test}`' for test in part.checked_by)}."] if part.checked_by else []
    if part.needs:
        told.append(f"At the paper's size it needs {markdown(part.needs)}.")
    if claims:
        told.append(table(("claim", "verdict", "measured"), [(markdown(c.text), c.verdict, c.numbers) for c in claims]))
    if rows:
        cells = [(f"`{r.cell}`", f"`{r.model}`", r.metric, r.published, r.elsewhere, r.here, r.verdict) for r in rows]
        told.append(table(("cell", "model", "metric", "published", "elsewhere", "here", "verdict"), cells))
    return told


def compared(rows: Sequence[PaperRow]) -> str:
    """Return a table of numbers as the paper prints them and as they were measured."""
    lines = [(row.cell, row.metric, row.published, row.here, row.verdict) for row in rows]
    return table(("cell", "metric", "published", "here", "verdict"), lines)


def commands(found: Paper, part: Part, cells: Sequence[str] = ()) -> list[str]:
    """Return the command lines that repeat a part, or the cells of these names; of those that no run has, the part's
    others."""
    known = [cell for of_sweep in part.sweeps for cell in paper.cells_of(of_sweep)]
    only = [f" --cell {shlex.quote(name)}" for name in cells if paper.cells_named(known, name)]
    can_run = part.studies or (part.sweeps and (only or not cells))
    found_here = [f"zoo reproduce {found.name} {part.id}{''.join(only)}"] if can_run else []
    return [*found_here, *_drawing(found, part), *part.commands] or ["pytest " + " ".join(part.checked_by)]


def _drawing(found: Paper, part: Part) -> list[str]:
    """Return the commands that draw a figure of samples: as the paper's where its models have weights, and small."""
    told, draw = [], f"zoo papers {found.name} {part.id}"
    if part.samples and all(registry.config(sheet.model).default_tag for sheet in part.samples):
        told.append(f"{draw} -o {part.id}.png")
    small = [name for sheet in part.samples for name in sheet.small]
    if small:
        told.append(f"{draw} -o {part.id}-small.png" + "".join(f" --model {name}" for name in small))
    return told


def tally(part: Part, rows: list[PaperRow], claims: list[JudgedClaim]) -> str:
    """Say how many numbers and claims have which verdict; for what tests check, that they agree."""
    told = []
    for what, verdicts in (("claims", [c.verdict for c in claims]), ("numbers", [r.verdict for r in rows])):
        counted = Counter(next((v for v in _VERDICTS if verdict.startswith(v)), verdict) for verdict in verdicts)
        if counted:
            told.append(f"{what}: " + ", ".join(f"{n} {verdict}" for verdict, n in sorted(counted.items())))
    if part.checked_by:
        told.append(f"{AGREES} (tests)")
    return "; ".join(told) or NOT_RUN
