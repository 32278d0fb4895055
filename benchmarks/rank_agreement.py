"""Do the two offline extractors order generators alike? One table, in docs/extractors.md.

python benchmarks/rank_agreement.py [--stages FOLDER --data cifar10.npz [--cache-dir FOLDER]]

The models are all of one data set whose configs hold a panel; their values are read, and nothing is measured. FOLDER
holds the sheets that a run writes while it trains (samples/0010000.png, ...), of one generator at growing steps: these
are measured here, by both extractors, against 5,000 real images.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.stats import kendalltau, spearmanr
from torch import Tensor

from zoo.common.text import table
from zoo.evaluation.features import extractors, references
from zoo.evaluation.metrics import formulas
from zoo.evaluation.panel import EXTRACTORS
from zoo.schema import registry

REAL, GAP = 5000, 2  # real images; pixels between the images of a sheet


def of_panels() -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Return values by data set, metric, extractor and model."""
    found: dict = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    for name in registry.names():
        config = registry.config(name)
        entry = config.default_weights
        for score in entry.panel.scores if entry and entry.panel else ():
            found[config.data.dataset][score.short_name][score.extractor][name] = score.value
    return found


def sheet(path: Path, side: int = 32) -> Tensor:
    """Return the images of a sheet, uint8 (N, 3, side, side)."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    rows, columns = ((length - GAP) // (side + GAP) for length in pixels.shape[:2])
    starts = [(GAP + i * (side + GAP), GAP + j * (side + GAP)) for i in range(rows) for j in range(columns)]
    return torch.from_numpy(np.stack([pixels[y : y + side, x : x + side] for y, x in starts])).permute(0, 3, 1, 2)


def of_stages(folder: Path, data: str, cache_dir: str | None) -> tuple[dict[str, dict[str, dict[str, float]]], int]:
    """Return values by metric, extractor and step, and the number of images of a stage."""
    sheets = {int(re.sub(r"\D", "", path.stem)): sheet(path) for path in sorted(folder.glob("*.png"))}
    found: dict = defaultdict(lambda: defaultdict(dict))
    for name in EXTRACTORS:
        extractor = extractors.load(name)
        reference = references.get(
            references.ReferenceData("cifar10", "train", 32, Path(data)),
            references.Selection(REAL),
            extractor,
            with_features=True,
            batch_size=64,
            cache_dir=cache_dir,
        )
        real, layer = reference.features, extractor.layer("fid")
        for step, images in sheets.items():
            fake = extractor(images, (layer,))[layer]
            found["FD"][name][step] = formulas.frechet_distance(formulas.statistics(fake), reference.statistics)
            found["KD"][name][step] = formulas.kernel_distance(fake, real, 100, len(fake)).value
    return found, min(map(len, sheets.values()))


def rows(what: str, count: int, by_metric: dict[str, dict[str, dict]]) -> list[list[str]]:
    """One row a metric that both extractors have of the same items."""
    lines = []
    for metric, values in by_metric.items():
        first, second = (values.get(name, {}) for name in EXTRACTORS)
        items = sorted(first.keys() & second.keys())
        if len(items) < 3:
            continue
        a, b = ([values[item] for item in items] for values in (first, second))
        rho, tau = spearmanr(a, b).statistic, kendalltau(a, b).statistic
        lines.append([what, metric, str(len(items)), f"{count:,}", f"{rho:.2f}", f"{tau:.2f}"])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", type=Path)
    parser.add_argument("--data")
    parser.add_argument("--cache-dir")
    given = parser.parse_args()
    lines = []
    for dataset, by_metric in of_panels().items():
        panels = [
            c.default_weights.panel
            for c in map(registry.config, registry.names())
            if c.data.dataset == dataset and c.default_weights and c.default_weights.panel
        ]
        count = max(score.num_fake for panel in panels for score in panel.scores)
        lines += rows(f"{dataset}: bundled models", count, by_metric)
    if given.stages:
        found, count = of_stages(given.stages, given.data, given.cache_dir)
        lines += rows("cifar10: steps of one training run", count, found)
        for metric, by_extractor in found.items():
            print(metric, {name: {k: float(f"{v:.4g}") for k, v in x.items()} for name, x in by_extractor.items()})
    print(table(("of", "metric", "items", "images of each", "Spearman", "Kendall"), lines))


if __name__ == "__main__":
    main()
