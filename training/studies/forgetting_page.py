"""The page of `forgetting`: what the accuracy of both discriminators over their changing tasks says."""

from __future__ import annotations

import statistics
from itertools import pairwise

from zoo.schema.config import ModelConfig

from . import study_plots
from .discriminator_run import described
from .infomax_form import infomax_form
from .study_report import Figure, StudyReport, Table, mean_and_spread

SOURCE = "InfoMax-GAN (arXiv 2007.04589), Section 3.2 and Figure 2"
WITHOUT, WITH = "without InfoMax", "with InfoMax"
TEST_IMAGES = 300  # per measurement, half of them of the class
TASKS = 10


def summary(records: list[dict[str, float]], task_steps: int, num_tasks: int = TASKS) -> dict[str, float]:
    """Summarise a curve from records of the accuracy by step.

    Returns:
        "mean" accuracy over all updates, from the change of class on (trapezoids between measurements; the very first
        task, which follows nothing, from its first measurement on); by cycle ("... 1", "... 2"), means over its tasks:
        "at change", before any update of the new class, and "first" at the first measurement after it, both without
        the very first task; and "last" before the next change.
    """
    by_task: dict[int, list[tuple[float, float]]] = {}  # (updates of the task, accuracy)
    for record in records:
        task, done = divmod(int(record["step"]) - 1, task_steps)
        by_task.setdefault(task, []).append((done + 1, record["accuracy"]))
        if "at change" in record:
            by_task.setdefault(task + 1, []).append((0, record["at change"]))
    tasks = [task for task, points in by_task.items() if len(points) > 1 or points[0][0] > 0]
    areas = [_area(by_task[task]) for task in tasks]
    found = {"mean": sum(area for area, _ in areas) / sum(length for _, length in areas)}
    for cycle in range(max(tasks) // num_tasks + 1):
        of_cycle = [by_task[task] for task in tasks if task // num_tasks == cycle]
        changed = [points for points in of_cycle if points[0][0] == 0]
        found[f"at change {cycle + 1}"] = statistics.fmean(points[0][1] for points in changed)
        found[f"first {cycle + 1}"] = statistics.fmean(points[1][1] for points in changed)
        found[f"last {cycle + 1}"] = statistics.fmean(points[-1][1] for points in of_cycle)
    return found


def _area(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the area under the line through points, and its length; a single point is one long."""
    if len(points) == 1:
        return points[0][1], 1.0
    parts = [(b - a) * (x + y) / 2 for (a, x), (b, y) in pairwise(points)]
    return sum(parts), points[-1][0] - points[0][0]


def verdict(gains: list[float], after_changes: list[float]) -> str:
    """Say whether InfoMax helps: a seed has to gain both on average and at changes in the second cycle.

    Args:
        gains, after_changes: accuracy with InfoMax less that without it, by seed.
    """
    helps = [min(pair) > 0 for pair in zip(gains, after_changes, strict=True)]
    if len(helps) == 1:
        return f"{'helps as in the paper' if helps[0] else 'does **not** help'}, in the one seed that was run"
    if all(helps):
        return f"helps as in the paper, in {len(helps)} of {len(helps)} seeds"
    if any(helps):
        return f"helps in {sum(helps)} of {len(helps)} seeds: they **do not agree**"
    return f"does **not** help, in none of {len(helps)} seeds"


def make_report(
    config: ModelConfig,
    records: dict[tuple[str, int], list[dict[str, float]]],
    task_steps: int,
    beta: float,
    seeds: list[int],
    device,
) -> StudyReport:
    """Make the page of all finished runs."""
    summaries = {run: summary(found, task_steps) for run, found in records.items()}
    soon = max(1, task_steps // 100)
    later = "1 update later" if soon == 1 else f"{soon} updates later"
    keys = {
        "mean": "mean",
        "at change 1": "1st cycle, at a change",
        "first 1": later,
        "last 1": "before the next",
        "at change 2": "2nd cycle, at a change",
        "first 2": later,
        "last 2": "before the next",
    }
    by_name = {name: {key: [summaries[name, s][key] for s in seeds] for key in keys} for name in (WITHOUT, WITH)}
    gain = {key: _differences(by_name[WITH][key], by_name[WITHOUT][key]) for key in keys}
    remembers = [_signed(_differences(by_name[name]["at change 2"], by_name[name]["at change 1"])) for name in by_name]
    findings = [
        f"InfoMax {verdict(gain['mean'], gain['at change 2'])}: {_signed(gain['mean'])} accuracy on average over both "
        f"cycles, {_signed(gain['at change 2'])} at changes in the second. (A seed counts if both are above 0.)",
        f"From the first cycle to the second, when every class has been seen before, accuracy at a change (before any "
        f"update of the new class) changes by {remembers[0]} without InfoMax and by {remembers[1]} with it.",
        "The paper's Figure 2 shows very low accuracy after each change without InfoMax, and hardly a dip with it. "
        f"Here a change costs {_dip(by_name[WITHOUT])} without and {_dip(by_name[WITH])} with it in the second cycle.",
    ]
    rows = [(name, *(mean_and_spread(found[key], 3) for key in keys)) for name, found in by_name.items()]
    rows.append(("difference, by seed", *(_signed(gain[key]) for key in keys)))
    series, bands = _curves(records, seeds)
    total = config.training.steps
    figure = study_plots.curves(
        series, "updates (a line where the class changes)", "test accuracy", bands, marks=range(0, total, task_steps)
    )
    return StudyReport(
        title="Forgetting in a discriminator",
        source=SOURCE,
        question="Does the InfoMax objective help a discriminator whose task keeps changing?",
        method=[
            f"One class of CIFAR-10 against all others; the class changes every {task_steps:,} updates (paper: 1,000) "
            f"and the ten classes come round twice. Half of each batch is of the class, in training and in the test "
            f"(chance is 50 %). The loss is the cross entropy of the discriminator's logit; with InfoMax, {beta:g} "
            f"times the InfoMax loss of the whole batch ({infomax_form(config)}) is added. Both runs of a seed start "
            "from the same weights and see the same batches. The paper prints curves only and does not state the "
            "balance, the loss and the weight."
        ],
        settings={
            **described(config),
            "test images": f"{TEST_IMAGES} a measurement",
            "seeds": ", ".join(map(str, seeds)),
        },
        findings=findings,
        results={
            "task_steps": task_steps,
            "beta": beta,
            "summary": {
                name: {key: [round(v, 4) for v in found[key]] for key in keys} for name, found in by_name.items()
            },
            "curves": series,
        },
        tables=[Table("Accuracy, means over tasks:", ("", *keys.values()), rows)],
        figures=[
            Figure("accuracy", "Accuracy on the class of the moment: mean and range of the seeds (Figure 2)", figure)
        ],
        device=device,
        seconds=sum(found[-1]["seconds"] for found in records.values()),
    )


def _curves(records: dict[tuple[str, int], list[dict]], seeds: list[int]) -> tuple[dict, dict]:
    """Return the mean accuracy over seeds by step, and the range; at a change both classes have a point."""
    series, bands = {}, {}
    for name in (WITHOUT, WITH):
        of_seeds = [_points(records[name, seed]) for seed in seeds]
        steps = [step for step, _ in of_seeds[0]]
        values = list(zip(*([accuracy for _, accuracy in points] for points in of_seeds), strict=True))
        series[name] = [(step, round(statistics.fmean(found), 4)) for step, found in zip(steps, values, strict=True)]
        bands[name] = (steps, [min(found) for found in values], [max(found) for found in values])
    return series, bands


def _points(records: list[dict]) -> list[tuple[float, float]]:
    points = []
    for record in records:
        points.append((record["step"], record["accuracy"]))
        if "at change" in record and record is not records[-1]:
            points.append((record["step"], record["at change"]))
    return points


def _differences(a: list[float], b: list[float]) -> list[float]:
    return [x - y for x, y in zip(a, b, strict=True)]


def _dip(found: dict[str, list[float]]) -> str:
    """Format the accuracy that a change costs in the second cycle."""
    return f"{statistics.fmean(_differences(found['last 2'], found['at change 2'])):.1%}"


def _signed(differences: list[float]) -> str:
    """ "+1.2 ± 0.3 %": mean and spread of differences of accuracies."""
    spread = f" ± {100 * statistics.pstdev(differences):.1f}" if len(differences) > 1 else ""
    return f"{100 * statistics.fmean(differences):+.1f}{spread} %"
