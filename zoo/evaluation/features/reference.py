"""The statistics and features of real images."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..metrics.formulas import Statistics


@dataclass
class Reference:
    """The real images' statistics and features, on rank 0.

    Attributes:
        about: data set, split, resolution, count, checksum, and the origin of the statistics.
        statistics: of the feature layer of FID.
        features, labels: (N, D) and (N,), if requested.
        warnings: for the report.
    """

    about: dict
    statistics: Statistics
    features: Tensor | None = None
    labels: Tensor | None = None
    warnings: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return self.about["count"]

    @property
    def labelled_features(self) -> tuple[Tensor, Tensor]:
        """Return features (N, D) and labels (N,) of a reference that was made with them."""
        assert self.features is not None
        assert self.labels is not None
        return self.features, self.labels
