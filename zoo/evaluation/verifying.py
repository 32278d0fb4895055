"""`zoo.verify`: check whether the published scores of a checkpoint reproduce.

It compares the scores published with the weights, those published for the method under its own settings, and those
that this repository recorded for weights of its own: each under its own protocol and counts.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from shlex import quote

from ..checkpoints import weights as weight_files
from ..checkpoints.resolve import is_weights_file
from ..common import ranks
from ..common.devices import rank_device
from ..common.errors import DataUnavailableError, WeightsUnavailableError, ZooError
from ..datasets.catalogue import own_split
from ..schema import registry
from ..schema.config import ModelConfig
from . import defaults
from .features import extractors
from .plan import Task
from .protocols.claims import Claim, claims
from .report import verdicts
from .report.report import Report, Result
from .report.verdicts import Comparison
from .running import report_of
from .scorer import Scorer
from .targets import data_for, open_target, weights_of


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
        extractor: None for that of the published scores, else of the recorded ones, which also stand in where the
            weights of the published ones' Inception are not on this machine; scores with another are listed.
        weights, data, inception_weights, device, batch_size, cache_dir, progress: as for `zoo.evaluate`.

    Returns:
        A report with `comparisons`: published, measured, tolerance (see `zoo.evaluation.report.verdicts`) and verdict.

    Raises:
        ZooError: no score of the model can be verified; or, in one message before sampling, all that is missing here.
    """
    ranks.start()
    extractors.require_fidelity()
    if extractor is not None:
        extractors.check_name(extractor)
    text = os.fspath(name)
    config, tag = identify(text, weights)
    stated = claims(config, tag, protocol)
    usable = [claim for claim in stated if claim.protocol]
    if not usable:
        whole = quote(text) if config.origin else config.name + (f"@{tag}" if tag else "")
        raise ZooError(
            f"no published or recorded score of {whole} can be verified; score it with: zoo evaluate {whole}"
        )
    extractor = extractor_of(stated, extractor, inception_weights)
    asked = request(stated, extractor)
    stated = [_with_extractor(claim, extractor) for claim in stated]
    if not any(claim.protocol for claim in stated):
        others = " or ".join(dict.fromkeys(claim.extractor for claim in usable))
        raise ZooError(
            f"no score of {text} was measured with {extractor}, so nothing compares; use --extractor {others}, "
            f"or score it with: zoo evaluate {quote(text)} --extractor {extractor}"
        )
    needed = any(claim.protocol and not claim.any_extractor for claim in stated)
    _require(text, weights, cache_dir, extractor if needed else None, inception_weights)
    target = open_target(text, weights=weights, device=rank_device(device), cache_dir=cache_dir)
    scorer = Scorer(
        target,
        extractor,
        replace(data_for(target, data, None), progress=progress if ranks.rank() == 0 else False),
        inception_weights=inception_weights,
        device=device,
        batch_size=batch_size,
        cache_dir=cache_dir,
    )
    stated, tasks = _check(scorer, stated)
    report = report_of(scorer, tasks, scorer.run(tasks, curve=False, progress=progress))
    compared = tuple(_compare(claim, report, scorer.data.dataset) for claim in stated)
    return report.model_copy(update={"comparisons": compared, "request": asked})


def extractor_of(stated: list[Claim], wanted: str | None, inception_weights, said: bool = True) -> str:
    """Return the extractor asked for, or the one of these claims that is first of those on this machine."""
    usable = [claim.extractor for claim in stated if claim.protocol and not claim.any_extractor]
    if wanted is not None or not usable:
        return wanted or extractors.INCEPTION
    found = defaults.extractor_for(usable[0], tuple(usable), inception_weights)
    if said:
        defaults.announce(usable[0], found)
    return found


def request(stated: list[Claim], extractor: str | None) -> str:
    """Return the key of a report of these claims, so that it is not made twice."""
    parts = [extractor, *([c.score.model_dump_json(), c.protocol and c.protocol.model_dump_json()] for c in stated)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def identify(text: str, weights: str) -> tuple[ModelConfig, str | None]:
    """Return the config and tag of a name, whether or not its weights are available offline."""
    exported = registry.exported(text)
    if exported or is_weights_file(weights) or weights == "random":
        config, tag, _ = weights_of(text, weights)
        return config, tag
    config, tag = registry.config(text), registry.split_tag(text)[1]
    return config, weight_files.entry(config, tag if weights == "default" else weights).tag


def _with_extractor(claim: Claim, extractor: str) -> Claim:
    if claim.protocol is None or claim.extractor == extractor or claim.any_extractor:
        return claim
    return replace(
        claim, protocol=None, why_not=f"measured with {claim.extractor}; --extractor {claim.extractor} does that"
    )


def _require(name: str, weights: str, cache_dir, extractor: str | None, inception_weights) -> None:
    """Raise one error that names everything that is missing."""
    problems = []
    try:
        if extractor == extractors.INCEPTION:
            from .features import inception

            inception.locate(inception_weights)
        elif extractor is not None:
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


def _check(scorer: Scorer, stated: list[Claim]) -> tuple[list[Claim], list[Task]]:
    """Return the claims and their tasks with counts; without the real images, only those that need none."""
    try:
        return _settled(scorer, stated)
    except DataUnavailableError as error:
        left = [_without_images(claim, error) for claim in stated]
        if not any(claim.protocol for claim in left):
            raise
        return _settled(scorer, left)


def _settled(scorer: Scorer, stated: list[Claim]) -> tuple[list[Claim], list[Task]]:
    wanted = list(dict.fromkeys(claim.task for claim in stated if claim.protocol))
    return stated, scorer.check(wanted)


def _without_images(claim: Claim, error: Exception) -> Claim:
    if claim.protocol is None or not (claim.task.needs_features or claim.any_extractor):
        return claim
    return replace(claim, protocol=None, why_not=f"the real images are not available offline: {error}")


def _compare(claim: Claim, report: Report, dataset: str) -> Comparison:
    score = claim.score
    result = _result(claim, report, dataset) if claim.protocol else None
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
        note = report.classes.note if report.classes and claim.protocol and claim.task.metric == "classes" else None
        return Comparison(**about, verdict="not comparable", why=claim.why_not or note or "it was not measured")
    about |= {"measured": result.value, "measured_std": result.std}
    why = claim.why_not
    if claim.any_extractor:
        why = why or (None if result.metric == score.metric else f"measured with another network, {result.metric}")
    elif why is None and claim.extractor != extractors.INCEPTION and not report.extractor.official:
        why = f"other weights of {claim.extractor}"
    elif why is None and claim.extractor == extractors.INCEPTION and not report.extractor.official:
        why = f"other Inception weights (sha256 {report.extractor.sha256[:8]}...)"
    if why:
        return Comparison(**about, verdict="not comparable", why=why)
    allowed = verdicts.tolerance(claim.kind, score.value, score.std, result.std)
    verdict = verdicts.judge(claim.kind, score.value, result.value, allowed)
    return Comparison(**about, tolerance=allowed, verdict=verdict)


def _result(claim: Claim, report: Report, dataset: str) -> Result | None:
    task, score = claim.task, claim.score
    fits = (
        r
        for r in report.results
        if r.kind == claim.kind
        and r.protocol == task.protocol.name
        and (task.equal_counts or task.metric == "classes" or r.num_fake == task.wanted_fake)
        and (score.split is None or r.split in (None, own_split(dataset, score.split)))
        and (task.wanted_real is None or r.num_real in (None, task.wanted_real) or task.equal_counts)
    )
    return next(fits, None)
