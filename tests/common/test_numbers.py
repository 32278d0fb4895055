"""Whole numbers in every form that people give them."""

import numpy as np
import pytest
import torch

from zoo.common.errors import ZooError
from zoo.common.numbers import evenly_spaced, from_end_to_end, whole


@pytest.mark.parametrize(
    "value",
    [200, np.uint8(200), np.uint64(200), np.array(200), torch.tensor(200), torch.tensor([200], dtype=torch.uint8)],
)
def test_integers_of_any_width_are_numbers(value):
    number = whole("n", value)
    assert type(number) is int
    assert number + 100 == 300


@pytest.mark.parametrize(
    "value",
    [True, np.True_, torch.tensor(True), 1.5, np.float32(2), torch.tensor(2.0), "3", None, np.array([1, 2]), -1, [4]],
)
def test_what_is_no_count_is_refused_by_name(value):
    with pytest.raises(ZooError, match=r"^n is .*; give a whole number of at least 0$"):
        whole("n", value)


def test_bounds_are_told():
    assert whole("seed", np.uint64(2**64 - 1), maximum=2**64 - 1) == 2**64 - 1
    with pytest.raises(ZooError, match="steps is 1; give a whole number from 2 to 9"):
        whole("steps", 1, 2, 9)


def test_evenly_spaced_ones_have_both_ends():
    assert from_end_to_end(3, 9) == [0, 4, 8]
    assert from_end_to_end(4, 8) == [0, 2, 5, 7]
    assert from_end_to_end(5, 3) == [0, 1, 2], "each once"
    assert from_end_to_end(1, 9) == [8], "the last"
    assert from_end_to_end(3, 0) == []
    assert evenly_spaced(3, 9) == [0, 3, 6], "from the first on"
    assert evenly_spaced(4, 10) == [0, 2, 5, 7]
    assert evenly_spaced(5, 3) == [0, 1, 2]
    assert evenly_spaced(3, 0) == []
