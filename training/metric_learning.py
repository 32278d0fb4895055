"""The metric learning losses that ContraGAN's Figure 1 sets beside its own: XT-Xent, triplet, P-NCA.

ContraGAN: arXiv 2006.12681, Section 3.2, which prints XT-Xent alone (Eq. 6); the others are those of its references
24 and 25. All take embeddings that need not be normalised, and return a scalar.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def xt_xent(embedding: Tensor, augmented: Tensor, temperature: float = 1.0) -> Tensor:
    """XT-Xent, ContraGAN Eq. 6: pull an image to its own augmentation, push all others away, whatever their labels.

    With a_1 ... a_2m the images and their augmentations, the mean over all i of -log(exp(l_i . l_j / t) / sum over k
    but i of exp(l_i . l_k / t)), where j is the augmentation, or the original, of i.

    Args:
        embedding, augmented: of the images and of their augmentations (N, E) each.
        temperature: t.
    """
    scores = _cosines(torch.cat((embedding, augmented))) / temperature  # (2N, 2N)
    n = len(embedding)
    partners = torch.cat((scores.diagonal(n), scores.diagonal(-n)))
    itself = torch.eye(2 * n, dtype=torch.bool, device=scores.device)
    return (scores.masked_fill(itself, -torch.inf).logsumexp(dim=1) - partners).mean()


def triplet(embedding: Tensor, labels: Tensor, margin: float = 0.2) -> Tensor:
    """Triplet loss (arXiv 1503.03832): an image is nearer to those of its class than to any others, by a margin.

    The mean of max(0, |l_a - l_p|^2 - |l_a - l_n|^2 + margin) over all triplets of the batch: a and p of one class, n
    of another; no hard ones are mined. 0 without triplets.

    Args:
        embedding: (N, E); N^3 numbers are kept, so that large batches cost memory.
        labels: (N,).
    """
    distances = 2 - 2 * _cosines(embedding)  # squared, on the unit sphere
    same_class = labels[:, None] == labels[None, :]
    is_self = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    valid = (same_class & ~is_self)[:, :, None] & ~same_class[:, None, :]  # (a, p, n)
    terms = (distances[:, :, None] - distances[:, None, :] + margin).relu()
    return (terms * valid).sum() / valid.sum().clamp(min=1)


def proxy_nca(embedding: Tensor, class_embeddings: Tensor, labels: Tensor) -> Tensor:
    """Proxy-NCA (arXiv 1703.07464): pull an image to the embedding of its class, push it from those of all others.

    The mean of -log(exp(-|l - e_y|^2) / sum over the other classes z of exp(-|l - e_z|^2)), on the unit sphere. As in
    the reference, the image's own class is not in the denominator, so that the loss can be negative.

    Args:
        embedding: (N, E).
        class_embeddings: of all classes (C, E), C at least 2.
        labels: (N,).
    """
    with torch.autocast(embedding.device.type, enabled=False):
        image, proxies = (F.normalize(x.float(), dim=1, eps=1e-8) for x in (embedding, class_embeddings))
        distances = 2 - 2 * image @ proxies.t()  # (N, C)
    own = labels[:, None] == torch.arange(len(proxies), device=labels.device)
    to_own = distances.gather(1, labels[:, None]).squeeze(1)
    return (to_own + (-distances).masked_fill(own, -torch.inf).logsumexp(dim=1)).mean()


def _cosines(embedding: Tensor) -> Tensor:
    with torch.autocast(embedding.device.type, enabled=False):
        unit = F.normalize(embedding.float(), dim=1, eps=1e-8)
        return unit @ unit.t()
