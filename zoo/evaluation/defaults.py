"""What is measured where the user leaves it open: with what is on this machine, and said in one line each.

Published scores are Inception's. Its weights are fetched where somebody asks for it; nothing is downloaded by default.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..common import ranks
from ..common.errors import DataUnavailableError, WeightsUnavailableError, ZooError
from .features import efficientnet_variants
from .names import INCEPTION, OFFLINE, USUAL_METRICS
from .plan import tasks_of

if TYPE_CHECKING:
    from .plan import Task
    from .protocols.protocol import Protocol
    from .scorer import Scorer

_PACKAGES = efficientnet_variants.packages(OFFLINE)


def extractor(inception_weights: str | os.PathLike | None = None) -> str:
    """Return Inception if its weights are on this machine, else the extractor that needs no download."""
    from .features import inception

    try:
        inception.locate(inception_weights, download=False)
    except WeightsUnavailableError:
        if inception_weights is None and all(map(find_spec, _PACKAGES)):
            return OFFLINE
    return INCEPTION


def extractor_for(wanted: str, others: tuple[str, ...], inception_weights: str | os.PathLike | None = None) -> str:
    """Return the extractor of a protocol or of a score, or one that stands in for an Inception that is not here.

    Args:
        others: that may stand in.
    """
    found = extractor(inception_weights) if wanted == INCEPTION else wanted
    return found if found in others else wanted


def announce(wanted: str, found: str) -> None:
    """Say in a line that another extractor stands in for the one wanted, if it does."""
    if found != wanted:
        _say(
            f"the extractor is {found}, as Inception's weights are not on this machine: its distance is no FID; for "
            f"published scores say --extractor {INCEPTION}, which downloads them"
        )


def metrics(protocol: Protocol, scorer: Scorer, chosen: bool) -> tuple[str, ...]:
    """Return the usual metrics that the protocol, the extractor and the real images on this machine allow.

    Args:
        chosen: the user gave the counts, so few images are no reason to leave a distance out.
    """
    known = [metric for metric in USUAL_METRICS if metric in protocol.metrics] or list(protocol.metrics)
    if "is" in known and not scorer.extractor(protocol.resize).has_logits:
        known.remove("is")
    tasks = tasks_of(protocol, tuple(known), chosen)
    with_statistics = [task for task in tasks if not task.needs_features]
    try:
        counts = {task.metric: scorer.num_real(task) for task in tasks if task.needs_real}
    except DataUnavailableError:
        if not any(task.needs_real for task in with_statistics) or not _measurable(scorer, with_statistics):
            raise
        left = [task.metric for task in tasks if task.needs_features]
        of = scorer.data_of(tasks[0])
        _say(
            f"only the statistics of {of} are on this machine, not its images, so {' and '.join(left)} are left out; "
            f"give the images as --data, or see: zoo data list"
        )
        return tuple(task.metric for task in with_statistics)
    found = scorer.extractor(protocol.resize)
    width = found.width(found.layer("fid")) if "fid" in counts else 0
    if "kid" in counts and not chosen and counts.get("fid", width + 1) <= width:
        _say(
            f"{counts['fid']:,} real images are too few for a covariance of {width:,} features, so fid is left out; "
            f"kid is unbiased at any count"
        )
        known.remove("fid")
    return tuple(known)


def _measurable(scorer: Scorer, tasks: list[Task]) -> bool:
    """True if statistics of the real images are here."""
    try:
        return all(scorer.num_real(task, with_features=False) for task in tasks if task.needs_real)
    except ZooError:
        return False


def _say(line: str) -> None:
    if ranks.rank() == 0:
        print(f"zoo: {line}", file=sys.stderr, flush=True)
