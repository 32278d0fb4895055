"""Shared by all tests: no network, no cache of the user's, the registry as it ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo import registry


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("ZOO_DATA", str(tmp_path_factory.getbasetemp() / "data"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def _registry_as_shipped():
    yield
    registry._registered.clear()


@pytest.fixture
def some_data(tmp_path):
    """Makes an .npz file of 20 random images that a model of the registry can be trained on."""

    def make(name: str):
        config, chance = registry.config(name), np.random.default_rng(0)
        side, path = config.data.resolution, tmp_path / "data.npz"
        images = chance.integers(0, 256, (20, side, side, 3), dtype=np.uint8)
        split = config.data.split
        np.savez(path, **{f"{split}_images": images, f"{split}_labels": np.arange(20) % max(config.num_classes, 1)})
        return path

    return make


@pytest.fixture
def data_root(tmp_path, monkeypatch) -> Path:
    """An empty data folder for one test."""
    folder = tmp_path / "root"
    monkeypatch.setenv("ZOO_DATA", str(folder))
    return folder
