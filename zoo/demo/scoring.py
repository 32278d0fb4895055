"""An evaluation for visitors: bounded, without downloads, and with its result beside the published scores."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..common.errors import DataUnavailableError, ZooError
from ..schema import registry
from ..schema.config import ModelConfig
from . import encoding, models, neighbours, validation
from .models import ModelsOnDevice
from .settings import Settings
from .workers import Job

if TYPE_CHECKING:
    from ..evaluation import Report
    from ..evaluation.report.verdicts import Comparison

METRICS = {
    "fid": "Frechet distance (FD)",
    "kid": "kernel distance (KD)",
    "is": "classifier score (CS)",
    "pr": "precision and recall",
    "classes": "accuracy by class",
}
EXTRACTORS = ("efficientnet-lite0", "inception")
FEWEST = 50  # generated images
_FROM_STATISTICS = ("fid", "is")  # metrics that need no real images if their statistics ship with the package


@dataclass(frozen=True)
class EvaluationRequest:
    """A checked request: `zoo.evaluate(model, metrics, extractor=..., protocol=..., num_fake=..., seeds=1)`."""

    config: ModelConfig
    model: str
    metrics: tuple[str, ...]
    num_fake: int
    extractor: str
    protocol: str

    @property
    def command(self) -> str:
        return (
            f"zoo evaluate {self.model} --metrics {','.join(self.metrics)} --extractor {self.extractor} "
            f"--protocol {self.protocol} --num-fake {self.num_fake} --seeds 1"
        )


def request(
    settings: Settings, name: Any, metrics: Any, num_fake: Any, extractor: Any, protocol: Any
) -> EvaluationRequest:
    """Check a caller's values and make an evaluation from them."""
    from ..evaluation import PROTOCOLS

    config, model = validation.model(name)
    wanted = [metrics] if isinstance(metrics, str) else metrics
    if not isinstance(wanted, (list, tuple)) or not wanted or len(wanted) > len(METRICS):
        raise ZooError(f"metrics is {validation.shown(metrics)}; give a list of {', '.join(METRICS)}")
    return EvaluationRequest(
        config,
        model,
        tuple(dict.fromkeys(validation.choice("metric", metric, tuple(METRICS)) for metric in wanted)),
        validation.count(
            "num_fake", num_fake, min(FEWEST, settings.max_evaluation_images), settings.max_evaluation_images
        ),
        validation.choice("extractor", extractor, EXTRACTORS),
        validation.choice("protocol", protocol, (*PROTOCOLS, "published")),
    )


def evaluate(job: Job, worker: ModelsOnDevice, asked: EvaluationRequest) -> Report:
    """Run an evaluation; the report has a comparison for every published or recorded score of the weights.

    Raises:
        ZooError: extractor, weights or real images are not available offline; nothing is fetched for a visitor.
    """
    import torch

    import zoo

    from ..evaluation import targets

    job.report(0, 0, "looking for weights, extractor and real images")
    metrics, left_out = require(asked)

    def report_progress(title: str, done: int, total: int) -> None:
        with torch.inference_mode(False):  # others may load and sample models meanwhile
            job.report(done, total, f"{title}: {done:,} of {total:,}")

    found = models.find_model(asked.model)
    report = zoo.evaluate(
        targets.of_model(models.load(asked.model, worker.device), found.tag, found.path, found.config),
        metrics,
        extractor=asked.extractor,
        protocol=asked.protocol,
        num_fake=asked.num_fake,
        seeds=1,
        device=worker.device,
        progress=report_progress,
    )
    environment = report.environment | {"command": asked.command}
    tag = registry.split_tag(asked.model)[1]
    tag = asked.config.default_tag if tag == "default" else tag
    compared = comparisons(asked.config, tag, report)
    warnings = (*([left_out] if left_out else []), *report.warnings)
    update = {"comparisons": compared, "environment": environment, "warnings": warnings}
    return report.model_copy(update=update).with_samples(report._samples, report._columns)


