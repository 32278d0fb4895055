"""What was measured of the papers' cells and claims, and the verdict on each."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from zoo.common.errors import ZooError
from zoo.common.json_files import read_json, reason
from zoo.common.package_data import top_folder
from zoo.schema import registry
from zoo.schema.config import ModelConfig
from zoo.schema.entries import Published

from .infomax_form import infomax_form
from .paper import OfSweep, Part, StudyClaim, StudyNumber, cells_of, published_of, runs_of, sweep_of
from .study_report import mean_and_spread, published
from .sweep import PaperClaim, PlannedRun, PublishedCell, Size, matches
from .sweep_report import AGREES, DISAGREES, NOT_RUN, TOO_CLOSE, Scores, numbers_of, title_of, verdict_on, weigh

REPRODUCED = Path("reproduced")  # where `zoo reproduce` puts its runs
_PAPERS = ("InfoMax-GAN, ", "ContraGAN, ")
_TOLERANCE = 0.05  # of a published number without a spread
_DIGITS = {"kid": 4}
_ORDER = ("paper", "small", "smallest")
_AGAIN = "remove it, or make it again (`zoo sweep report`)"
_SIZES = {"paper": "at the paper's size", "small": "at the CPU's size", "smallest": "in ten steps"}


@dataclass(frozen=True)
class PaperRow:
    """One number of a paper, and what is known of it."""

    cell: str
    model: str
    metric: str
    published: str
    elsewhere: str  # what others measured of the same model
    here: str
    verdict: str


@dataclass(frozen=True)
class JudgedClaim:
    """A claim of a paper with the verdict, and the numbers that it rests on."""

    text: str
    verdict: str
    numbers: str


@dataclass(frozen=True)
class SweepScores:
    """The results of one sweep at one size."""

    size_name: str
    size: Size
    done: Scores


@dataclass
class Results:
    """All results.json below the folders of studies."""

    folders: Sequence[Path]
    _read: dict[Path, Any] = field(default_factory=dict)

    def __post_init__(self):
        for folder in self.folders:
            for path in sorted(folder.rglob("results.json")):
                try:
                    self._read[path.parent] = read_json(path)
                except (OSError, ValueError) as error:
                    raise ZooError(f"{path} cannot be read ({reason(error)}); {_AGAIN}") from None

    def study(self, name: str) -> Any:
        """Return the results in folders of a study's name, the paper's size first; None if there are none."""
        found = [data for path, data in self._read.items() if path.name == name and isinstance(data, dict)]
        return min(found, key=lambda data: _ORDER.index(_size_of_study(data)), default=None)

    def of_sweep(self, name: str) -> list[SweepScores]:
        """Return what was found in a sweep, the paper's size first."""
        found = []
        for folder, data in self._read.items():
            if isinstance(data, dict) and data.get("sweep") == name:
                try:
                    found.append(_found(data))
                except (KeyError, ValueError, TypeError):
                    raise ZooError(
                        f"{folder / 'results.json'} is not of the sweep {name} as it is now; {_AGAIN}"
                    ) from None
        return sorted(found, key=lambda one: _ORDER.index(one.size_name))


def _found(data: dict) -> SweepScores:
    definition, name = sweep_of(data["sweep"]), data["size"]
    if name not in _ORDER:
        raise ValueError(f"there is no size {name}")
    runs = runs_of(definition.name, name == "paper", name == "smallest")
    axes = set(definition.axes)
    done: Scores = []
    for one in data["runs"]:
        where = {axis: one[axis] for axis in definition.axes}
        scores = {key: value for key, value in one.items() if key not in axes | {"seed"}}
        config = next((run.config for run in runs if run.where == where), None)
        if config is not None:
            done.append((PlannedRun(definition.name, where, one["seed"], config), scores))
    return SweepScores(name, definition.size(name == "paper", name == "smallest"), done)


def _size_of_study(data: dict) -> str:
    if data.get("shortened"):
        return "smallest"
    return "paper" if "--paper" in data.get("machine", {}).get("command", "") else "small"


def usual() -> Results:
    """Return the results that `zoo reproduce` left here, and those that ship with a checkout.

    The first found of a size is shown: one's own.
    """
    return Results([folder for folder in (REPRODUCED, top_folder("studies")) if folder.is_dir()])


# ------------------------------------------------------------------------------------------------------------ cells


def rows_of(part: Part, results: Results) -> list[PaperRow]:
    """Return a row for each number that the part prints, and for each cell of a sweep that prints none."""
    rows = [row for of_sweep in part.sweeps for row in _sweep_rows(of_sweep, part, results)]
    seen = {(row.model, row.metric.lower(), row.published) for row in rows}
    for model, score in part.printed():
        text = published(score.value, score.std)
        if (model, score.metric.lower(), text) not in seen:
            settings = ", ".join(f"{key} {value}" for key, value in score.settings.items())
            counted = _counted(registry.config(model), score.metric, score.value)
            cell = " ".join([score.source.partition(", ")[2], settings]).strip()
            number = next((n for n in part.numbers if (n.model, n.metric) == (model, score.metric)), None)
            if number is not None:
                cell, counted = number.cell, _of_study(number, score, part, results)
            here, verdict = counted or ("", NOT_RUN)
            rows.append(PaperRow(cell, model, score.metric, text, "", here, verdict))
    return rows


