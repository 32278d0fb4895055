"""Many checkpoints verified into one folder, with a summary; an interrupted round continues where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..common import files, ranks
from ..common.errors import ConfigError, StoppedError, ZooError
from ..schema import registry
from .features import extractors
from .protocols.claims import claims
from .report.report import Report, summary
from .targets import check_names, weights_of
from .verifying import extractor_of, request, verify


@dataclass(frozen=True)
class Outcome:
    """One model of a round: its report, or the reason for its absence."""

    name: str
    report: Report | None = None
    problem: str | None = None
    resumed: bool = False


def verify_all(
    names: Sequence[str] | None = None,
    out: str | os.PathLike = "reports",
    *,
    protocol: str = "published",
    on_outcome: Callable[[Outcome], object] = lambda outcome: None,
    **options,
) -> list[Outcome]:
    """Verify many checkpoints into `out`: a folder each, and summary.md and summary.json over all.

    A checkpoint with an existing report of the same weights, scores and protocols is not measured again: the same call
    continues where an earlier one was interrupted. One that cannot be verified here is listed with the reason.

    Args:
        names: with or without @tag; None for all weights in the registry with a published or recorded score.
        on_outcome: called with each Outcome as it is made.
        options: further arguments of `verify`.

    Raises:
        UsageError: nothing has one of the names, or there is no such tag or extractor.
    """
    ranks.start()
    if (extractor := options.get("extractor")) is not None:
        extractors.check_name(extractor)
    for name in names or ():
        check_names(name, options.get("weights", "default"), options.get("data"))
    out = Path(out)
    outcomes = []
    for name in names or list(_stated()):
        outcome = _verify_one(name, out, protocol, options)
        outcomes.append(outcome)
        if ranks.rank() == 0:
            on_outcome(outcome)
            _write_summary(out, outcomes)
    return outcomes


def _stated() -> Iterable[str]:
    for name in registry.names():
        config = registry.config(name)
        for entry in config.weights:
            if any(claim.protocol for claim in claims(config, entry.tag)):
                yield f"{name}@{entry.tag}"


def _verify_one(name: str, out: Path, protocol: str, options: dict) -> Outcome:
    folder = out / name.strip("/").replace("/", "-").replace("@", "-")
    try:
        done = _earlier(folder, name, protocol, options)
        if done:
            return Outcome(name, done, resumed=True)
        report = verify(name, protocol=protocol, **options)
        if ranks.rank() == 0:
            report.save(folder, force=True)
    except StoppedError:
        raise
    except ZooError as error:
        return Outcome(name, problem=str(error))
    return Outcome(name, report)


def _earlier(folder: Path, name: str, protocol: str, options: dict) -> Report | None:
    """Return the report of an earlier round, if it has these weights and this protocol."""
    path = folder / "report.json"
    if not path.is_file():
        return None
    try:
        report = Report.from_file(path)
    except ConfigError:
        return None
    config, tag, file = weights_of(name, options.get("weights", "default"), options.get("cache_dir"))
    stated = claims(config, tag, protocol)
    extractor = extractor_of(stated, options.get("extractor"), options.get("inception_weights"), said=False)
    asked = request(stated, extractor)
    same_weights = file is not None and report.subject.weights_sha256 == files.sha256(file)
    return report if same_weights and report.request == asked else None


def _write_summary(out: Path, outcomes: list[Outcome]) -> None:
    from .report.render import markdown_table

    rows = summary([outcome.report for outcome in outcomes if outcome.report])
    missing = [outcome for outcome in outcomes if outcome.report is None]
    head = ("model", "metric", "published", "measured", "tolerance", "verdict")
    parts = ["# Published and measured", markdown_table(head, [[row[key] for key in head] for row in rows])]
    if missing:
        table = markdown_table(("model", "why not"), [(o.name, o.problem or "") for o in missing])
        parts += [f"## Not verified here ({len(missing)})", table]
    data = {"compared": rows, "not verified": {outcome.name: outcome.problem for outcome in missing}}
    files.write_atomically(out / "summary.json", (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode())
    files.write_atomically(out / "summary.md", ("\n\n".join(parts) + "\n").encode())
