"""Precisions in every form that people give them."""

import numpy as np
import pytest
import torch

from zoo.common.dtypes import named
from zoo.common.errors import ZooError


@pytest.mark.parametrize(
    ("given", "name"),
    [
        *((None, "float32"), ("float", "float32"), ("fp32", "float32"), ("float32", "float32"), (" FP32 ", "float32")),
        *(("fp16", "float16"), ("half", "float16"), ("torch.half", "float16"), ("bf16", "bfloat16"), ("tf32", "tf32")),
        *((torch.float32, "float32"), (torch.half, "float16"), (torch.bfloat16, "bfloat16")),
        *((np.float16, "float16"), (np.half, "float16"), (np.dtype("float32"), "float32"), (np.single, "float32")),
    ],
)
def test_precisions_by_name_abbreviation_and_dtype(given, name):
    assert named(given) == name


@pytest.mark.parametrize(
    "given", ["int8", "float64", "", torch.float64, torch.uint8, np.float64, float, 16, [1], "x" * 999, torch.ones(2)]
)
def test_others_are_refused_with_the_choices(given):
    with pytest.raises(ZooError, match=r"^dtype is .*; give one of float32, float16, bfloat16, tf32$") as error:
        named(given)
    assert len(str(error.value)) < 200


def test_the_choices_of_a_place():
    assert named(torch.half, ("float32", "float16")) == "float16"
    with pytest.raises(ZooError, match=r"dtype is 'bf16'; give one of float32, float16$"):
        named("bf16", ("float32", "float16"))