def _of_study(number: StudyNumber, printed: Published, part: Part, results: Results) -> tuple[str, str] | None:
    """Return what a study measured of a printed number, and the verdict."""
    data = results.study(number.study)
    if data is None:
        return None
    size, values = _size_of_study(data), _values(data, number.place)
    digits = 1 if abs(statistics.fmean(values)) >= 10 else 2
    here = f"{mean_and_spread(values, digits)} {data.get('shortened') or _SIZES[size]}"
    if size != "paper" or _other_equation(part, data):
        return here, NOT_RUN
    return here, verdict_on_number(values, printed.value, printed.std)


def _sweep_rows(of_sweep: OfSweep, part: Part, results: Results) -> list[PaperRow]:
    rows, found = [], results.of_sweep(of_sweep.sweep)
    for cell, runs in cells_of(of_sweep).items():
        run = runs[0]
        printed = {p.metric: p for p in published_of(of_sweep, run)}
        if not of_sweep.load().metrics:
            here = _drawn(run, found)
            rows.append(PaperRow(cell, run.config.name, "curves", "drawn in the paper", "", here, NOT_RUN))
            continue
        for metric in printed or of_sweep.metrics or of_sweep.load().metrics[:1]:
            p = printed.get(metric)
            here, verdict = _measured(run, metric, p, found)
            theirs = published(p.value, p.std) if p else "no number in the text"
            others = ""
            if _is_the_model(of_sweep, run):
                here, others = here or _of_weights(run.config, metric), _elsewhere(run.config, metric)
            rows.append(PaperRow(cell, run.config.name, metric.upper(), theirs, others, here, verdict))
    return rows


def _measured(run: PlannedRun, metric: str, p: PublishedCell | None, found: list[SweepScores]) -> tuple[str, str]:
    """Return what was measured of a cell, at the largest size that was run, and the verdict."""
    for one in found:
        values = [scores[metric] for r, scores in one.done if r.where == run.where and metric in scores]
        if not values:
            continue
        digits = _DIGITS.get(metric, 2)
        text = f"{mean_and_spread(values, digits)} {title_of(metric, one.size)}"
        if one.size_name != "paper":
            return f"{text} {_SIZES[one.size_name]}", NOT_RUN
        return text, verdict_on_number(values, p.value, p.std) if p else "measured"
    return "", NOT_RUN


def _drawn(run: PlannedRun, found: list[SweepScores]) -> str:
    """Say at which size the curves of a cell were drawn; empty for none. Curves have no verdict by numbers."""
    sizes = [one.size_name for one in found if any(r.where == run.where for r, _ in one.done)]
    return f"drawn {_SIZES[sizes[0]]}" if sizes else ""


def _is_the_model(of_sweep: OfSweep, run: PlannedRun) -> bool:
    """Return True if nothing but a model is chosen, so that scores of its weights belong to the cell."""
    chosen = [of_sweep.load().axes[axis][option] for axis, option in run.where.items()]
    return not any(option.changes or option.class_share < 1 for option in chosen) and of_sweep.load().model is None


def _elsewhere(config: ModelConfig, metric: str) -> str:
    """Return the first score of the model that another source than the papers reports."""
    for score in config.published:
        if score.metric.lower() == metric and not score.settings and not score.source.startswith(_PAPERS):
            return f"{published(score.value, score.std)} ({score.source})"
    return ""


def _of_weights(config: ModelConfig, metric: str) -> str:
    """Return the first score that was measured here of the model's own weights."""
    short = {"fid": "FD", "kid": "KD", "is": "CS"}.get(metric, metric)
    for weights in config.weights:
        for score in weights.scores:
            if score.metric.upper() == metric.upper() or score.metric.startswith(f"{short} "):
                return f"{published(score.value, score.std)} {score.metric} of the weights {weights.tag}"
    return ""


def verdict_on_number(values: Sequence[float], value: float, std: float | None) -> str:
    """Compare with a published number: within twice the larger spread, or 5 % where neither has one."""
    own = statistics.pstdev(values) if len(values) > 1 else 0.0
    margin = 2 * max(own, std or 0.0) or _TOLERANCE * abs(value)
    return AGREES if abs(statistics.fmean(values) - value) <= margin else DISAGREES


def _counted(config: ModelConfig, metric: str, value: float) -> tuple[str, str] | None:
    """Count parameters, which needs no run."""
    if metric != "million parameters":
        return None
    here = parameters(config) / 1e6
    return f"{here:.2f}", AGREES if math.isclose(round(here, 1), value) else DISAGREES


