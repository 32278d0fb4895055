"""FID against the number of samples, and its limit.

An estimate from N samples is biased by about c/N, where c depends on the generator, so that two models at the
same N may be ranked wrongly. Chong & Forsyth 2020 (arXiv 1911.07023) fit a line over 1/N and read it at 1/N = 0:
FID_infinity. The points here are 15 sample counts, evenly spaced, each a random subset of the same samples.

There is no such limit of KID: its estimate is unbiased (Binkowski et al. 2018, arXiv 1801.01401), so that its
expectation is the same at every N, KID at infinity included. A line through KIDs would only add the noise of the small
counts to the score of all images.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from ...common.errors import ZooError
from ...schema.architecture import ConfigPart
from . import formulas

POINTS = 15  # as in the paper


class Convergence(ConfigPart):
    """Distances at several sample counts, and the line through them over 1/N."""

    counts: tuple[int, ...]
    distances: tuple[float, ...]
    infinity: float  # at 1/N = 0
    slope: float  # in images: the bias at N samples is slope / N
    straightness: float  # R^2 of the fit; far from 1, the limit is not reliable


def check(counts: dict[str, int]) -> None:
    """Raise ZooError where no distance of these metrics, each with its number of images, can be extrapolated."""
    if "fid" not in counts:
        why = "KID is unbiased: its value is that at infinity, within its spread" if "kid" in counts else "that is fid"
        raise ZooError(
            f"a curve extrapolates the metric whose bias depends on the number of images ({why}); add fid to the "
            f"metrics, or leave the curve out (--curve)"
        )
    if counts["fid"] < 3:
        raise ZooError("a distance against the number of images needs at least 3 of them; give more, or no curve")


def fit(counts: list[int], distances: list[float]) -> Convergence:
    """Fit the least-squares line of distances over 1/N."""
    x, y = 1 / np.asarray(counts, float), np.asarray(distances, float)
    slope, intercept = np.polyfit(x, y, 1)
    rest = y - (intercept + slope * x)
    total = ((y - y.mean()) ** 2).sum()
    return Convergence(
        counts=tuple(counts),
        distances=tuple(float(d) for d in distances),
        infinity=float(intercept),
        slope=float(slope),
        straightness=float(1 - (rest**2).sum() / total) if total else 1.0,
    )


def curve(
    fake: Tensor, real: formulas.Statistics, *, points: int = POINTS, seed: int = 0, advance: Callable = lambda n: None
) -> Convergence:
    """Measure distances of random subsets of the features (N, D), from a tenth of them to all.

    Subsets smaller than D + 1 have singular covariances, where the bias is no longer c/N: the smallest count is larger
    than D where N allows it.
    """
    n, dim = fake.shape
    smallest = min(max(n // 10, dim + 1), max(n // 2, 2))
    counts = [int(count) for count in np.unique(np.linspace(smallest, n, points).round())]
    draw, root = np.random.RandomState(seed), formulas.CovarianceRoot(real)
    distances = []
    for count in counts:
        chosen = draw.permutation(n)[:count]
        distances.append(root.distance(formulas.statistics(fake[chosen])))
        advance(1)
    return fit(counts, distances)
