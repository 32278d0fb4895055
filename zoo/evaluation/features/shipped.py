"""Statistics that ship with the package, so that a model can be scored where the data set is not.

A covariance is kept as its standard deviations (float32) and the upper half of the correlations (float16): a quarter of
the full matrix in float32. Measured on CIFAR-10's training images, this changes distances to four other sets of images
by at most 3e-6 of their value (16-bit integers: 9e-6; 8 bits: 22 %), where the spread over seeds is about 1e-2.
`benchmarks/ship_statistics.py` makes the files and their manifest.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ...common.files import verify_sha256
from ...common.package_data import data_path
from ..metrics.formulas import Statistics
from .reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from .extractor import Extractor


@cache
def manifest() -> tuple[dict, ...]:
    """List what ships: one entry per file, with the data, the extractor, the count and the file's sha256."""
    manifest = data_path("zoo.evaluation.features", "statistics", "manifest.json")
    return tuple(json.loads(manifest.read_text(encoding="utf-8"))["statistics"])


def find(dataset: str, split: str, resolution: int, count: int | None, extractor: Extractor) -> Reference | None:
    """The shipped statistics of all images of a split under this extractor, weights and preprocessing; or None."""
    wanted = {"dataset": dataset, "split": split, "resolution": resolution}
    for entry in _of_extractor(extractor):
        if all(entry[key] == value for key, value in wanted.items()) and count in (None, entry["count"]):
            return _read(entry)
    return None


def find_same(
    shape: Sequence[int], checksum: Callable[[], str], count: int | None, extractor: Extractor
) -> Reference | None:
    """The shipped statistics of exactly these images, whatever they are called; or None.

    Args:
        shape: (N, 3, S, S).
        checksum: returns `pixels_in_any_order` of them; in any order, as mean and covariance know none.
    """
    found = [e for e in _of_extractor(extractor) if (e["count"], 3, *2 * (e["resolution"],)) == tuple(shape)]
    if not found or count not in (None, shape[0]):
        return None
    return next((_read(entry) for entry in found if entry["checksum"] == checksum()), None)


def pixels_in_any_order(images: Tensor) -> str:
    """sha256 over the sorted sha256 of the images: the same for every copy of a data set, however it is ordered."""
    each = []
    for some in images.split(4096):
        each += [hashlib.sha256(image.data).digest() for image in some.contiguous().numpy()]
    return hashlib.sha256(b"".join(sorted(each))).hexdigest()


def _of_extractor(extractor: Extractor) -> list[dict]:
    return [e for e in manifest() if all(e[key] == value for key, value in extractor.identity.items())]


def _read(entry: dict) -> Reference:
    from safetensors.numpy import load_file

    path = data_path("zoo.evaluation.features", "statistics", entry["file"])
    verify_sha256(path, entry["file_sha256"])
    about = {key: entry[key] for key in ("dataset", "split", "resolution", "count", "classes", "checksum")}
    about |= {"total": entry["count"], "selection": "all", "from": "shipped"}
    return Reference(about, unpack(load_file(path), entry["count"]))


def pack(found: Statistics) -> dict[str, np.ndarray]:
    """Pack mean and deviations in float32, correlations above the diagonal in float16, row by row."""
    deviations = np.sqrt(np.diag(found.sigma))
    correlations = found.sigma / np.outer(deviations, deviations)
    upper = correlations[np.triu_indices_from(correlations, 1)]
    return {
        "mu": found.mu.astype(np.float32),
        "deviations": deviations.astype(np.float32),
        "correlations": upper.astype(np.float16),
    }


def unpack(packed: dict[str, np.ndarray], count: int) -> Statistics:
    """Unpack the statistics to the precisions that torch-fidelity uses."""
    deviations = packed["deviations"].astype(np.float64)
    correlations = np.eye(len(deviations))
    upper = np.triu_indices_from(correlations, 1)
    correlations[upper] = packed["correlations"]
    correlations.T[upper] = correlations[upper]
    return Statistics(packed["mu"], correlations * np.outer(deviations, deviations), count)
