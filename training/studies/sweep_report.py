"""The page of a sweep: a table and a plot of all finished runs, and whether they reproduce the paper's directions."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Sequence

from zoo.common.devices import pick_device
from zoo.common.text import markdown
from zoo.evaluation.features.extractors import metric_name
from zoo.schema.config import ModelConfig

from ..run.run_folder import RunFolder
from . import label_page, study_plots, sweep, sweep_compared, sweep_scores
from .infomax_form import infomax_form
from .study_report import Figure, StudyReport, Table, mean_and_spread, published
from .sweep import SMALLEST, OptionsByAxis, PaperClaim, PlannedRun, Size, Sweep, matches
from .sweep_runs import SweepSetup, scores_of

_WITHIN = ("intra-class kid", "intra-class kid as assigned")
AGREES, DISAGREES, TOO_CLOSE, NOT_RUN = "agrees", "disagrees", "too close", "not run"  # verdicts
_INFOMAX = ("d/infomax", "g/infomax")
_HIDDEN = ("accuracy on real", "recall", "precision", *_WITHIN)  # from the bars
_LEAST = 0.05  # of the larger value: less between single seeds is no difference
_ABOVE_CHANCE = 0.05  # of a class accuracy that means something
_SHARES = ("class accuracy", "class accuracy as assigned", "precision", "recall")
_DIGITS = {"kid": 4, **dict.fromkeys((*_SHARES, *_WITHIN), 3)}

Scores = list[tuple[PlannedRun, dict[str, float]]]


def make_report(setup: SweepSetup) -> StudyReport:
    """Make the page of the finished runs; it counts the others."""
    definition = sweep.load(setup.name)
    planned = setup.runs()
    done: Scores = [(run, found) for run in planned if (found := scores_of(setup, run)) is not None]
    size = setup.size()
    kinds = list(dict.fromkeys(kind for _, scores in done for kind in scores if kind != "accuracy on real"))
    findings = [] if len(done) == len(planned) else [f"{len(done)} of {len(planned)} runs are finished."]
    findings += [judge(claim, done, size) for claim in definition.claims]
    about_labels = label_page.inspect_runs(setup, [run for run, _ in done]) if definition.label_curves else {}
    findings += label_page.findings(about_labels)
    findings += _caveats(size, done, kinds)
    figures = [_bars(definition, size, done, kind) for kind in kinds if kind not in _HIDDEN]
    if definition.curves:
        figures.append(
            _curves(definition.curves, setup, done, "losses", "part of the loss", "Parts of the losses over time")
        )
    if definition.scores_while_training:
        metric = title_of(definition.metrics[0], size)
        figures.append(_curves((metric,), setup, done, "scores", metric, f"{metric} while training"))
    tables = [_table(definition, size, done, kinds)] if kinds else []
    grown = label_page.inspect_bundled_model() if about_labels else None
    if about_labels:
        tables += label_page.tables(definition, about_labels, grown)
        figures += label_page.figures(definition, setup, [run for run, _ in done])
    records = [RunFolder(setup.folder(run)).records() for run, _ in done]
    return StudyReport(
        title=markdown(definition.title),
        source=markdown(definition.source),
        question=markdown(definition.question),
        method=[markdown(_method(definition, size)), *map(markdown, definition.notes)],
        settings=_settings(definition, planned, size, setup),
        findings=findings,
        results={
            "sweep": definition.name,
            "size": "smallest" if setup.smallest else "paper" if setup.paper else "small",
            "unfinished": len(planned) - len(done),
            "runs": _results(done),
            **({"labels": label_page.results(about_labels, grown)} if about_labels else {}),
        },
        tables=tables,
        figures=figures,
        device=pick_device(setup.device),
        seconds=sum(record[-1]["seconds"] for record in records if record),
    )


def title_of(kind: str, size: Size) -> str:
    """Return a score's name with its extractor, such as "FD (efficientnet-lite0)"."""
    is_distance = {"fid", "kid", "is"} & set(kind.split())
    return metric_name(kind, size.extractor) if is_distance else kind


def values(done: Scores, where: OptionsByAxis, metric: str) -> list[float]:
    return [scores[metric] for run, scores in done if matches(run.where, where) and metric in scores]


def judge(claim: PaperClaim, done: Scores, size: Size) -> str:
    """Write one sentence: what the paper says, what is measured here, and whether the two agree."""
    text, verdict, numbers = markdown(claim.text), verdict_on(claim, done, size), numbers_of(claim, done, size)
    if verdict == NOT_RUN:
        return f"{text}: {f'ten steps decide nothing, {numbers}' if numbers else 'not run at this size'}."
    if claim.relation == "alike":
        return f"{text}: {'no more than seeds differ' if verdict == AGREES else '**not** seen here'}, {numbers}."
    says = {AGREES: "seen here", DISAGREES: "**not** seen here", TOO_CLOSE: "**too close to tell**"}[verdict]
    return f"{text}: {says}, {numbers}."


