"""Counter-based noise: the published test vectors of Philox, the right distributions, and no dependence on the call."""

import numpy as np
import pytest
import torch
from scipy import stats

from zoo.common import philox
from zoo.common.errors import ZooError
from zoo.sampling import latents


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # Random123's known answers for philox4x32-10
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_known_answers(counter, key, expected):
    c = [int(word, 16) for word in counter.split()]
    k = [int(word, 16) for word in key.split()]
    words = philox.philox(k[0] | k[1] << 32, (*(torch.tensor([word]) for word in c[:3]), c[3]))
    assert [int(word) for word in words] == [int(word, 16) for word in expected.split()]


def test_latents_are_standard_normal():
    z = latents.normal(seed=3, start=0, n=2000, dim=50)
    assert z.dtype == torch.float32
    assert stats.kstest(z.flatten().numpy(), "norm").pvalue > 0.001
    correlation = torch.corrcoef(z.t()) - torch.eye(50)
    assert correlation.abs().max() < 0.12  # 5 standard deviations of 1/sqrt(2000)


@pytest.mark.parametrize("threshold", [0.3, 1.0, 2.0])
def test_truncation_is_the_truncated_normal(threshold):
    z = latents.normal(0, 0, 400, 50, threshold)
    assert z.abs().max() <= threshold
    assert stats.kstest(z.flatten().numpy(), stats.truncnorm(-threshold, threshold).cdf).pvalue > 0.001
    plain = latents.normal(0, 0, 400, 50)
    inside = plain.abs() <= threshold
    assert torch.equal(z[inside], plain[inside]), "only what lies outside is drawn again"


@pytest.mark.parametrize("dim", [1, 3, 4, 128])
def test_rows_depend_on_seed_and_index_alone(dim):
    whole = latents.normal(7, 0, 20, dim)
    assert torch.equal(torch.cat([latents.normal(7, i, 1, dim) for i in range(20)]), whole)
    assert torch.equal(latents.normal(7, 0, 20, dim + 5)[:, :dim], whole), "a longer latent begins with the shorter"
    assert not torch.equal(latents.normal(8, 0, 20, dim), whole)
    far = latents.normal(7, 1 << 33, 2, dim)  # indices beyond 32 bits are no repetition
    assert not torch.equal(far, whole[:2])


def test_labels_are_uniform_and_independent_of_the_latents():
    y = latents.labels(seed=1, start=0, n=10_000, num_classes=10)
    assert stats.chisquare(torch.bincount(y, minlength=10).numpy()).pvalue > 0.001
    z = latents.normal(1, 0, 10_000, 1)[:, 0]
    assert abs(stats.spearmanr(y.numpy(), z.numpy()).statistic) < 0.05


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_many_latents_are_made_in_parts_that_change_nothing(threshold, monkeypatch):
    whole, y = latents.normal(7, 3, 50, 12, threshold), latents.labels(7, 3, 50, 10)
    monkeypatch.setattr(latents, "_AT_ONCE", 100)
    assert torch.equal(latents.normal(7, 3, 50, 12, threshold), whole)
    monkeypatch.setattr(latents, "_AT_ONCE", 7)
    assert torch.equal(latents.labels(7, 3, 50, 10), y)


def test_more_latents_than_fit_are_refused_at_once():
    with pytest.raises(ZooError, match=r"^10,000,000,000,000 latents of 100 numbers take 3,725,290 GiB, .* GiB free; "):
        latents.normal(0, 0, 10**13, 100)
    with pytest.raises(ZooError, match=r"the labels of 10,000,000,000,000 images take 74,506 GiB"):
        latents.labels(0, 0, 10**13, 10)


def test_latents_do_not_follow_the_default_device():
    z, y = latents.normal(1, 0, 3, 5, 1.0), latents.labels(1, 0, 3, 10)
    with torch.device("meta"):
        assert torch.equal(latents.normal(1, 0, 3, 5, 1.0), z)
        assert torch.equal(latents.labels(1, 0, 3, 10), y)