def parameters(config: ModelConfig) -> int:
    """Count the parameters of both networks."""
    from zoo import nets

    networks = nets.build_generator(config.generator, "meta"), nets.build_discriminator(config.discriminator, "meta")
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


# ----------------------------------------------------------------------------------------------------------- claims


def claims_of(part: Part, results: Results) -> list[JudgedClaim]:
    """Judge the claims of a part's sweeps and studies."""
    judged = [one for of_sweep in part.sweeps for one in _sweep_claims(of_sweep, part, results)]
    return judged + [_study_claim(claim, part, results) for claim in part.claims]


def _sweep_claims(of_sweep: OfSweep, part: Part, results: Results) -> list[JudgedClaim]:
    found, judged = results.of_sweep(of_sweep.sweep), []
    for claim in of_sweep.load().claims:
        if not _belongs(of_sweep, claim):
            continue
        told = ((one, numbers_of(claim, one.done, one.size)) for one in found)
        one, numbers = next(((one, numbers) for one, numbers in told if numbers), (None, ""))
        if one is None:
            judged.append(JudgedClaim(claim.text, NOT_RUN, ""))
            continue
        notes = [_SIZES[one.size_name] if one.size_name != "paper" else "", _form(one.done, claim)]
        verdict = verdict_on(claim, one.done, one.size)
        judged.append(JudgedClaim(claim.text, verdict, ", ".join([numbers, *filter(None, notes)])))
    return judged


def _belongs(of_sweep: OfSweep, claim: PaperClaim) -> bool:
    """Return True unless the claim is about a run that the part leaves out."""
    axes = of_sweep.only.keys()
    return all(of_sweep.holds(where) for where in (claim.where, claim.than) if axes <= where.keys())


def _form(done: Scores, claim: PaperClaim) -> str:
    """Say which form of the InfoMax loss the runs of a claim had; empty without the loss."""
    runs = [run for run, _ in done if matches(run.where, claim.where) or matches(run.where, claim.than)]
    forms = {infomax_form(run.config).partition(":")[0] for run in runs} - {""}
    return " and ".join(sorted(forms))


def _study_claim(claim: StudyClaim, part: Part, results: Results) -> JudgedClaim:
    data = results.study(claim.study)
    if data is None:
        return JudgedClaim(claim.text, NOT_RUN, "")
    here = _values(data, claim.place)
    than = _values(data, claim.than) if isinstance(claim.than, tuple) else [claim.than]
    if claim.each:
        beaten = [weigh_single(here, claim.relation, value) for value in than]
        verdict = AGREES if all(beaten) else DISAGREES
        numbers = f"{sum(beaten)} of {len(beaten)}"
    else:
        verdict = weigh(here, claim.relation, than) if _seeds_agree(here, than) else TOO_CLOSE
        numbers = f"{_short(here)} against {_short(than)}"
    size = _size_of_study(data)
    told = data.get("shortened") or (claim.small if size == "small" else _SIZES[size])
    enough = not claim.enough or all(_values(data, claim.enough))
    told = told if enough else f"too few steps to tell, {told}"
    numbers = f"{numbers}, {told} ([{claim.study}](../studies/{claim.study}/README.md))"
    if _other_equation(part, data):
        other = "the released code's form"  # which all studies had that do not say
        return JudgedClaim(claim.text, f"{NOT_RUN}: with {part.equation}", f"with {other}: {verdict}, {numbers}")
    return JudgedClaim(claim.text, verdict if enough and size != "smallest" else NOT_RUN, numbers)


def _other_equation(part: Part, data: dict) -> bool:
    """Return True if a study took another form of the loss than the part is about."""
    form = str(data.get("settings", {}).get("InfoMax", ""))
    return part.equation is not None and not form.startswith(part.equation)


def _seeds_agree(here: Sequence[float], than: Sequence[float]) -> bool:
    """Return False if some seeds of two rows of runs, in which seeds are in one order, say the opposite of others."""
    if len(here) != len(than):
        return True
    return len({a > b for a, b in zip(here, than, strict=True) if a != b}) < 2


def weigh_single(here: Sequence[float], relation: str, value: float) -> bool:
    return (statistics.fmean(here) < value) == (relation == "less")


def _values(data: Any, place: Sequence[str]) -> list[float]:
    """Return all numbers at a path of keys into lists and objects, in which * stands for anything.

    Raises:
        ZooError: there is none.
    """
    nodes = [data]
    for key in place:
        found = []
        for node in nodes:
            if isinstance(node, list):
                found += node if key == "*" else [node[int(key)]]
            else:
                found += [value for name, value in node.items() if fnmatchcase(name, key)]
        nodes = found
    if not nodes:
        raise ZooError(f"the results of a study have no {' / '.join(place)}; make them again")
    return [float(x) for node in nodes for x in (node if isinstance(node, list) else [node])]


def _short(values: Sequence[float]) -> str:
    mean = statistics.fmean(values)
    return mean_and_spread(values, 3 if abs(mean) < 10 else 1)
