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


@pytest.mark.parametrize("device", [-1, 10**30, 1.5, True, [], torch.float32])
def test_what_is_no_device_is_a_line(device):
    with pytest.raises(UsageError, match=r'^device ".*" cannot be used.*; give "cpu", "cuda" or "auto"$'):
        pick_device(device)


@pytest.mark.parametrize("index", [-1, 99, 10**30])
def test_a_graphics_card_that_is_not_there_is_a_line(index):
    model = zoo.load("infomax-gan/digits", weights="random", device="cpu")
    for move in (model.to, model.cuda):
        with pytest.raises(UsageError, match="cannot be used"):
            move(index)


def test_a_refused_move_leaves_the_weights():
    model = zoo.load("infomax-gan/digits", weights="random", device="cpu")
    before = model.generate(torch.ones(1, model.latent_dim))
    with pytest.raises(UsageError, match="holds no values"):
        model.to("meta")
    assert torch.equal(model.generate(torch.ones(1, model.latent_dim)), before)