def test_narrow_numbers_do_not_overflow():
    whole, y = latents.normal(1, 100, 100, 5), latents.labels(1, 100, 100, 10)
    for kind in (np.int8, np.uint8, lambda value: torch.tensor(value, dtype=torch.int8)):
        assert torch.equal(latents.normal(1, kind(100), kind(100), 5), whole)
        assert torch.equal(latents.labels(1, kind(100), kind(100), 10), y)


@pytest.mark.parametrize(
    "seed",
    [
        *(2**64 - 1, np.uint64(2**64 - 1), np.array(2**64 - 1, np.uint64)),
        *(200, np.uint8(200), np.array(200, np.uint8), torch.tensor(200, dtype=torch.uint8), torch.tensor([200])),
    ],
)
def test_seeds_are_integers_of_any_kind(seed):
    checked = latents.check_seed(seed)
    assert type(checked) is int
    assert checked in (200, 2**64 - 1)


@pytest.mark.parametrize("seed", [-1, 1 << 64, 1.5, "0", True, np.int8(-1), torch.tensor(True), np.array([1, 2])])
def test_unusable_seeds_are_refused(seed):
    with pytest.raises(ZooError, match="seed"):
        latents.check_seed(seed)


def test_no_seed_is_a_fresh_seed():
    assert latents.check_seed(None) != latents.check_seed(None)


def test_a_generator_gives_seeds_and_advances():
    def drawn(generator) -> list[int]:
        return [latents.seed_from(None, generator) for _ in range(3)]

    first = drawn(torch.Generator().manual_seed(1))
    assert len(set(first)) == 3
    assert max(first) >= 1 << 32, "more than 32 bits are drawn"
    assert all(0 <= seed < 1 << 63 for seed in first)
    assert drawn(torch.Generator().manual_seed(1)) == first
    assert drawn(torch.Generator().manual_seed(2)) != first
    before = torch.random.get_rng_state()
    with torch.device("meta"):
        assert drawn(torch.Generator().manual_seed(1)) == first
    assert torch.equal(torch.random.get_rng_state(), before), "the global generator is not touched"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_generator_of_a_gpu():
    first = [latents.seed_from(None, torch.Generator("cuda").manual_seed(1)) for _ in range(2)]
    assert first[0] == first[1]


def test_seed_or_generator():
    assert latents.seed_from(np.uint8(7), None) == 7
    assert latents.seed_from(None, None) != latents.seed_from(None, None)
    with pytest.raises(ZooError, match="both given; give one"):
        latents.seed_from(0, torch.Generator())
    with pytest.raises(ZooError, match=r"generator is .*; give a torch.Generator"):
        latents.seed_from(None, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("given", "number"),
    [
        *((None, None), ("none", None), (" None ", None), ("0.7", 0.7), (" 2 ", 2.0), (1, 1.0), (0.05, 0.05)),
        *((np.float64(0.7), 0.7), (np.int8(2), 2.0), (np.array(0.5), 0.5), (torch.tensor(0.5), 0.5)),
    ],
)
def test_truncation_in_every_form(given, number):
    assert latents.check_truncation(given) == number
    assert torch.equal(latents.normal(0, 0, 4, 8, given), latents.normal(0, 0, 4, 8, number))


@pytest.mark.parametrize(
    "given",
    [
        *(0.0, 0.04, -1, "nan", "inf", float("nan"), float("inf"), -np.inf, np.float32("nan"), 10**400, 1j),
        *("", "much", "0,7", True, np.True_, torch.tensor(True), [0.7], torch.tensor([0.5, 0.7])),
    ],
)
def test_what_limits_nothing_is_refused(given):
    with pytest.raises(ZooError, match=r"^truncation is .*; give a number of at least 0.05, or None for no limit$"):
        latents.normal(0, 0, 1, 1, truncation=given)