def verdict_on(claim: PaperClaim, done: Scores, size: Size) -> str:
    """Return one of the four verdicts on a claim; ten steps show that runs run, and decide nothing."""
    if size == SMALLEST:
        return NOT_RUN
    return weigh(values(done, claim.where, claim.metric), claim.relation, values(done, claim.than, claim.metric))


def numbers_of(claim: PaperClaim, done: Scores, size: Size) -> str:
    """Format what was measured in both places: "12.30 ± 0.40 against 13.10 ± 0.20 (FID)"; empty if nothing was."""
    a, b = values(done, claim.where, claim.metric), values(done, claim.than, claim.metric)
    if not a or not b:
        return ""
    digits = _DIGITS.get(claim.metric, 1)
    return f"{mean_and_spread(a, digits)} against {mean_and_spread(b, digits)} ({title_of(claim.metric, size)})"


def weigh(a: Sequence[float], relation: str, b: Sequence[float]) -> str:
    """Compare the values of two places; a difference below the spread of seeds, or 5 % of single ones, is none."""
    if not a or not b:
        return NOT_RUN
    mean_a, mean_b = statistics.fmean(a), statistics.fmean(b)
    several = len(a) > 1 or len(b) > 1
    spread = max(statistics.pstdev(a), statistics.pstdev(b)) if several else _LEAST * max(abs(mean_a), abs(mean_b))
    close = abs(mean_a - mean_b) < spread
    if relation == "alike":
        return AGREES if close else DISAGREES
    if close:
        return TOO_CLOSE
    return AGREES if (mean_a < mean_b) == (relation == "less") else DISAGREES


def _caveats(size: Size, done: Scores, kinds: Sequence[str]) -> list[str]:
    found = [markdown(size.note)] if size.note else []
    if len(size.seeds) == 1 and kinds:
        found.append(f"One seed a run: less than {_LEAST:.0%} between two scores counts as no difference.")
    real = {round(scores["accuracy on real"], 4) for _, scores in done if "accuracy on real" in scores}
    if real:
        found.append(
            f"Class accuracy is at best that of the classifier on real images it has not seen: {max(real):.3f}."
        )
    return found + _blind(done)


def _blind(done: Scores) -> list[str]:
    """Write a line on the settings that do not draw the classes asked for; none if all do."""
    above: dict[str, list[float]] = {}  # options -> accuracy above that of a guess, of each seed
    for run, scores in done:
        if "class accuracy" in scores:
            guess = 1 / run.config.num_classes
            above.setdefault(markdown(", ".join(run.where.values())), []).append(scores["class accuracy"] - guess)
    at_chance = [options for options, found in above.items() if statistics.fmean(found) < _ABOVE_CHANCE]
    if not at_chance:
        return []
    if len(at_chance) == len(above):
        return ["Class accuracy is at chance for all: so early, no method draws the classes it is asked for."]
    return [f"Class accuracy is at chance, or less than {_ABOVE_CHANCE} above it: {'; '.join(at_chance)}."]


def _method(definition: Sweep, size: Size) -> str:
    axes = "; ".join(f"{axis}: {' / '.join(size.only.get(axis, options))}" for axis, options in definition.axes.items())
    return f"All combinations of {axes}. {sweep_compared.in_words(definition)}"


def _settings(definition: Sweep, planned: Sequence[PlannedRun], size: Size, setup: SweepSetup) -> dict[str, str]:
    run = planned[0]
    config, given = run.config, f", from {setup.data.name}" if setup.data else ""
    told = {
        "first run": f"{config.name} with {run.label}",
        "images": f"{config.data.dataset}, {config.data.resolution}x{config.data.resolution}{given}",
        "networks": f"generator {list(config.generator.channels)}, discriminator {list(config.discriminator.channels)}",
        "length": _of_each(planned, _length),
        "optimiser": _of_each(planned, _optimizer),
        "InfoMax": _of_each(planned, infomax_form),
        "scores": sweep_scores.in_words(definition, size, config),
        "seeds": ", ".join(map(str, size.seeds)),
    }
    return {name: markdown(value) for name, value in told.items() if value}


def _of_each(planned: Sequence[PlannedRun], tell: Callable[[ModelConfig], str]) -> str:
    """Say something of all runs: once where it is the same for all, else of each group of runs."""
    groups: dict[str, list[str]] = {}
    for run in planned:
        groups.setdefault(tell(run.config), []).append(", ".join(run.where.values()))
    told = [text for text in groups if text]
    if len(told) < 2:
        return "".join(told)
    return "; ".join(f"{text} ({' / '.join(dict.fromkeys(groups[text]))})" for text in told)


