"""Metrics of features against their definitions, written again in NumPy, and against known values."""

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.covariance import ledoit_wolf

from zoo.common.errors import ZooError
from zoo.evaluation.features.reference import Reference
from zoo.evaluation.metrics import cmmd, copying, formulas, monge, neighbourhoods, prd, scores
from zoo.evaluation.names import C_T_OF_COPIES
from zoo.evaluation.protocols.protocol import FID, KID


def normal(count, width=4, seed=0, shift=0.0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return shift + scale * torch.randn(count, width, generator=generator)


def distances(a, b):
    return np.sqrt(((a.double().numpy()[:, None] - b.double().numpy()[None]) ** 2).sum(axis=-1))


def with_copies(of, share, seed=9):
    """Fresh features, of which a share are those of training images, almost."""
    fresh, copies = normal(1000, seed=seed), int(1000 * share)
    fresh[:copies] = of[:copies] + 1e-4
    return fresh


# ----------------------------------------------------------------------------------------------- density and coverage


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_density_and_coverage_are_those_of_the_definition(shift, monkeypatch):
    monkeypatch.setattr(neighbourhoods, "_ROWS", 17)
    real, fake = normal(90), normal(70, seed=1, shift=shift)
    radii = np.sort(distances(real, real), axis=1)[:, 5]  # the first is the point itself
    inside = distances(real, fake) < radii[:, None]
    found = neighbourhoods.density_coverage(fake, real, 5)
    assert found.density == pytest.approx(inside.sum(axis=0).mean() / 5)
    assert found.coverage == pytest.approx(inside.any(axis=1).mean())


def test_density_and_coverage_of_known_samples():
    """Two samples of one distribution: 1, and 1 - (N - 1 ... N - k) / (2N - 1 ... 2N - k) (lemma 2 of the paper)."""
    same = neighbourhoods.density_coverage(normal(1500, seed=1), normal(1500), 5)
    expected = 1 - np.prod([(1500 - i) / (3000 - i) for i in range(1, 6)])
    assert same.density == pytest.approx(1, abs=0.04)
    assert same.coverage == pytest.approx(expected, abs=0.02)
    assert neighbourhoods.density_coverage(normal(200, shift=100), normal(200), 5) == (0, 0)
    one_mode = neighbourhoods.density_coverage(normal(500, seed=1, scale=0.1), normal(500), 5)
    assert one_mode.density > 1.1
    assert one_mode.coverage < 0.5


def test_many_equal_features_have_no_room_between_them():
    assert neighbourhoods.density_coverage(torch.zeros(20, 3), torch.zeros(20, 3), 5) == (0, 0)


# ----------------------------------------------------------------------------------------------------------------- PRD


def test_the_curve_of_discrete_distributions():
    same, apart = np.array([0.5, 0.5, 0, 0]), np.array([0, 0, 0.5, 0.5])
    middle = prd.ANGLES // 2  # slope 1: precision and recall are the common mass
    assert prd.curve(same, same)[:, middle] == pytest.approx([1, 1])
    assert prd.curve(same, apart).max() == 0
    half = np.array([1.0, 0, 0, 0])  # one of two modes: all of it is real, half of the data is covered
    precision, recall = prd.curve(half, same)
    assert (precision.max(), recall.max()) == pytest.approx((1, 0.5))
    for angle in (100, 700):
        slope = np.tan(np.pi / 2 * angle / 1000)
        expected = sum(min(slope * p, q) for p, q in zip(same, half, strict=True))
        assert prd.curve(half, same)[:, angle] == pytest.approx([expected, expected / slope], rel=1e-6)


def test_f_scores_are_those_of_the_definition():
    fake, real = normal(300, seed=1, shift=0.7), normal(300)
    curves = []
    for run in range(3):
        mine, theirs = prd.histograms(fake, real, 20, 2020 + run)
        assert mine.sum() == pytest.approx(theirs.sum()) == pytest.approx(1)
        slopes = np.tan(np.linspace(1e-10, np.pi / 2 - 1e-10, 1001))
        p = np.array([np.minimum(slope * theirs, mine).sum() for slope in slopes])
        curves.append((p.clip(0, 1), (p / slopes).clip(0, 1)))
    p, r = np.mean(curves, axis=0)
    expected = [max((1 + b * b) * p * r / (b * b * p + r + 1e-10)) for b in (8, 1 / 8)]
    assert prd.f_scores(fake, real, 20, 3) == pytest.approx(expected, rel=1e-9)


def test_f_scores_tell_a_missing_mode_from_bad_images():
    modes = torch.cat([normal(200, shift=0), normal(200, seed=1, shift=20)])
    missing = prd.f_scores(normal(400, seed=2), modes, runs=2)
    bad = prd.f_scores(modes, normal(400, seed=2), runs=2)
    assert missing.precision > 0.9 > 0.6 > missing.recall
    assert bad.recall > 0.9 > 0.6 > bad.precision


# ---------------------------------------------------------------------------------------------------------------- MIND


def test_mind_is_that_of_the_definition():
    fake, real = normal(80, seed=1, shift=0.5), normal(80)
    draw = torch.randn(150, 4, generator=torch.Generator().manual_seed(2020), dtype=torch.float64).numpy()
    directions = draw / np.linalg.norm(draw, axis=1, keepdims=True)
    total = 0.0
    for u in directions:
        total += ((np.sort(fake.double().numpy() @ u) - np.sort(real.double().numpy() @ u)) ** 2).mean()
    assert monge.sliced_distance(fake, real, 150) == pytest.approx(3 * 4 * total / 150, rel=1e-5)


def test_mind_of_a_shift_and_of_a_scale():
    """W_2^2 along u is (u d)^2 for a shift d, whose mean is |d|^2 / D; (s - 1)^2 E[(u x)^2] for a scale s."""
    real = normal(500, 16)
    assert monge.sliced_distance(real, real) == 0
    assert monge.sliced_distance(real + 2, real, 1000) == pytest.approx(3 * 16 * 4, rel=0.1)
    assert monge.sliced_distance(3 * real, real, 1000) == pytest.approx(3 * 16 * 4, rel=0.1)


# ---------------------------------------------------------------------------------------------------------------- CMMD


def test_cmmd_is_that_of_the_definition(monkeypatch):
    monkeypatch.setattr(cmmd, "_ROWS", 17)
    fake, real = normal(50, 6, seed=1, shift=0.5), normal(40, 6)
    x, y = (side.double().numpy() for side in (fake, real))
    x, y = (side / np.sqrt((side**2).sum(axis=1, keepdims=True)) for side in (x, y))

    def mean_kernel(a, b):
        return np.mean([[np.exp(-((p - q) ** 2).sum() / (2 * 10**2)) for q in b] for p in a])

    expected = 1000 * (mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y))
    assert expected > 1
    assert cmmd.cmmd(fake, real) == pytest.approx(expected, rel=1e-9)
    assert cmmd.cmmd(5 * fake, real) == pytest.approx(expected, rel=1e-6), "the length of embeddings does not count"
    assert cmmd.cmmd(real, real) == pytest.approx(0, abs=1e-9)


