"""Points of many dimensions in a plane, and how well classes stand apart in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..common import extras
from ..common.errors import ZooError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

PCA, TSNE = METHODS = ("PCA", "t-SNE")
NEIGHBOURS = 5
# Ten colours that differ to most colour-blind eyes too (Tableau's), for ten classes.
COLOURS = (
    "#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#bab0ac"
)  # fmt: skip
_RNG_SEED = 0
_BEGINNING = 1e-4  # spread of t-SNE's first layout, as scikit-learn has it with init="pca"


def plane(points: np.ndarray, method: str) -> np.ndarray:
    """Return points (N, D) in a plane, (N, 2), from 0 to 1; raises ZooError if scikit-learn is not installed."""
    return planes([points], method)[0]


def planes(moments: Sequence[np.ndarray], method: str) -> list[np.ndarray]:
    """Return the same points at several moments, each (N, D), in planes (N, 2) from 0 to 1 that can be compared.

    PCA: all moments have the axes and the scale of all of them together. t-SNE: the layout of each moment begins with
    that of the one before, and is turned to match it; scales differ.

    Raises:
        ZooError: scikit-learn is not installed.
    """
    import numpy as np

    try:
        from sklearn import decomposition, manifold
    except ImportError:
        raise ZooError(
            f"a map needs scikit-learn, which is not installed; run: {extras.install('train', 'scikit-learn')}"
        ) from None
    if method == PCA:
        together = decomposition.PCA(2, random_state=_RNG_SEED).fit_transform(np.concatenate(moments))
        return np.split(_scaled(together), len(moments))
    found: list[np.ndarray] = []
    perplexity, begin = min(30.0, (len(moments[0]) - 1) / 3), "pca"
    for points in moments:
        reduction = manifold.TSNE(2, perplexity=perplexity, init=begin, random_state=_RNG_SEED)
        placed = reduction.fit_transform(points)
        placed = placed - placed.mean(axis=0)
        if not isinstance(begin, str):
            placed = placed @ _turn(placed, begin)
        begin = (placed / placed[:, 0].std() * _BEGINNING).astype(np.float32)
        found.append(_scaled(placed))
    return found


def _turn(placed: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return the rotation or reflection (2, 2) that brings points nearest to where they were (Procrustes)."""
    import numpy as np

    u, _, v = np.linalg.svd(placed.T @ before)
    return u @ v


def _scaled(placed: np.ndarray) -> np.ndarray:
    low, high = placed.min(axis=0), placed.max(axis=0)
    return (placed - low) / (high - low).clip(1e-12)


def purity(points: Tensor, classes: Sequence[int]) -> float | None:
    """Return the share of each point's nearest neighbours, by cosine, that are of its class; None without classes."""
    import torch

    if not len(classes) or len(points) <= NEIGHBOURS:
        return None
    unit = torch.nn.functional.normalize(points, dim=1)
    alike = unit @ unit.t()
    alike.fill_diagonal_(-2)
    of = torch.as_tensor(classes)
    return float((of[alike.topk(NEIGHBOURS).indices] == of[:, None]).float().mean())


def nearest(points: Tensor, centres: Tensor | None, classes: Sequence[int]) -> float | None:
    """Return the share of points that are nearest, by cosine, to the centre of their class; None without centres."""
    import torch

    if centres is None:
        return None
    found = (torch.nn.functional.normalize(points, dim=1) @ centres.t()).argmax(dim=1)
    return float((found == torch.as_tensor(classes)).float().mean())
