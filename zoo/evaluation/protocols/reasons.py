"""Why two scores are not comparable, in words: the one or two differences of their protocols that matter most."""

from __future__ import annotations

from typing import Any

from ...schema.config import ModelConfig
from .protocol import Protocol

_MOST = 2
_ORDER = (  # of how far a difference moves a score
    "num_fake",
    "max_count",
    "split",
    "num_real",
    "truncation",
    "batch_norm",
    "labels",
    "quantise",
    "resize",
    "selection",
)
_WORDS = {
    "num_fake": "{} generated images, here {}",
    "max_count": "{} images on either side, here {}",
    "split": "real images of {}, here of {}",
    "num_real": "{} real images, here {}",
    "truncation": "truncation {}, here {}",
    "batch_norm": "batch norm with {} statistics, here {}",
    "labels": "classes drawn {}, here {}",
    "quantise": "pixel scale {}, here {}",
    "resize": "images resized as {} does, here {}",
    "selection": "real images drawn {}, here {}",
}
_NONE = {"num_real": "all", "truncation": "none"}


def reasons(stated: Protocol, ours: Protocol, metric: str, config: ModelConfig) -> str | None:
    """Say what sets a stated score's protocol most apart from ours; None if nothing but the seeds does."""
    theirs, mine = (_facts(protocol, metric, config) for protocol in (stated, ours))
    apart = [key for key in theirs if theirs[key] != mine.get(key)]
    apart.sort(key=lambda key: _ORDER.index(key) if key in _ORDER else len(_ORDER))
    return "; ".join(_in_words(key, theirs[key], mine.get(key)) for key in apart[:_MOST]) or None


def _facts(protocol: Protocol, metric: str, config: ModelConfig) -> dict[str, Any]:
    """Return what a score of one metric depends on, by name."""
    settings = protocol.settings(metric)
    own = {} if settings is None else settings.model_dump()
    sampling = own.pop("sampling", {})
    facts = own | sampling | {"resize": protocol.resize}
    if metric != "is":
        facts |= {"split": protocol.split(config.data.dataset, config.data.split), "selection": protocol.selection}
    return facts


def _in_words(key: str, theirs: Any, mine: Any) -> str:
    values = [_NONE.get(key, "none") if value is None else _text(value) for value in (theirs, mine)]
    return _WORDS.get(key, key.replace("_", " ") + " {}, here {}").format(*values)


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