def _length(config: ModelConfig) -> str:
    training = config.training
    steps = f"{training.steps:,} steps, n_dis {training.discriminator_steps}, batch {training.batch_size}"
    return f"{steps}, {training.precision}"


def _optimizer(config: ModelConfig) -> str:
    adam = config.training.optimizer
    rates = f"generator {adam.generator_lr:g}, discriminator {adam.discriminator_lr:g}"
    return f"Adam, {rates}, betas {adam.beta1:g}, {adam.beta2:g}"


def _cells(done: Scores) -> list[OptionsByAxis]:
    """Return the combinations that have a run, in order."""
    return list({run.label: run.where for run, _ in done}.values())


def _table(definition: Sweep, size: Size, done: Scores, kinds: Sequence[str]) -> Table:
    printed = [kind for kind in kinds if any(p.metric == kind for p in definition.printed)]
    head = (
        *map(markdown, definition.axes),
        *(title_of(kind, size) for kind in kinds),
        *(f"paper: {metric_name(k, 'inception')}" for k in printed),
    )
    rows = []
    for where in _cells(done):
        scores = [mean_and_spread(values(done, where, kind), _DIGITS.get(kind, 1)) for kind in kinds]
        paper = [definition.cell(where, kind) for kind in printed]
        rows.append((*map(markdown, where.values()), *scores, *(published(p.value, p.std) if p else "" for p in paper)))
    return Table("Means over seeds; less is better but for accuracy, precision and recall:", head, rows)


def _bars(definition: Sweep, size: Size, done: Scores, kind: str) -> Figure:
    """Plot the first axis side by side, with a bar for each combination of the others."""
    first, *others = definition.axes
    cells = _cells(done)
    groups = list(dict.fromkeys(where[first] for where in cells))
    names = list(dict.fromkeys(", ".join(f"{axis} {where[axis]}" for axis in others) for where in cells))
    means: dict[str, list[float]] = {name: [float("nan")] * len(groups) for name in names}
    spreads: dict[str, list[float]] = {name: [0.0] * len(groups) for name in names}
    for where in cells:
        found = values(done, where, kind)
        name, group = ", ".join(f"{axis} {where[axis]}" for axis in others), groups.index(where[first])
        means[name][group], spreads[name][group] = statistics.fmean(found), statistics.pstdev(found)
    title = title_of(kind, size)
    png = study_plots.bars(groups, means, title, spreads if len(size.seeds) > 1 else None)
    return Figure(
        "-".join(re.findall(r"[\w-]+", title.lower())), markdown(f"{title} by {' and '.join(definition.axes)}"), png
    )


def _curves(names: Sequence[str], setup: SweepSetup, done: Scores, file: str, axis: str, caption: str) -> Figure:
    """Plot logged values over time, for the first seed."""
    series = {}
    for run, _ in done:
        if run.seed != setup.size().seeds[0]:
            continue
        records = RunFolder(setup.folder(run)).records()
        for name in names:
            points = [(record["step"], record[name]) for record in records if name in record]
            if points:
                series[f"{name}, {run.label}" if len(names) > 1 else run.label] = points
    png = study_plots.curves(series, "generator steps", axis, dashed=[n for n in series if n.startswith(_INFOMAX)])
    return Figure(file, markdown(caption), png)


def _results(done: Scores) -> list[dict]:
    return [{**run.where, "seed": run.seed, **scores} for run, scores in done]


def show(definition: Sweep) -> str:
    """Return the text of `zoo sweep show`: the question, both sizes and all runs, each with its length."""
    lines = [f"{definition.name}: {definition.title}", f"{definition.source}. {definition.question}"]
    lines += [sweep_compared.in_words(definition), ""]
    for paper in (False, True):
        size, planned = definition.size(paper), definition.runs(paper)
        first, seeds = planned[0].config, ", ".join(map(str, size.seeds))
        lengths = " or ".join(f"{n:,}" for n in sorted({run.config.training.steps for run in planned}))
        lines.append(
            f"{'--paper' if paper else 'default'}: {len(planned)} runs of {lengths} steps, "
            f"{first.data.dataset} at {first.data.resolution}x{first.data.resolution}, seeds {seeds}, {size.extractor}"
        )
        lines += [f"  scores: {sweep_scores.in_words(definition, size, first)}"]
        lines += [f"  set {json.dumps(size.set)}"] if size.set else []
        lines += [f"  {run.id}: {run.config.name}, {_length(run.config)}" for run in planned]
    return "\n".join(lines)
