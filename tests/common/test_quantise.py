"""Pixel values: one rounding for what is shown, saved and measured."""

import torch

from zoo.common import quantise
from zoo.sampling.images import Images


def test_halves_are_rounded_up():
    grey = torch.tensor([-1.5, -1, -1 + 0.99 / 255, -1 + 1.01 / 255, 0, 1, 1.5]).view(1, 1, 1, -1)  # 127.5 at 0
    assert quantise.fixed(grey).flatten().tolist() == [0, 0, 0, 1, 128, 255, 255]
    assert torch.equal(Images.from_float(grey).uint8[:, :1], quantise.fixed(grey))


def test_measured_values_are_rounded_likewise():
    values = torch.tensor([-3, 0.49, 0.5, 254.4, 254.5, 300])
    assert quantise.rounded(values).tolist() == [0, 0, 1, 254, 255, 255]
    pixels = torch.arange(6, dtype=torch.uint8)
    assert quantise.rounded(pixels) is pixels
    assert quantise.min_max(torch.tensor([2.0, 3.0, 4.0]), 2.0, 4.0).tolist() == [0, 127, 255]
