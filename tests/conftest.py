"""Shared by all tests: no network, no cache of the user's, the registry as it ships."""

from __future__ import annotations

from pathlib import Path

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
def data_root(tmp_path, monkeypatch) -> Path:
    """An empty data folder for one test."""
    folder = tmp_path / "root"
    monkeypatch.setenv("ZOO_DATA", str(folder))
    return folder
