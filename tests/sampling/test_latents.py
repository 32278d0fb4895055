"""Counter-based noise: the published test vectors of Philox, the right distributions, and no dependence on the call."""

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


@pytest.mark.parametrize("seed", [-1, 1 << 64, 1.5, "0", True])
def test_unusable_seeds_are_refused(seed):
    with pytest.raises(ZooError, match="seed"):
        latents.check_seed(seed)


def test_no_seed_is_a_fresh_seed():
    assert latents.check_seed(None) != latents.check_seed(None)
    with pytest.raises(ZooError, match="truncation"):
        latents.normal(0, 0, 1, 1, truncation=0.0)