# ------------------------------------------------------------------------------------------- bias and what needs none


def test_the_kernel_distance_is_unbiased_and_the_frechet_distance_is_not():
    """Why only the latter is extrapolated: the mean over many small samples, against that over a few large ones."""

    def mean(distance, count, repeats):
        found = [distance(normal(count, seed=2 * i, shift=0.3), normal(count, seed=2 * i + 1)) for i in range(repeats)]
        return np.mean(found), np.std(found) / np.sqrt(repeats)

    def kernel(a, b):
        return formulas.kernel_distance(a, b, 1, len(a)).value

    def frechet(a, b):
        return formulas.CovarianceRoot(formulas.statistics(b)).distance(formulas.statistics(a))

    (few, error), (many, _) = mean(kernel, 20, 200), mean(kernel, 500, 20)
    assert many > 4 * error
    assert few == pytest.approx(many, abs=3 * error)
    (few, error), (many, _) = mean(frechet, 20, 50), mean(frechet, 500, 10)
    assert few > many + 10 * error


@pytest.mark.parametrize(("fakes", "reals", "size"), [(90, 70, 60), (70, 90, 70), (40, 50, 30)])
def test_the_kernel_distance_is_torch_fidelitys_however_many_images_its_subsets_share(fakes, reals, size, monkeypatch):
    from torch_fidelity.metric_kid import kid_features_to_metric

    monkeypatch.setattr(formulas, "_KERNEL_ROWS", 17)
    fake, real = normal(fakes, seed=1, shift=0.2).double(), normal(reals).double()
    shared = formulas._kernel_distance_of_all_pairs(fake, real, 20, size, 5)
    assert formulas.kernel_distance(fake, real, 20, size, 5) == shared
    options = {"kid_subsets": 20, "kid_subset_size": size, "rng_seed": 5, "verbose": False}
    expected = kid_features_to_metric(fake, real, **options).values()
    assert shared == pytest.approx(tuple(expected), rel=1e-12)
    assert formulas.kernel_distance(fake, real, 1, size // 3, 5).std == 0  # torch-fidelity's own: subsets share little


def test_frechet_distances_of_known_gaussians():
    """|m|^2 + sum (s1 - s2)^2 for covariances with the same axes, from exact moments."""
    draw = np.random.RandomState(0)
    axes = np.linalg.qr(draw.randn(8, 8))[0]
    s1, s2, shift = draw.uniform(0.5, 2, 8), draw.uniform(0.5, 2, 8), draw.randn(8)
    first, second = (
        formulas.Statistics(m, axes @ np.diag(s**2) @ axes.T, 100) for m, s in ((shift, s1), (np.zeros(8), s2))
    )
    expected = shift @ shift + ((s1 - s2) ** 2).sum()
    assert formulas.frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)
    assert formulas.CovarianceRoot(second).distance(first) == pytest.approx(expected, rel=1e-9)


# ------------------------------------------------------------------------------------------------- shrunk covariances


