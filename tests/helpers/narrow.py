"""Models of the registry with narrow layers, for tests that are about structure."""

from __future__ import annotations

from collections.abc import Callable

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


def distinct(part: Callable[[ModelConfig], object]) -> list[str]:
    """Names of models that differ in this part once they are narrow: of several that are alike, the first."""
    first: dict[object, str] = {}
    for name in registry.names():
        first.setdefault(part(tiny(registry.config(name))), name)
    return list(first.values())


def short(name: str, steps: int = 3, **changes) -> ModelConfig:
    """A tiny model of the registry with a run of a few steps on small batches."""
    return tiny(registry.config(name)).updated({"training.steps": steps, "training.batch_size": 4, **changes})
