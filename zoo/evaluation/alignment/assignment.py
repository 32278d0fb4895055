"""From counts to an assignment: which class each label of a conditional generator draws, and whether to trust it.

Counts are a table (labels, classes): how many images that were asked for by a label show a class, as a classifier or a
discriminator sees them. The assignment is the one-to-one map of labels to classes under which most images are right.
The best of all K! maps is right more often than the asked one by chance alone, so a difference has to be larger than
chance makes it before it is trusted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...schema.label_alignment import PERMUTED, RIGHT, UNKNOWN, Verdict

_SIGNIFICANCE = 0.01
_SHUFFLES, _DEVIATIONS = 99, 3  # of a normal distribution one value in 740 is farther above the mean


@dataclass(frozen=True)
class Assignment:
    """The assignment of a table of counts.

    Attributes:
        classes: the class that each label draws, a permutation; the identity unless the labels are permuted.
        verdict: in words.
        chance: the accuracy that the best assignment of images without any order hardly ever reaches.
    """

    classes: tuple[int, ...]
    verdict: Verdict
    chance: float


def assign(counts: np.ndarray, scores: np.ndarray | None = None) -> Assignment:
    """Return the trusted assignment.

    The best assignment is trusted if it gains, over the labels as they are, twice the share of images that the best
    assignment of shuffled images gains; and if it is clearly above chance while the labels as they are show their
    classes no more often than that. Otherwise only those of its cycles (labels that draw each other's classes) are kept
    whose labels show the assigned classes more often than their own, by the exact sign test at 1 %, corrected for the
    number of cycles of that length that could have been chosen. Labels that show their own class, and the assigned one
    hardly more often, always stay.

    Args:
        counts: (K, K) images, labels by classes, equally many images per label.
        scores: (K, K) how well the images of a label fit each class; the best assignment is sought in these. None:
            in the counts.
    """
    counts = np.asarray(counts)
    identity, classes = np.arange(len(counts)), best(counts if scores is None else scores)
    by_chance, best_by_chance = chance_accuracies(counts)
    asked, assigned = accuracy(counts), accuracy(counts, classes)
    gain = best_by_chance - 1 / len(counts)  # of shuffled images
    means_nothing = asked <= by_chance and assigned > best_by_chance + 0.25 * gain
    is_believed = means_nothing or assigned - asked > 2 * gain
    for cycle in cycles(classes):
        if not _is_significant(counts, classes, cycle) and (not is_believed or _shows_own(counts, cycle)):
            classes[cycle] = cycle
    if accuracy(counts, classes) <= best_by_chance:
        return Assignment(tuple(identity.tolist()), UNKNOWN, best_by_chance)
    verdict = RIGHT if (classes == identity).all() else PERMUTED
    return Assignment(tuple(classes.tolist()), verdict, best_by_chance)


def best(scores: np.ndarray) -> np.ndarray:
    """Return the permutation (K,) of the largest total score; of equal totals of counts, one that keeps most labels."""
    from scipy.optimize import linear_sum_assignment  # of the extra eval, which reports can be read without

    if np.issubdtype(scores.dtype, np.integer):
        scores = scores + np.eye(len(scores)) / (len(scores) + 1)  # less than one image in all
    return linear_sum_assignment(scores, maximize=True)[1]


def accuracy(counts: np.ndarray, classes: np.ndarray | tuple[int, ...] | None = None) -> float:
    """Return the share of images that show the class of their label; `classes` None: the class asked for."""
    rows = np.arange(len(counts))
    return float(counts[rows, rows if classes is None else np.asarray(classes)].sum() / max(1, counts.sum()))


def interval(share: float, total: int) -> tuple[float, float]:
    """Return the 95 % confidence interval (Wilson's) of a share of `total` images."""
    from scipy import stats

    found = stats.binomtest(round(share * total), total).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def cycles(classes: np.ndarray) -> list[list[int]]:
    """Return the cycles of a permutation with more than one element."""
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


def _shows_own(counts: np.ndarray, cycle: list[int]) -> bool:
    """True if the labels of a cycle show their own classes more often than chance, at 1 %."""
    from scipy import stats

    own, total = int(counts[cycle, cycle].sum()), int(counts[cycle].sum())
    return bool(stats.binom.sf(own - 1, total, 1 / len(counts)) < _SIGNIFICANCE)


def chance_accuracies(counts: np.ndarray) -> tuple[float, float]:
    """Return bounds on accuracy if labels were unrelated to the images: as asked, and by the best assignment.

    Three standard deviations above the means of 99 shuffles of the images among the labels.
    """
    labels, classes = np.indices(counts.shape)
    labels, classes = (np.repeat(index.ravel(), counts.ravel()) for index in (labels, classes))
    random, found = np.random.RandomState(0), []
    for _ in range(_SHUFFLES):
        shuffled = np.bincount(labels * len(counts) + random.permutation(classes), minlength=counts.size)
        shuffled = shuffled.reshape(counts.shape)
        found.append((accuracy(shuffled), accuracy(shuffled, best(shuffled))))
    asked, assigned = np.minimum(1, np.mean(found, axis=0) + _DEVIATIONS * np.std(found, axis=0, ddof=1)).tolist()
    return asked, assigned
