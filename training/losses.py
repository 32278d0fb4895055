"""The loss functions, one equation each; pure functions of tensors, scalars out.

InfoMax-GAN: Lee, Tran, Cheung, WACV 2021 (arXiv 2007.04589). ContraGAN: Kang, Park, NeurIPS 2020 (arXiv 2006.12681).
Where a paper and the code behind its published checkpoints differ, an argument chooses and its default is the code.
No function depends on tensor values in Python, so all of them can be captured in a CUDA graph.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from functools import reduce
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

# ---------------------------------------------------------------------------------------------------- adversarial


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """InfoMax-GAN Eq. 8: mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))). (The paper prints min for max.)"""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """InfoMax-GAN Eq. 9: -mean D(G(z))."""
    return -fake.mean()


def non_saturating_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Cross entropy of real against fake (Goodfellow et al. 2014, Eq. 1)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """-mean log sigmoid(D(G(z)))."""
    return F.softplus(-fake).mean()


def non_saturating_discriminator_shifted(real: Tensor, fake: Tensor) -> Tensor:
    """-mean log sigmoid(D(x)) - mean log sigmoid(1 - D(G(z))): StudioGAN's form until November 2021.

    It compares the logits of generated images with 1 where Goodfellow et al. compare them with 0.
    """
    return F.softplus(-real).mean() + F.softplus(fake - 1).mean()


def non_saturating_generator_floored(fake: Tensor) -> Tensor:
    """-mean log(sigmoid(D(G(z))) + 1e-8), Mimicry's form: at most 18.42, with a vanishing gradient there."""
    return -(fake.sigmoid() + 1e-8).log().mean()


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """mean D(G(z)) - mean D(x) (WGAN, arXiv 1701.07875)."""
    return fake.mean() - real.mean()


