"""Shared by the tests: no network, no cache of the user's, and tiny copies of the registry's configs."""

from __future__ import annotations

import pytest

from zoo import registry
from zoo.config import ModelConfig


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def _registry_as_shipped():
    yield
    registry._registered.clear()


def tiny(config: ModelConfig) -> ModelConfig:
    """The same model with narrow layers: every width a sixteenth, but at least 8."""
    data = config.to_dict()
    for part in ("generator", "discriminator"):
        data[part]["channels"] = [max(8, c // 16) for c in data[part]["channels"]]
    if data["discriminator"]["head"]["type"] == "contrastive":
        data["discriminator"]["head"]["embedding_dim"] = 16
    if data["discriminator"]["infomax"]:
        data["discriminator"]["infomax"]["projection_dim"] = 16
    return ModelConfig.from_dict(data, config.name)
