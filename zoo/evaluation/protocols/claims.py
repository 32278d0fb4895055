"""What is stated about a set of weights, and how each of these scores would be measured."""

from __future__ import annotations

from dataclasses import dataclass

from ...schema.config import ModelConfig
from ...schema.entries import Measured, Published
from ..features import extractors
from ..plan import Task
from . import published
from .protocol import Protocol
from .reasons import reasons

_TASKS = {
    "fid": "fid",
    "kid": "kid",
    "is": "is",
    "precision": "pr",
    "recall": "pr",
    "density": "dc",
    "coverage": "dc",
    "f_8": "prd",
    "f_1/8": "prd",
    "mind": "mind",
    "cmmd": "cmmd",
    "authpct": "authpct",
    "c_t": "ct",
    "cas": "cas",
    "cas as assigned": "cas",
    "class accuracy": "classes",
    "class accuracy as assigned": "classes",
    "intra-class fid": "classes",
    "intra-class fid as assigned": "classes",
    "shrunk intra-class fid": "classes",
    "shrunk intra-class fid as assigned": "classes",
    "intra-class kid": "classes",
    "intra-class kid as assigned": "classes",
}
# Published scores without the name of an extractor are Inception's.
_PLAIN = {name: (name, extractors.INCEPTION) for name in ("precision", "recall", "density", "coverage")}
_PLAIN["IFID"] = ("intra-class fid", extractors.INCEPTION)


@dataclass(frozen=True)
class Claim:
    """A score that somebody stated, and how it would be measured; `why_not` where it cannot be."""

    score: Published | Measured
    kind: str = ""
    extractor: str = ""
    protocol: Protocol | None = None
    why_not: str | None = None
    note: str | None = None

    @property
    def any_extractor(self) -> bool:
        """True if the score is of no extractor's features; `extractor` is then the network that is trained."""
        return self.kind.startswith("cas")

    @property
    def task(self) -> Task:
        assert self.protocol is not None
        return Task(_TASKS[self.kind], self.protocol, chosen=isinstance(self.score, Measured))

    @property
    def source(self) -> str:
        if isinstance(self.score, Measured):
            return f"recorded here ({self.score.hardware})" if self.score.hardware else "recorded here"
        whose = "" if self.score.tag else ", for the method"
        return self.score.source + whose


def claims(config: ModelConfig, tag: str | None, protocol: str = "published") -> list[Claim]:
    """What is stated about these weights: published with them, published for the method, recorded here.

    Args:
        protocol: "published" takes each under its own protocol; "clean", or another name, all under that one.
    """
    entry = next((w for w in config.weights if w.tag == tag), None)
    published = [s for s in config.published if s.tag == tag or (s.tag is None and not s.settings)]
    stated = [*published, *(entry.scores if entry else ())]
    return [_claim(score, config, protocol) for score in stated]


def _claim(score: Published | Measured, config: ModelConfig, wanted: str) -> Claim:
    found = _PLAIN.get(score.metric) or extractors.metric_and_extractor(score.metric)
    if found is None or found[0] not in _TASKS:
        return Claim(score, why_not=f"{score.metric} is not computed here")
    own = published.of_score(score, config)
    if own is None:
        return Claim(score, *found, why_not="its protocol is not one of the zoo's")
    task = _TASKS[found[0]]
    if task == "classes" and not config.conditional:
        return Claim(score, *found, why_not="this model takes no classes")
    if task != "classes" and task not in own.metrics:
        return Claim(score, *found, why_not=f"the protocol {own.name} has no {task}")
    doubt = published.doubt_about(score, config, own)
    note = "; ".join(filter(None, [score.note, doubt and f"measured with {doubt.num_fake:,}, since {doubt.why}"]))
    if wanted in ("published", own.name):
        return Claim(score, *found, protocol=own, note=note or None)
    other = published.with_counts(published.find(wanted), score, config).updated(splits=own.splits, seeds=own.seeds)
    why = reasons(own, other, "fid" if task == "classes" else task, config)
    return Claim(score, *found, protocol=other, why_not=why, note=note or None)