@pytest.mark.parametrize("counts", [(12, 9), (60, 25), (200, 150)])
def test_the_shrunk_distance_is_that_of_scikit_learns_covariances(counts):
    """Fewer, about as many and more images than features, against the whole matrices and scipy's square root."""
    mix = normal(40, 40, seed=3)
    fake, real = normal(counts[0], 40, seed=1, shift=0.3) @ mix, 1.5 * normal(counts[1], 40) @ mix
    (s1, _), (s2, _) = (ledoit_wolf(side.double().numpy()) for side in (fake, real))
    difference = fake.double().mean(0) - real.double().mean(0)
    expected = float(difference @ difference) + np.trace(s1 + s2 - 2 * scipy.linalg.sqrtm(s1 @ s2).real)
    assert formulas.shrunk_distance(fake, real) == pytest.approx(expected, rel=1e-6)
    assert formulas.shrunk_distance(real, real) == pytest.approx(0, abs=1e-6 * expected)


# --------------------------------------------------------------------------------------------------------------- copies


def test_authenticity_is_that_of_the_definition():
    real, fake = normal(120), normal(90, seed=1)
    between, among = distances(fake, real), distances(real, real) + np.diag(np.full(120, np.inf))
    authentic = [among[nearest].min() < row[nearest] for row in between for nearest in [row.argmin()]]
    assert 0.2 < np.mean(authentic) < 0.95
    assert neighbourhoods.authentic_share(fake, real) == pytest.approx(np.mean(authentic))


def test_exact_copies_are_not_authentic():
    wide = normal(500, 1280, scale=10)
    assert neighbourhoods.authentic_share(wide[:100], wide) == 0


def test_one_copy_in_ten_shows_and_none_does_not():
    train, held_out = normal(2000), normal(1000, seed=5)
    usual = neighbourhoods.authentic_share(held_out, train)
    none, some, all_ = (neighbourhoods.authentic_share(with_copies(train, share), train) for share in (0, 0.1, 1))
    assert none == pytest.approx(usual, abs=0.05)
    assert some == pytest.approx(0.9 * none, abs=0.02)
    assert all_ == 0
    none, some, all_ = (copying.copying_score(with_copies(train, share), train, held_out) for share in (0, 0.1, 1))
    assert abs(none) < 2.5
    assert some < min(none, 0) - 2
    assert all_ < -15


def test_the_copying_score_is_that_of_the_definition():
    """In one cell: U counts the pairs where a generated feature is farther from the training set."""
    train, held_out, fake = normal(200), normal(80, seed=1), normal(60, seed=2, scale=1.3)
    mine, theirs = distances(fake, train).min(axis=1), distances(held_out, train).min(axis=1)
    u = sum((a > b) + 0.5 * (a == b) for a in mine for b in theirs)
    n, m = 80, 60
    expected = (u - (n * m / 2 - 0.5)) / np.sqrt(n * m * (n + m + 1) / 12)
    assert expected > 1, "a wider generator is farther off"
    assert copying.copying_score(fake, train, held_out, cells=1) == pytest.approx(expected)


def test_cells_are_weighted_by_held_out_features_and_small_ones_left_out():
    def places(*counts, seed):
        return torch.cat([normal(c, 2, seed=seed + i, shift=50 * i) for i, c in enumerate(counts)])

    train, held_out, fake = places(100, 100, seed=0), places(30, 90, seed=2), places(60, 40, seed=4)
    first = copying.copying_score(fake[:60], train[:100], held_out[:30], cells=1)
    second = copying.copying_score(fake[60:], train[100:], held_out[30:], cells=1)
    assert copying.copying_score(fake, train, held_out, cells=2) == pytest.approx((30 * first + 90 * second) / 120)
    assert copying.copying_score(fake[:70], train, held_out, cells=2) == pytest.approx(first)
    with pytest.raises(ZooError, match="no held-out images"):
        copying.copying_score(fake, train, held_out[:30], cells=2)
    with pytest.raises(ZooError, match="more than 20 generated"):
        copying.copying_score(fake[:20], train, held_out, cells=2)


def test_images_around_a_dense_part_have_the_c_t_of_copies_but_not_their_authpct():
    generator = torch.Generator().manual_seed(0)

    def drawn(count: int, scale: float = 1.0) -> torch.Tensor:
        return scale * torch.randn(count, 16, generator=generator)

    train, test = (torch.cat([drawn(250, 0.3), drawn(750)]) for _ in range(2))
    around, copied = drawn(500, 0.4), torch.cat([train[::4] + drawn(250, 0.02), test[::4]])
    assert max(copying.copying_score(fake, train, test) for fake in (around, copied)) < C_T_OF_COPIES
    of_test, of_around, of_copied = (neighbourhoods.authentic_share(x, train) for x in (test[1::2], around, copied))
    assert of_around > of_test
    assert of_copied < 0.7 * of_test


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
@pytest.mark.parametrize("settings", [FID(), KID()])
def test_a_score_that_overflows_is_one_line(settings):
    real = Reference({"count": 30}, formulas.Statistics(np.full(4, 1e200), np.eye(4), 30), normal(30, scale=1e20))
    with pytest.raises(ZooError, match=r"is no finite number, as they are too large"):
        scores.values(settings, normal(30), real)
