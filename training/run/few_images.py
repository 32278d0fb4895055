"""What is added to a recipe where own pictures are few: the discriminator would learn them by heart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from zoo import datasets
from zoo.datasets.find import find
from zoo.schema.config import AUGMENTING, ModelConfig

FEW = 10_000  # pictures; of 10,000 and fewer, ADA's paper (arXiv 2006.06676, Figure 7) shows large gains
_CERTAINTY = 500_000  # real images from p = 0 to 1, the paper's


def adapted(config: ModelConfig, data: Path, name: str | None = None) -> tuple[ModelConfig, str | None]:
    """Return the config with an augmentation where it has none and own pictures are few, and a line that says so.

    ADA, whose p can reach 1 within half of the run; DiffAugment where the loss has no threshold, or the network tells
    quarter turns apart, which are among ADA's augmentations.

    Args:
        data, name: as `own_data.on_data` takes them.

    Raises:
        DataUnavailableError: there are no such data.
    """
    training = config.training
    source = find(config.data.dataset, config.data.split, data, config.conditional)
    if not source.is_own or name in datasets.CATALOGUE or AUGMENTING & {part.type for part in training.regularizers}:
        return config, None
    count = _chosen(source, config.data.class_names)
    if count >= FEW:
        return config, None
    seen = training.steps * training.discriminator_steps * training.batch_size  # real images
    part: dict[str, Any] = {"type": "adaptive-augment", "images_to_certainty": max(1, min(_CERTAINTY, seen // 2))}
    if training.adversarial == "wasserstein" or any(loss.type == "rotation" for loss in training.auxiliary):
        part = {"type": "diff-augment"}
    parts = [*config.to_dict()["training"]["regularizers"], part]
    what = "DiffAugment" if part["type"] == "diff-augment" else "ADA"
    line = (
        f"{count:,} picture{'s' * (count != 1)} are few: {what} is added to the recipe (--augment none leaves it out)"
    )
    return config.updated({"training.regularizers": parts}), line


def _chosen(source: Any, names: tuple[str, ...] | None) -> int:
    known = source.class_names
    if not names or not {*names} <= {*known}:
        return len(source)
    return int(np.isin(source.labels, [known.index(name) for name in names]).sum())
