"""Schema of the panel of a set of weights: every metric that runs offline, beside real test images."""

from __future__ import annotations

from typing import Annotated

from .architecture import ConfigPart
from .bounds import Count, Length, Line, Word


class PanelScore(ConfigPart):
    """One metric under one extractor: mean and standard deviation over the sampling seeds."""

    metric: Word  # with the extractor's name, as in `Measured`
    extractor: Word
    value: float
    std: float | None = None  # None for a single seed
    num_real: Count | None = None
    num_fake: Count
    test: float | None = None  # of the data's test images in place of generated ones

    @property
    def short_name(self) -> str:
        """The metric without its extractor: "FD"."""
        return self.metric.removesuffix(f"({self.extractor})").rstrip()


class Panel(ConfigPart):
    """The scores of one set of weights, all of the same images of each seed."""

    protocol: Line
    split: Line  # of the real images
    seeds: Count  # of sampling
    held_out: Line | None = None  # split that the weights have not seen; None: the data have none
    num_held_out: Count | None = None
    hardware: Line | None = None
    scores: Annotated[tuple[PanelScore, ...], Length(200)]

    @property
    def extractors(self) -> tuple[str, ...]:
        """The extractors, in the order of their first score."""
        return tuple(dict.fromkeys(score.extractor for score in self.scores))
