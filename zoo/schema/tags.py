"""The tag of `name@tag`: which of a model's weights."""

from __future__ import annotations

import difflib

from ..common.errors import UnknownTagError, WeightsUnavailableError
from ..common.text import one_line
from .config import ModelConfig
from .entries import Weights


def entry(config: ModelConfig, tag: str) -> Weights:
    """Return the weights of a tag ("default": the default tag).

    Raises:
        UnknownTagError: no weights have it; the message lists the tags.
        WeightsUnavailableError: there are no weights.
    """
    wanted = config.default_tag if tag == "default" else tag
    for weights in config.weights:
        if weights.tag == wanted:
            return weights
    shown = f'{config.name} has no weights tagged "{one_line(tag, 100)}"'
    if not config.weights:
        text = (
            f"{config.name} has no trained weights yet; train it (python -m training {config.name} --out runs/x), or "
            f'build it untrained with weights="random"'
        )
        raise WeightsUnavailableError(text) if tag == "default" else UnknownTagError(f"{shown}: {text}")
    close = difflib.get_close_matches(tag[:200], config.tags, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UnknownTagError(f'{shown}; {hint}it has {", ".join(config.tags)}, and weights="random" builds it untrained')