def wasserstein_generator(fake: Tensor) -> Tensor:
    """-mean D(G(z))."""
    return -fake.mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Half the mean of (D(x) - 1)^2 plus half the mean of D(G(z))^2 (LSGAN, arXiv 1611.04076, Eq. 9)."""
    return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()


def least_squares_generator(fake: Tensor) -> Tensor:
    """Half the mean of (D(G(z)) - 1)^2 (LSGAN Eq. 9)."""
    return 0.5 * (fake - 1).square().mean()


ADVERSARIAL = {
    "hinge": (hinge_discriminator, hinge_generator),
    "non-saturating": (non_saturating_discriminator, non_saturating_generator),
    "non-saturating-floored": (non_saturating_discriminator, non_saturating_generator_floored),
    "non-saturating-shifted": (non_saturating_discriminator_shifted, non_saturating_generator),
    "wasserstein": (wasserstein_discriminator, wasserstein_generator),
    "least-squares": (least_squares_discriminator, least_squares_generator),
}

# ---------------------------------------------------------------------------------------------------- contrastive


def infonce(local: Tensor, global_: Tensor, negatives: str = "other-images") -> Tensor:
    """InfoMax-GAN Eq. 4 with the scores of Eq. 5: which local vector belongs to this global vector?

    Args:
        local: projected local features (N, R, ...), with any number of axes for their L locations.
        global_: projected global features (N, R); or (N, R, ...), G vectors per image, each of which asks the question
            (the local-local design of A.5).
        negatives: "all" is the paper: an image's vector at one location against all N * L vectors, including those of
            its own other locations. "other-images" is the released code: against the other images' vectors, while its
            own locations stand in the denominator with a constant score of -10.
    """
    with torch.autocast(local.device.type, enabled=False):
        scores, own, is_own = critic_scores(local.float(), global_.float())
        if negatives == "all":
            return (scores.flatten(2).logsumexp(dim=2, keepdim=True) - own).mean()
        others = scores.masked_fill(is_own, -10.0).flatten(2).logsumexp(dim=2, keepdim=True)
        return (torch.logaddexp(own, others) - own).mean()


def critic_scores(local: Tensor, global_: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """InfoMax-GAN Eq. 5 for all pairs of a global vector and a local one.

    Args:
        local, global_: as in `infonce`.

    Returns:
        scores (N, G, N, L); those of an image's own locations (N, G, L), the positives; and where in `scores` these
        are, as a mask (N, 1, N, 1).
    """
    local, global_ = local.flatten(2), global_[..., None].flatten(2)  # (N, R, L), (N, R, G)
    n, _, locations = local.shape
    asking = global_.transpose(1, 2).flatten(0, 1)  # (N * G, R)
    scores = (asking @ local.transpose(0, 1).flatten(1)).view(n, -1, n, locations)
    own = scores.diagonal(dim1=0, dim2=2).movedim(2, 0)
    return scores, own, torch.eye(n, dtype=torch.bool, device=local.device)[:, None, :, None]


def contrastive_2c(
    embedding: Tensor,
    proxy: Tensor | None,
    labels: Tensor,
    temperature: float = 1.0,
    same_class_in_numerator: bool = True,
    self_in_numerator: bool = False,
    augmented: Tensor | None = None,
) -> Tensor:
    """2C loss, ContraGAN Eq. 8: pull an image to its class embedding and to the images of its class.

    Args:
        embedding: image embeddings (N, E), normalised here (the score is a cosine).
        proxy: class embedding of each image's label (N, E), normalised here; None for augmented positives instead.
        labels: class labels (N,).
        temperature: t.
        same_class_in_numerator: False is Eq. 7, which pushes images of one class apart like any others.
        self_in_numerator: True is Eq. 8 as printed, whose numerator also counts exp(1/t) of the image with itself;
            the released code leaves it out.
        augmented: embeddings of augmented images (N, E), normalised here: image i is pulled to its own one (augmented
            positive samples, Section 4.5, in the form of the code that was released with the paper).
    """
    with torch.autocast(embedding.device.type, enabled=False):
        embedding = F.normalize(embedding.float(), dim=1, eps=1e-8)
        anchors = [F.normalize(anchor.float(), dim=1, eps=1e-8) for anchor in (proxy, augmented) if anchor is not None]
        to_anchors = [(embedding * anchor).sum(dim=1, keepdim=True) / temperature for anchor in anchors]  # (N, 1) each
        to_images = embedding @ embedding.t() / temperature  # (N, N)
    same_class, is_self = _pairs(labels)
    in_numerator = same_class if self_in_numerator else same_class & ~is_self
    numerator, denominator = to_anchors, [*to_anchors, to_images.masked_fill(is_self, -torch.inf)]
    if same_class_in_numerator:
        numerator = [*to_anchors, to_images.masked_fill(~in_numerator, -torch.inf)]
    return (torch.cat(denominator, dim=1).logsumexp(dim=1) - torch.cat(numerator, dim=1).logsumexp(dim=1)).mean()


def d2d_ce(
    embedding: Tensor,
    proxy: Tensor,
    labels: Tensor,
    temperature: float,
    positive_margin: float,
    shift_negatives: bool = True,
) -> Tensor:
    """Data-to-data cross entropy (ReACGAN, arXiv 2111.01118): an image against the images of other classes.

    With p = min(0, l_i . e_i - m_p) / t for the class embedding e_i, and q_k = max(0, l_i . l_k + m_p - 1) / t for
    each image k of another class: the mean of -log(exp(p) / (exp(p) + sum of exp(q_k))).

    Args:
        embedding: image embeddings (N, E), normalised here.
        proxy: class embedding of each image's label (N, E), normalised here.
        labels: class labels (N,).
        temperature: t.
        positive_margin: m_p; the margin of the negatives is 1 - m_p.
        shift_negatives: the released code subtracts from each q_k, but not from p, the largest
            (l_i . l_k + m_p - 1) / t over all images k but i, as a constant. False is the paper's formula.
    """
    with torch.autocast(embedding.device.type, enabled=False):
        embedding, proxy = (F.normalize(x.float(), dim=1, eps=1e-8) for x in (embedding, proxy))
        positive = (positive_margin - (embedding * proxy).sum(dim=1)).relu() / temperature  # (N,): -p
        scores = (embedding @ embedding.t() + positive_margin - 1) / temperature  # (N, N)
    same_class, is_self = _pairs(labels)
    negatives = scores.relu()
    if shift_negatives:
        negatives = negatives - scores.masked_fill(is_self, -torch.inf).amax(dim=1, keepdim=True).detach()
    negatives = negatives.masked_fill(same_class, -torch.inf)
    return (positive + torch.cat((-positive[:, None], negatives), dim=1).logsumexp(dim=1)).mean()


def _pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return masks (N, N) of the pairs with the same class, and of the pairs of an image with itself."""
    return labels[:, None] == labels[None, :], torch.eye(len(labels), dtype=torch.bool, device=labels.device)


