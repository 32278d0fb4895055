"""Precision and recall of distributions: a curve of what one distribution covers of the other (arXiv 1806.00035).

Real and generated features together are clustered; P and Q are the shares of real and generated features in each
cluster. For slopes s = tan(angle), over equal angles between 0 and pi/2,

    precision(s) = sum_i min(s P_i, Q_i),   recall(s) = sum_i min(P_i, Q_i / s).

Two numbers stand for the curve, the largest F_8 (weighs recall) and the largest F_1/8 (weighs precision):

    F_b = (1 + b^2) p r / (b^2 p + r).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from .formulas import RNG_SEED

ANGLES, BETA = 1001, 8.0
_EDGE = 1e-10  # of the angles 0 and pi/2, where the slope is 0 and infinite; and of a denominator


class FScores(NamedTuple):
    """The two ends of the curve, 0 to 1."""

    recall: float  # F_8
    precision: float  # F_1/8


def f_scores(fake: Tensor, real: Tensor, clusters: int = 20, runs: int = 10, rng_seed: int = RNG_SEED) -> FScores:
    """Average the curve over clusterings (N + M, D) by mini-batch k-means, and read F_8 and F_1/8 off it.

    Args:
        fake, real: (N, D) each; sides of different sizes bias the clusters towards the larger one.
        runs: clusterings from other seeds.
    """
    curves = [curve(*histograms(fake, real, clusters, rng_seed + run)) for run in range(runs)]
    precision, recall = np.mean(curves, axis=0)
    return FScores(_largest_f(precision, recall, BETA), _largest_f(precision, recall, 1 / BETA))


def histograms(fake: Tensor, real: Tensor, clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of generated and of real features in each cluster: (clusters,) twice."""
    from sklearn.cluster import MiniBatchKMeans

    together = np.concatenate([fake.numpy(), real.numpy()]).astype(np.float64)
    found = MiniBatchKMeans(n_clusters=clusters, n_init=10, random_state=seed)  # pyright: ignore[reportArgumentType]
    labels = np.asarray(found.fit_predict(together))
    mine, theirs = (
        np.bincount(part, minlength=clusters) / len(part) for part in (labels[: len(fake)], labels[len(fake) :])
    )
    return mine, theirs


def curve(fake: np.ndarray, real: np.ndarray, angles: int = ANGLES) -> np.ndarray:
    """Return precision and recall of two discrete distributions at each angle: (2, angles)."""
    slopes = np.tan(np.linspace(_EDGE, np.pi / 2 - _EDGE, angles))
    precision = np.minimum(slopes[:, None] * real, fake).sum(axis=1)
    return np.clip([precision, precision / slopes], 0, 1)


def _largest_f(precision: np.ndarray, recall: np.ndarray, beta: float) -> float:
    return float(np.max((1 + beta**2) * precision * recall / (beta**2 * precision + recall + _EDGE)))
