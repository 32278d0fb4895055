"""What files of reference statistics must hold, whoever wrote them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...common.errors import ZooError
from ..metrics.formulas import Statistics
from .reference_cache import FORMAT

IDENTITY = ("extractor", "sha256", "preprocessing", "layer")  # of the features
_STATED = ("count", *IDENTITY)  # in files of the cache, too
_COUNTS = ("count", "resolution", "total", "classes")
_TEXTS = (*IDENTITY, "dataset", "split", "selection", "checksum")
_ROUNDING = 1e-4  # of a covariance, relative to its largest entry; files of float32 have 1e-7


def check_statistics(known: Statistics) -> None:
    """Raise ZooError unless these are the mean and the covariance of features."""
    width = len(known.mu) if known.mu.ndim == 1 else 0
    if not width or known.sigma.shape != (width, width):
        raise ZooError(f"mu is {known.mu.shape} and sigma {known.sigma.shape}, which do not fit")
    if not (np.isfinite(known.mu).all() and np.isfinite(known.sigma).all()):
        raise ZooError("it has values that are not finite")
    margin = _ROUNDING * abs(known.sigma).max()
    if abs(known.sigma - known.sigma.T).max() > margin or not _has_no_negative_eigenvalues(known.sigma, margin):
        raise ZooError("sigma is no covariance")


def _has_no_negative_eigenvalues(sigma: np.ndarray, margin: float) -> bool:
    try:
        np.linalg.cholesky(sigma + (margin + np.finfo(float).tiny) * np.eye(len(sigma)))  # far cheaper than eigenvalues
    except np.linalg.LinAlgError:
        return False
    return True


def check_manifest(manifest: Any) -> dict[str, Any]:
    """Return the manifest of our layout; raises ZooError if it is of another version or states no facts."""
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ZooError("it has no manifest of this version")
    for keys, kind in ((_COUNTS, int), (_TEXTS, str)):
        here = [key for key in keys if key in manifest or key in _STATED]
        if wrong := [key for key in here if type(manifest.get(key)) is not kind]:
            raise ZooError(f"its manifest does not state the {wrong[0]}")
    if manifest["count"] < 1:
        raise ZooError(f"it is of {manifest['count']} images")
    return manifest


def check_features(features: Tensor, labels: Tensor | None, count: int, width: int) -> None:
    """Raise ZooError unless features (count, width) and labels (count,) are those of images."""
    if features.shape[:-1] != (count,) or labels is None or labels.shape != (count,):
        raise ZooError("its features and labels are not of as many images as the manifest says")
    if features.shape != (count, width) or not features.is_floating_point() or not torch.isfinite(features).all():
        raise ZooError(f"its features are no finite numbers, {width:,} an image")
    if labels.dtype != torch.int64 or int(labels.min()) < 0:
        raise ZooError("its labels are no classes")
