"""Which class does each label of a conditional generator draw? From counts to an assignment, and whether to believe it.

Counts are a table (labels, classes): how many images that were asked for by a label show a class, as a classifier or a
discriminator sees them. The assignment is the one-to-one map of labels to classes under which most images are right.
The best of all K! maps is right more often than the asked one by chance alone, so a difference has to be larger than
chance makes it before it is believed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..label_alignment import PERMUTED, RIGHT, UNKNOWN, Verdict

_SIGNIFICANCE = 0.01
_SHUFFLES, _DEVIATIONS = 99, 3  # of a normal distribution one value in 740 is farther above the mean


@dataclass(frozen=True)
class Assignment:
    """What a table of counts says.

    Attributes:
        classes: the class that each label draws, a permutation; the identity unless the labels are permuted.
        verdict: in words.
        chance: the accuracy that the best assignment of images without any order hardly ever reaches.
    """

    classes: tuple[int, ...]
    verdict: Verdict
    chance: float


def assign(counts: np.ndarray, scores: np.ndarray | None = None) -> Assignment:
    """The assignment that is believed.

    The best assignment is believed whole where it gains, over the labels asked for, twice the share of images that the
    best assignment of shuffled images gains. Otherwise it is taken apart into its cycles (labels that draw each other's
    classes), and a cycle is kept if its labels show the assigned classes more often than those asked for, by the exact
    sign test at 1 %, corrected for the number of cycles of that length that could have been chosen.

    Args:
        counts: (K, K) images, labels by classes, as many images of each label.
        scores: (K, K) how well the images of a label fit each class; the best assignment is sought in these. None:
            in the counts.
    """
    counts = np.asarray(counts)
    classes, chance = best(counts if scores is None else scores), chance_accuracy(counts)
    if accuracy(counts, classes) - accuracy(counts) <= 2 * (chance - 1 / len(counts)):
        for cycle in cycles(classes):
            if not _is_significant(counts, classes, cycle):
                classes[cycle] = cycle
    identity = np.arange(len(counts))
    if accuracy(counts, classes) <= chance:
        return Assignment(tuple(identity.tolist()), UNKNOWN, chance)
    return Assignment(tuple(classes.tolist()), RIGHT if (classes == identity).all() else PERMUTED, chance)


def best(scores: np.ndarray) -> np.ndarray:
    """The permutation (K,) of the largest total score; among equal totals of counts, one that keeps most labels."""
    from scipy.optimize import linear_sum_assignment  # of the extra eval, which reports can be read without

    if np.issubdtype(scores.dtype, np.integer):
        scores = scores + np.eye(len(scores)) / (len(scores) + 1)  # less than one image in all
    return linear_sum_assignment(scores, maximize=True)[1]


def accuracy(counts: np.ndarray, classes: np.ndarray | tuple[int, ...] | None = None) -> float:
    """Share of the images that show the class of their label; `classes` None: the one asked for."""
    rows = np.arange(len(counts))
    return float(counts[rows, rows if classes is None else np.asarray(classes)].sum() / max(1, counts.sum()))


def interval(share: float, total: int) -> tuple[float, float]:
    """95 % confidence interval (Wilson's) of a share of `total` images."""
    from scipy import stats

    found = stats.binomtest(round(share * total), total).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def cycles(classes: np.ndarray) -> list[list[int]]:
    """The cycles of a permutation that move anything."""
    left, found = set(range(len(classes))), []
    while left:
        cycle = [left.pop()]
        while (following := int(classes[cycle[-1]])) != cycle[0]:
            left.remove(following)
            cycle.append(following)
        if len(cycle) > 1:
            found.append(cycle)
    return found


def _is_significant(counts: np.ndarray, classes: np.ndarray, cycle: list[int]) -> bool:
    from scipy import stats

    assigned, asked = int(counts[cycle, classes[cycle]].sum()), int(counts[cycle, cycle].sum())
    if assigned <= asked:
        return False
    labels, length = len(counts), len(cycle)
    choices = math.lgamma(labels + 1) - math.lgamma(labels - length + 1) - math.log(length)
    log_p = stats.binom.logsf(assigned - 1, assigned + asked, 0.5)
    return bool(log_p + choices < math.log(_SIGNIFICANCE))


def chance_accuracy(counts: np.ndarray) -> float:
    """A bound on the best assignment's accuracy if labels had nothing to do with what is seen.

    Three standard deviations above the mean of 99 shuffles of the images among the labels.
    """
    labels, classes = np.indices(counts.shape)
    labels, classes = (np.repeat(index.ravel(), counts.ravel()) for index in (labels, classes))
    random, found = np.random.RandomState(0), []
    for _ in range(_SHUFFLES):
        shuffled = np.bincount(labels * len(counts) + random.permutation(classes), minlength=counts.size)
        shuffled = shuffled.reshape(counts.shape)
        found.append(accuracy(shuffled, best(shuffled)))
    return min(1.0, float(np.mean(found) + _DEVIATIONS * np.std(found, ddof=1)))
