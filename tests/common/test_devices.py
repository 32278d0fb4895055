"""Devices by name: those that cannot compute are refused before anything moves there."""

import pytest
import torch

import zoo
from zoo.common.devices import pick_device
from zoo.common.errors import UsageError


@pytest.mark.parametrize("name", ["meta", "hpu", "gpu", "", "cuda:99"])
def test_a_device_that_cannot_compute_is_refused(name):
    with pytest.raises(UsageError, match=f'^device "{name}" cannot be used.*; give "cpu", "cuda" or "auto"$'):
        pick_device(name)


def test_a_refused_move_leaves_the_weights():
    model = zoo.load("infomax-gan/digits", weights="random", device="cpu")
    before = model.generate(torch.ones(1, model.latent_dim))
    with pytest.raises(UsageError, match="holds no values"):
        model.to("meta")
    assert torch.equal(model.generate(torch.ones(1, model.latent_dim)), before)
