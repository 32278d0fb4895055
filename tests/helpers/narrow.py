"""Models of the registry with narrow layers, for tests that are about structure."""

from __future__ import annotations

from zoo.schema import registry
from zoo.schema.config import ModelConfig


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


def short(name: str, steps: int = 3, **changes) -> ModelConfig:
    """A tiny model of the registry with a run of a few steps on small batches."""
    return tiny(registry.config(name)).updated({"training.steps": steps, "training.batch_size": 4, **changes})
