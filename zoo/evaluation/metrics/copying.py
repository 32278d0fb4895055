"""C_T: do generated images lie nearer to the training images than held-out real ones do?

Meehan et al. 2020 (arXiv 2004.05675). Feature space is cut into cells by k-means on the training features. In each
cell a Mann-Whitney test compares the distances of generated and of held-out features to the nearest training feature
there, as a z-score; C_T is their mean, weighted by the share of held-out features in the cell:

    Z_U = (U - n m / 2 + 1/2) / sqrt(n m (n + m + 1) / 12),   C_T = sum P(cell) Z_U(cell) / sum P(cell)

over cells with enough generated features. Far above 0 is underfitting, within a few units neither. Far below 0 is what
copying gives, but images that crowd where training features are dense give it, too: AuthPct beside that of real test
images, which compares each distance with that between the training features there, may then say otherwise.
Settings are those of Stein et al. 2023 (arXiv 2306.04675): 64 principal components, 3 cells, 20 images a cell.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ...common.errors import ZooError
from .formulas import RNG_SEED


def copying_score(
    fake: Tensor,
    train: Tensor,
    held_out: Tensor,
    *,
    cells: int = 3,
    components: int = 64,
    smallest_cell: int = 20,
    rng_seed: int = RNG_SEED,
) -> float:
    """Compute C_T of features (M, D), (L, D) and (N, D).

    Raises:
        ZooError: a cell has no held-out or training features, or none has more than `smallest_cell` generated ones.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    sets = [side.numpy().astype(np.float64) for side in (fake, train, held_out)]
    if sets[1].shape[1] > components:
        projection = PCA(components, svd_solver="full").fit(sets[1])
        sets = [projection.transform(side) for side in sets]
    partition = KMeans(cells, n_init=10, random_state=rng_seed)  # pyright: ignore[reportArgumentType]
    partition.fit(sets[1])
    of = [partition.predict(side) for side in sets]
    scores, shares = [], []
    for cell in range(cells):
        mine, known, unseen = (side[labels == cell] for side, labels in zip(sets, of, strict=True))
        if not len(unseen) or not len(known):
            raise ZooError(
                f"C_T: one of {cells} parts of feature space has no held-out images; give more of them (--held-out)"
            )
        if len(mine) > smallest_cell:
            scores.append(_z_score(mine, known, unseen))
            shares.append(len(unseen) / len(sets[2]))
    if not scores:
        raise ZooError(f"C_T: no part of feature space has more than {smallest_cell} generated images; give more")
    return float(np.average(scores, weights=shares))


def _z_score(mine: np.ndarray, known: np.ndarray, unseen: np.ndarray) -> float:
    """Mann-Whitney's U of the distances to the nearest known feature, standardised."""
    from scipy.stats import mannwhitneyu
    from sklearn.neighbors import NearestNeighbors

    tree = NearestNeighbors(n_neighbors=1).fit(known)
    near, far = (tree.kneighbors(side)[0].ravel() for side in (mine, unseen))
    n, m = len(unseen), len(mine)
    u = mannwhitneyu(near, far, alternative="less").statistic
    return float((u - n * m / 2 + 0.5) / np.sqrt(n * m * (n + m + 1) / 12))
