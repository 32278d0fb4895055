"""Random draws of the losses: counted, the same on any number of processes, and of the right distributions."""

import torch
from scipy import stats
from torch import Tensor

from training.noise import CountedNoise


def draws(noise: CountedNoise, n: int) -> list[Tensor]:
    return [noise.uniform(n, 3, 2), noise.normal(n, 5), noise.integers(-2, 3, n), noise.coins(n)]


def test_a_draw_depends_on_its_update_and_number_alone():
    noise, other = CountedNoise(7), CountedNoise(7)
    first = draws(noise, 4)
    noise.advance()
    second = draws(noise, 4)
    other.begin(1)
    assert all(torch.equal(a, b) for a, b in zip(second, draws(other, 4), strict=True))
    other.begin(0)
    assert all(torch.equal(a, b) for a, b in zip(first, draws(other, 4), strict=True))
    assert not torch.equal(first[0], second[0])
    assert not torch.equal(noise.uniform(4), noise.uniform(4))
    assert not torch.equal(CountedNoise(8).uniform(4), CountedNoise(7).uniform(4))


def test_two_processes_draw_what_one_does():
    parts = [draws(CountedNoise(3, first_row=first), 4) for first in (0, 4)]
    for a, b, whole in zip(*parts, draws(CountedNoise(3), 8), strict=True):
        assert torch.equal(torch.cat((a, b)), whole)


def test_draws_have_their_distributions():
    noise = CountedNoise(1)
    uniform, normal = noise.uniform(2000, 10).flatten(), noise.normal(2000, 10).flatten()
    assert stats.kstest(uniform, "uniform").pvalue > 0.001
    assert stats.kstest(normal, "norm").pvalue > 0.001
    assert uniform.min() >= 0
    assert uniform.max() < 1
    counts = torch.bincount(noise.integers(-3, 4, 7000) + 3, minlength=7)
    assert stats.chisquare(counts).pvalue > 0.001
    assert stats.binomtest(int(noise.coins(10_000).sum()), 10_000).pvalue > 0.001
