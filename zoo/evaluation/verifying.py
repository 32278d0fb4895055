"""`zoo.verify`: does a checkpoint, evaluated as its authors did, give the number they published?

Compared are the scores published with the weights, those published for the method under its own settings, and those
that this repository recorded for weights of its own: each under its own protocol and counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .. import registry
from .. import weights as weight_files
from ..config import Measured, ModelConfig, Published, Score
from ..errors import ConfigError, DataUnavailableError, WeightsUnavailableError, ZooError
from . import distributed, extractors, protocols, verdicts
from .engine import Engine
from .plan import Task
from .protocols import Protocol
from .report import Report, Result, summary
from .running import report_of
from .targets import data_for, open_target, weights_of
from .verdicts import Comparison

_TASKS = {"fid": "fid", "kid": "kid", "is": "is", "precision": "pr", "recall": "pr", "class accuracy": "classes"}


@dataclass(frozen=True)
class Claim:
    """A score that somebody stated, and how it would be measured; `why_not` where it cannot be."""

    score: Score
    kind: str = ""
    extractor: str = ""
    protocol: Protocol | None = None
    why_not: str | None = None
    note: str | None = None

    @property
    def task(self) -> Task:
        assert self.protocol is not None
        return Task(_TASKS[self.kind], self.protocol, chosen=isinstance(self.score, Measured))

    @property
    def source(self) -> str:
        if isinstance(self.score, Measured):
            return f"recorded here ({self.score.hardware})" if self.score.hardware else "recorded here"
        assert isinstance(self.score, Published)
        whose = "" if self.score.tag else ", for the method"
        return self.score.source + whose


def claims(config: ModelConfig, tag: str | None, protocol: str = "published") -> list[Claim]:
    """What is stated about these weights: published with them, published for the method, recorded here.

    Args:
        protocol: "published" takes each under its own protocol; "clean", or another name, all under that one.
    """
    entry = next((w for w in config.weights if w.tag == tag), None)
    stated: list[Score] = [s for s in config.published if s.tag == tag or (s.tag is None and not s.settings)]
    stated += entry.scores if entry else ()
    return [_claim(score, config, protocol) for score in stated]


def _claim(score: Score, config: ModelConfig, wanted: str) -> Claim:
    found = extractors.metric_and_extractor(score.metric)
    if found is None or found[0] not in _TASKS:
        return Claim(score, why_not=f"{score.metric} is not computed here")
    own = protocols.of_score(score, config)
    if own is None:
        return Claim(score, *found, why_not="its protocol is not one of the zoo's")
    task = _TASKS[found[0]]
    if task != "classes" and task not in own.metrics:
        return Claim(score, *found, why_not=f"the protocol {own.name} has no {task}")
    doubt = protocols.doubt_about(score, config, own)
    note = "; ".join(filter(None, [score.note, doubt and f"measured with {doubt.num_fake:,}, since {doubt.why}"]))
    if wanted in ("published", own.name):
        return Claim(score, *found, protocol=own, note=note or None)
    other = protocols.find(wanted)
    counts = {key: value for key in ("num_real", "num_fake") if (value := getattr(score, key))}
    other = other.updated(**counts, splits=own.splits, seeds=own.seeds)
    apart = own.differences(other, ("fid",) if task == "classes" else (task,))
    why = f"another protocol ({'; '.join(apart)})" if apart else None
    return Claim(score, *found, protocol=other, why_not=why, note=note or None)


def verify(
    name: str | os.PathLike,
    *,
    protocol: str = "published",
    extractor: str | None = None,
    weights: str = "default",
    data: object = None,
    inception_weights: str | os.PathLike | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    cache_dir: str | os.PathLike | None = None,
    progress: bool = False,
) -> Report:
    """Measure a checkpoint under the protocols of the scores stated about it, and compare.

    Args:
        name: a model's name (with @tag), or an exported folder.
        protocol: "published" follows each score's own protocol, quirks included, which for weights of this repository
            is the clean one; "clean" does it right and says what differs instead of a verdict.
        extractor: None for that of the published scores, else of the recorded ones; scores with another are listed.
        weights, data, inception_weights, device, batch_size, cache_dir, progress: as for `zoo.evaluate`.

    Returns:
        A report with `comparisons`: published, measured, tolerance (see `zoo.evaluation.verdicts`) and verdict.

    Raises:
        ZooError: nothing is stated about the model; or, in one message before any sampling, all that is missing here.
    """
    distributed.start()
    extractors.require_fidelity()
    text = os.fspath(name)
    config, tag = _identify(text, weights)
    stated = claims(config, tag, protocol)
    usable = [claim for claim in stated if claim.protocol]
    if not usable:
        whole = config.name + (f"@{tag}" if tag else "")
        raise ZooError(f"nothing that could be verified is stated about {whole}; score it with: zoo evaluate {whole}")
    extractor = extractor or usable[0].extractor
    stated = [_with_extractor(claim, extractor) for claim in stated]
    _require(text, weights, cache_dir, extractor, inception_weights)
    target = open_target(text, weights=weights, device=distributed.device(device), cache_dir=cache_dir)
    engine = Engine(
        target,
        extractor,
        data_for(target, data, None),
        inception_weights=inception_weights,
        device=device,
        batch_size=batch_size,
        cache_dir=cache_dir,
    )
    stated, tasks = _check(engine, stated)
    report = report_of(engine, tasks, engine.run(tasks, curve=False, progress=progress))
    compared = tuple(_compare(claim, report) for claim in stated)
    return report.model_copy(update={"comparisons": compared}).with_samples(report._samples)


def _identify(text: str, weights: str) -> tuple[ModelConfig, str | None]:
    """The config and tag of a name, whether or not its weights are here."""
    exported = registry.exported(text)
    if exported or weights.endswith(".safetensors") or weights == "random":
        config, tag, _ = weights_of(text, weights)
        return config, tag
    base, tag = registry.split_tag(text)
    config = registry.config(base)
    return config, weight_files.entry(config, tag if weights == "default" else weights).tag


def _with_extractor(claim: Claim, extractor: str) -> Claim:
    if claim.protocol is None or claim.extractor == extractor:
        return claim
    return replace(
        claim, protocol=None, why_not=f"measured with {claim.extractor}; --extractor {claim.extractor} does that"
    )


def _require(name: str, weights: str, cache_dir, extractor: str, inception_weights) -> None:
    """Raise one error that names all that is missing, so that nobody fetches one thing after the other."""
    problems = []
    try:
        if extractor == extractors.INCEPTION:
            from . import inception

            inception.locate(inception_weights)
        else:
            extractors.load(extractor)
    except ZooError as error:
        problems.append(error)
    try:
        weights_of(name, weights, cache_dir)
    except ZooError as error:
        problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise WeightsUnavailableError(
            f"{name} cannot be verified here: {'; and '.join(str(p).rstrip('.') for p in problems)}"
        )


def _check(engine: Engine, stated: list[Claim]) -> tuple[list[Claim], list[Task]]:
    """The claims and their tasks, each with its counts; where real images are not here, those that need none."""
    try:
        return _settled(engine, stated)
    except DataUnavailableError as error:
        left = [_without_images(claim, error) for claim in stated]
        if not any(claim.protocol for claim in left):
            raise
        return _settled(engine, left)


def _settled(engine: Engine, stated: list[Claim]) -> tuple[list[Claim], list[Task]]:
    wanted = list(dict.fromkeys(claim.task for claim in stated if claim.protocol))
    return stated, engine.check(wanted)


def _without_images(claim: Claim, error: Exception) -> Claim:
    if claim.protocol is None or not claim.task.needs_features:
        return claim
    return replace(claim, protocol=None, why_not=f"the real images are not here: {error}")


def _compare(claim: Claim, report: Report) -> Comparison:
    score = claim.score
    result = _result(claim, report) if claim.protocol else None
    about = {
        "metric": score.metric,
        "published": score.value,
        "published_std": score.std,
        "source": claim.source,
        "note": claim.note,
        "counts": result.counts if result else score.counts,
        "protocol": claim.protocol.name if claim.protocol else "",
    }
    if result is None:
        return Comparison(**about, verdict="not comparable", why=claim.why_not or "it was not measured")
    about |= {"measured": result.value, "measured_std": result.std}
    why = claim.why_not
    if why is None and claim.extractor != extractors.INCEPTION and not report.extractor.official:
        why = f"other weights of {claim.extractor}"
    if why is None and claim.extractor == extractors.INCEPTION and not report.extractor.official:
        why = f"other Inception weights (sha256 {report.extractor.sha256[:8]}...)"
    if why:
        return Comparison(**about, verdict="not comparable", why=why)
    allowed = verdicts.tolerance(claim.kind, score.value, score.std, result.std)
    verdict = verdicts.judge(claim.kind, score.value, result.value, allowed)
    return Comparison(**about, tolerance=allowed, verdict=verdict)


def _result(claim: Claim, report: Report) -> Result | None:
    task, score = claim.task, claim.score
    fits = (
        r
        for r in report.results
        if r.kind == claim.kind
        and r.protocol == task.protocol.name
        and (claim.kind in ("precision", "recall", "class accuracy") or r.num_fake == task.wanted_fake)
        and (score.split is None or r.split in (None, score.split))
        and (task.wanted_real is None or r.num_real in (None, task.wanted_real) or task.metric in ("pr", "is"))
    )
    return next(fits, None)


# ---------------------------------------------------------------------------------------------------- all of them


@dataclass(frozen=True)
class Outcome:
    """One model of a round: its report, or why there is none."""

    name: str
    report: Report | None = None
    problem: str | None = None
    resumed: bool = False


def verify_all(
    names: Sequence[str] | None = None,
    out: str | os.PathLike = "reports",
    *,
    protocol: str = "published",
    tell=lambda outcome: None,
    **options,
) -> list[Outcome]:
    """Verify many checkpoints into `out`: a folder each, and summary.md and summary.json over all.

    A checkpoint whose report is there already, of the same weights and protocol, is not measured again: the same call
    goes on where an earlier one was interrupted. One that cannot be verified here is listed with the reason.

    Args:
        names: with or without @tag; None for every set of weights in the registry about which something is stated.
        tell: called with each Outcome as it comes.
        options: further arguments of `verify`.
    """
    distributed.start()
    out = Path(out)
    outcomes = []
    for name in names or list(_stated()):
        outcome = _one(name, out, protocol, options)
        outcomes.append(outcome)
        if distributed.rank() == 0:
            tell(outcome)
            _write_summary(out, outcomes)
    return outcomes


def _stated() -> Iterable[str]:
    for name in registry.names():
        config = registry.config(name)
        for entry in config.weights:
            if any(claim.protocol for claim in claims(config, entry.tag)):
                yield f"{name}@{entry.tag}"


def _one(name: str, out: Path, protocol: str, options: dict) -> Outcome:
    folder = out / name.strip("/").replace("/", "-").replace("@", "-")
    try:
        done = _earlier(folder, name, protocol, options)
        if done:
            return Outcome(name, done, resumed=True)
        report = verify(name, protocol=protocol, **options)
        if distributed.rank() == 0:
            report.save(folder, force=True)
    except ZooError as error:
        return Outcome(name, problem=str(error))
    return Outcome(name, report)


def _earlier(folder: Path, name: str, protocol: str, options: dict) -> Report | None:
    """The report that an earlier round left, if it is of these weights and this protocol."""
    path = folder / "report.json"
    if not path.is_file():
        return None
    try:
        report = Report.from_file(path)
    except ConfigError:
        return None
    _, tag, file = weights_of(name, options.get("weights", "default"), options.get("cache_dir"))
    config, _ = _identify(name, options.get("weights", "default"))
    same_claims = [c.score.value for c in claims(config, tag, protocol)] == [c.published for c in report.comparisons]
    same_protocols = {c.protocol for c in report.comparisons if c.protocol} <= {
        claim.protocol.name for claim in claims(config, tag, protocol) if claim.protocol
    }
    same_weights = file is not None and report.subject.weights_sha256 == weight_files.sha256(file)
    return report if same_claims and same_protocols and same_weights else None


def _write_summary(out: Path, outcomes: list[Outcome]) -> None:
    import json

    from .render import markdown_table

    rows = summary([outcome.report for outcome in outcomes if outcome.report])
    missing = [outcome for outcome in outcomes if outcome.report is None]
    head = ("model", "metric", "published", "measured", "tolerance", "verdict")
    parts = ["# Published and measured", markdown_table(head, [[row[key] for key in head] for row in rows])]
    if missing:
        table = markdown_table(("model", "why not"), [(o.name, o.problem) for o in missing])
        parts += [f"## Not verified here ({len(missing)})", table]
    data = {"compared": rows, "not verified": {outcome.name: outcome.problem for outcome in missing}}
    weight_files.write_atomically(
        out / "summary.json", (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()
    )
    weight_files.write_atomically(out / "summary.md", ("\n\n".join(parts) + "\n").encode())
