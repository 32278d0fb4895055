"""Winograd convolutions are the stated ones: every size, upsampling and way of cutting the work into pieces."""

import pytest
import torch
import torch.nn.functional as F

from zoo.inference import winograd
from zoo.nets.resample import upsample

KINDS = (winograd.WinogradConv, winograd.RowWinogradConv)


def stated(x, weight, bias, mode):
    x, weight = x.double(), weight.double()
    return F.conv2d(x if mode is None else upsample(x, mode), weight, bias.double(), padding=1)


def operands(size, mode, n=3, channels=(5, 7)):
    torch.manual_seed(size)
    side = size if mode is None else size // 2
    weight = torch.randn(channels[1], channels[0], 3, 3) / (3 * channels[0] ** 0.5)
    return torch.randn(n, channels[0], side, side), weight, torch.randn(channels[1])


@pytest.mark.parametrize("mode", [None, "nearest", "bilinear"])
@pytest.mark.parametrize("size", [2, 4, 6, 8, 14, 16, 20, 34, 48])
@pytest.mark.parametrize("kind", KINDS)
def test_a_convolution_of_any_size(kind, size, mode):
    x, weight, bias = operands(size, mode)
    expected = stated(x, weight, bias, mode)
    conv = kind(weight, bias, size, mode).to(memory_format=torch.channels_last)
    found = conv(x.to(memory_format=torch.channels_last))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert (found - expected).abs().max() < 3e-5
    onto = torch.randn(expected.shape).to(memory_format=torch.channels_last)
    total = expected + onto
    assert (conv(x, onto=onto) - total).abs().max() < 3e-5


@pytest.mark.parametrize("mode", [None, "nearest", "bilinear"])
@pytest.mark.parametrize("kind", KINDS)
def test_pieces_do_not_matter(kind, mode, monkeypatch):
    x, weight, bias = operands(24, mode, n=5)
    whole = kind(weight, bias, 24, mode)(x)
    monkeypatch.setattr(winograd, "BLOCK", 8)
    monkeypatch.setattr(winograd, "SCRATCH", 1)  # an image at a time
    pieces = kind(weight, bias, 24, mode)(x)
    assert (whole - pieces).abs().max() < 3e-5


def test_multiplications_of_a_tile():
    _, weight, bias = operands(8, None)
    points = {mode: winograd.WinogradConv(weight, bias, 8, mode).points for mode in (None, "bilinear", "nearest")}
    assert points == {None: 6, "bilinear": 6, "nearest": 5}


@pytest.mark.parametrize("points", [winograd.POINTS, winograd.POINTS_OF_NEAREST])
def test_minimal_filtering_is_a_correlation(points):
    output, kernel, input = winograd.minimal_filtering(points)
    x, g = torch.randn(6).double(), torch.randn(3).double()
    expected = torch.stack([(x[i : i + 3] * g).sum() for i in range(4)])
    assert torch.allclose(output @ ((kernel @ g) * (input @ x)), expected, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_rounding_error_is_a_few_times_that_of_the_direct_convolution(kind):
    x, weight, bias = operands(32, None, n=1, channels=(64, 64))
    expected = stated(x, weight, bias, None)
    direct = (F.conv2d(x, weight, bias, padding=1) - expected).square().mean().sqrt()
    ours = (kind(weight, bias, 32)(x) - expected).square().mean().sqrt()
    assert ours < 10 * direct