# ----------------------------------------------------------------------------------------------- self-supervision


def rotate_quarters(images: Tensor, first: int = 0, total: int | None = None) -> tuple[Tensor, Tensor]:
    """Turn image i of a batch of N by 90 * floor(4 i / N) degrees counter-clockwise (SSGAN, arXiv 1811.11212).

    Args:
        images: (n, C, S, S), images `first` ... `first` + n - 1 of the batch.
        first: index in the whole batch of the first image given.
        total: N; None means that the images given are the whole batch.

    Returns:
        The turned images (n, C, S, S), and how many quarter turns each made (n,).
    """
    n, total = len(images), total or len(images)
    starts = [min(max(-(-k * total // 4) - first, 0), n) for k in range(5)]  # image i is in quarter k from k N / 4 on
    quarters = images.movedim(1, -1).split([end - start for start, end in pairwise(starts)])  # kept channels-last
    rotated = [quarter.rot90(k, (1, 2)) for k, quarter in enumerate(quarters)]
    turns = (torch.arange(first, first + n, device=images.device) * 4).div(total, rounding_mode="floor")
    return torch.cat(rotated).movedim(-1, 1), turns


# --------------------------------------------------------------------------------------------------- regularisers


def interpolate(real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """alpha * real + (1 - alpha) * fake: the points where WGAN-GP takes the gradient."""
    return alpha * real + (1 - alpha) * fake


def perturb(real: Tensor, deviation: Tensor, alpha: Tensor, noise: Tensor) -> Tensor:
    """real + alpha * deviation / 2 * noise: where DRAGAN takes the gradient, in the form of StudioGAN's code.

    Args:
        real: images (N, C, H, W).
        deviation: standard deviation of all values of the batch, a scalar.
        alpha: in [0, 1), one per image (N, 1, 1, 1).
        noise: in [0, 1), one per value (N, C, H, W).
    """
    return real + alpha * (0.5 * deviation * noise)


def deviation(means: Tensor, squares: Tensor, count: int) -> Tensor:
    """Standard deviation, with Bessel's correction, of all values of a batch, from the statistics of each image.

    Args:
        means: mean of each image's values (N,).
        squares: sum of each image's squared distances from its mean (N,).
        count: values per image.
    """
    between = count * (means - means.mean()).square().sum()
    return ((squares.sum() + between) / (len(means) * count - 1)).sqrt()


def gradient_norms(logits: Tensor, images: Tensor) -> Tensor:
    """`|d logits / d images|`, one norm per image (N,), itself differentiable."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return torch.linalg.vector_norm(gradient, dim=tuple(range(1, gradient.dim())))


def gradient_penalty(logits: Tensor, interpolates: Tensor) -> Tensor:
    """`mean (|d logits / d interpolates| - 1)^2` (WGAN-GP, arXiv 1704.00028, Eq. 3)."""
    return (gradient_norms(logits, interpolates) - 1).square().mean()


def consistency(scores: Iterable[Tensor], augmented_scores: Iterable[Tensor]) -> Tensor:
    """Mean squared change of each kind of score under augmentation, summed over the kinds (CR, arXiv 1910.12027).

    The paper compares the logits; StudioGAN's code adds the image embeddings or class logits where there are any.
    """
    pairs = zip(scores, augmented_scores, strict=True)
    # The gradient of mse_loss, or of a mean, would not be channels-last.
    return total((a.float() - b.float()).square().sum() / a.numel() for a, b in pairs)


def total(parts: Iterable[Tensor]) -> Tensor:
    """The sum of one or more tensors."""
    return reduce(operator.add, parts)