def require(asked: EvaluationRequest) -> tuple[tuple[str, ...], str | None]:
    """Return the metrics that can be measured here, and why others are left out; raise ZooError if none can."""
    from ..evaluation.features import extractors, shipped

    extractors.require_fidelity()
    models.find_model(asked.model)
    if asked.extractor == extractors.INCEPTION:
        from ..evaluation.features import inception

        inception.locate(download=False)
    data = asked.config.data
    ships = any(
        (entry["dataset"], entry["resolution"], entry["extractor"]) == (data.dataset, data.resolution, asked.extractor)
        for entry in shipped.manifest()
    )
    try:
        neighbours.at_hand(asked.config)
    except DataUnavailableError as error:
        possible = tuple(metric for metric in asked.metrics if metric in _FROM_STATISTICS)
        left = [metric for metric in asked.metrics if metric not in possible]
        if not ships or not possible:
            raise
        return possible, f"{' and '.join(left)} {'is' if len(left) == 1 else 'are'} left out: {error}" if left else None
    return asked.metrics, None


def comparisons(config: ModelConfig, tag: str | None, report: Report) -> tuple[Comparison, ...]:
    """Compare published or recorded scores with the report; a verdict needs the same protocol and counts."""
    from ..evaluation import verifying

    return tuple(_comparison(claim, report, config) for claim in verifying.claims(config, tag))


def _comparison(claim, report: Report, config: ModelConfig) -> Comparison:
    from ..evaluation.report import verdicts

    score = claim.score
    result = next((r for r in report.results if r.kind == claim.kind), None)
    about = {
        "metric": score.metric,
        "published": score.value,
        "published_std": score.std,
        "source": claim.source,
        "note": claim.note,
        "counts": score.counts,
    }
    why = _why_not(claim, report, result, config)
    if result is None or why:
        return verdicts.Comparison(**about, verdict="not comparable", why=why)
    about |= {"measured": result.value, "measured_std": result.std, "protocol": result.protocol}
    allowed = verdicts.tolerance(claim.kind, score.value, score.std, result.std)
    verdict = verdicts.judge(claim.kind, score.value, result.value, allowed)
    return verdicts.Comparison(**about, tolerance=allowed, verdict=verdict)


def _why_not(claim, report: Report, result, config: ModelConfig) -> str | None:
    """Return why a stated score is not comparable with the measured one; None if it is."""
    from ..evaluation.protocols.reasons import reasons

    if claim.why_not:
        return claim.why_not
    if result is None:
        return "not measured"
    if claim.extractor != report.extractor.name or not report.extractor.official:
        return f"stated with {claim.extractor}, measured with {report.extractor.name}"
    task = "fid" if claim.task.metric == "classes" else claim.task.metric
    ours = next(protocol for protocol in report.protocols if protocol.name == result.protocol)
    return reasons(claim.protocol, ours, task, config)


def table(report: Report) -> str:
    """Format scores, verdicts and warnings as HTML; of what was stated, the scores that were measured too."""
    measured = {r.metric: r.text for r in report.results}
    scores = [(r.metric, r.text, r.counts, r.protocol) for r in report.results]
    parts = [encoding.table("Measured here", ("metric", "value", "real / generated", "protocol"), scores)]
    stated = [
        (
            c.metric,
            f"{c.published:g}" + (f" ± {c.published_std:g}" if c.published_std else ""),
            measured[c.metric] if c.measured is None else f"{c.measured:.4g}",
            c.verdict + (f": {c.why}" if c.why else ""),
            c.source,
        )
        for c in report.comparisons
        if c.metric in measured
    ]
    head = ("metric", "stated", "measured", "verdict", "source")
    if stated:
        parts.append(encoding.table("Against what was stated", head, stated))
    else:
        lacking = "No such score of these weights was published or recorded, so there is no verdict."
        parts.append(f'<p class="zoo-caption">{lacking}</p>')
    parts += [f'<p class="zoo-caption">Mind: {html.escape(warning)}</p>' for warning in report.warnings]
    return "".join(parts)
