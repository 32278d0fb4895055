"""From counts to an assignment of labels to classes: brute force, chance, planted permutations."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from zoo.evaluation.alignment import assignment
from zoo.schema.label_alignment import PERMUTED, RIGHT, UNKNOWN


def table(classes, each=100, right=0.45, seed=0, rivals=None):
    """Counts of a generator whose label i draws class classes[i]; a classifier sees the others evenly, or a rival."""
    random, count = np.random.default_rng(seed), len(classes)
    shares = np.full((count, count), (1 - right) / (count - 1))
    shares[np.arange(count), classes] = right
    for label, (rival, share) in (rivals or {}).items():
        shares[label] = (1 - right - share) / (count - 2)
        shares[label, classes[label]], shares[label, rival] = right, share
    return np.stack([random.multinomial(each, row) for row in shares])


@pytest.mark.parametrize("seed", range(5))
def test_the_best_assignment_is_that_of_brute_force(seed):
    counts = np.random.default_rng(seed).integers(0, 9, (6, 6))
    found = counts[np.arange(6), assignment.best(counts)].sum()
    assert found == max(counts[np.arange(6), list(p)].sum() for p in permutations(range(6)))


def test_among_equals_the_labels_stay():
    assert assignment.best(np.full((7, 7), 3)).tolist() == list(range(7))
    assert assignment.best(np.zeros((4, 4), int)).tolist() == list(range(4))


@pytest.mark.parametrize(("classes", "right"), [(10, 0.45), (10, 0.9), (200, 0.232)])
def test_a_planted_permutation_is_found(classes, right):
    order = np.random.default_rng(3).permutation(classes)
    found = assignment.assign(table(order, right=right))
    assert found.verdict == PERMUTED
    assert list(found.classes) == order.tolist()


@pytest.mark.parametrize(("classes", "each", "right"), [(2, 40, 0.8), (3, 30, 0.7), (10, 20, 0.45), (200, 25, 0.24)])
def test_a_permutation_is_called_one_with_few_images(classes, each, right):
    """Where not every label's class can be told, the verdict can, and most classes."""
    random = np.random.default_rng(7)
    for seed in range(5):
        order = np.roll(random.permutation(classes), 1) if classes > 3 else np.roll(np.arange(classes), 1)
        found = assignment.assign(table(order, each, right, seed))
        assert found.verdict == PERMUTED
        assert np.mean(np.array(found.classes) == order) > 0.7


def test_two_labels_swapped_among_two_hundred_are_found():
    order = np.arange(200)
    order[[17, 101]] = 101, 17
    found = assignment.assign(table(order, right=0.232))
    assert list(found.classes) == order.tolist()


def test_right_labels_stay_right():
    """Also where a classifier takes two classes for each other nearly as often as not; no table of 100 is changed."""
    rivals = {3: (5, 0.38), 5: (3, 0.38), 0: (8, 0.3)}
    for seed in range(100):
        found = assignment.assign(table(np.arange(10), right=0.42, seed=seed, rivals=rivals))
        assert (found.verdict, found.classes) == (RIGHT, tuple(range(10))), seed


@pytest.mark.parametrize("classes", [10, 50])
def test_labels_that_mean_nothing_cannot_be_told_apart(classes):
    verdicts = [assignment.assign(table(np.arange(classes), 20, 1 / classes, seed)).verdict for seed in range(50)]
    assert set(verdicts) == {UNKNOWN}


def test_one_class_for_all_labels_is_not_an_assignment():
    counts = np.zeros((10, 10), int)
    counts[:, 4] = 100
    assert assignment.assign(counts).verdict == UNKNOWN


def test_scores_decide_where_first_choices_do_not():
    """Two classes that a discriminator hardly tells apart: the counts are even, the mean scores are not."""
    counts = table([1, 0, 2, 3, 4], right=0.9)
    counts[[3, 4]] = [[0, 0, 0, 50, 50], [0, 0, 0, 50, 50]]
    scores = counts / 100
    scores[[3, 4]] = [[0, 0, 0, 0.97, 0.96], [0, 0, 0, 0.96, 0.97]]
    assert assignment.assign(counts, scores).classes == (1, 0, 2, 3, 4)


def test_chance_is_what_shuffled_images_reach():
    counts = table(np.arange(10), right=0.1)
    (_, bound), random = assignment.chance_accuracies(counts), np.random.default_rng(5)
    labels, classes = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))
    above = 0
    for _ in range(300):
        shuffled = np.zeros_like(counts)
        np.add.at(shuffled, (labels, random.permutation(classes)), 1)
        above += assignment.accuracy(shuffled, assignment.best(shuffled)) > bound
    assert above <= 3, "one of 740 in truth"
    assert bound > 0.115, "more than the one class of ten that a guess has"


@pytest.mark.parametrize(("share", "total"), [(0.088, 600), (0.718, 600), (0.0, 1000), (1.0, 50)])
def test_intervals_are_wilson_s(share, total):
    """Wilson 1927: all p whose distance to the share is at most z standard errors of p."""
    low, high = assignment.interval(share, total)
    z = stats.norm.ppf(0.975)
    exact = round(share * total) / total
    for bound in (low, high):
        assert abs(exact - bound) == pytest.approx(z * (bound * (1 - bound) / total) ** 0.5, abs=1e-9)


def test_cycles():
    assert assignment.cycles(np.arange(5)) == []
    found = assignment.cycles(np.array([1, 2, 0, 3, 5, 4]))
    assert sorted(map(sorted, found)) == [[0, 1, 2], [4, 5]]
