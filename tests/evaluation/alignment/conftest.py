"""A model whose labels are permuted: what was measured of it, and its folder."""

from __future__ import annotations

import pytest
from relabel import ORDER, as_run, permuted

import zoo


@pytest.fixture(scope="module")
def digits():
    return zoo.load("contragan/digits", device="cpu")


@pytest.fixture(scope="module")
def found(digits):
    """What was measured of the digits with permuted labels."""
    return zoo.align(permuted(digits, ORDER), 30)


@pytest.fixture
def run(tmp_path, digits):
    """A run folder whose labels are permuted."""
    return as_run(permuted(digits, ORDER), tmp_path / "run")
