"""The loss functions, one equation each; pure functions of tensors, scalars out.

InfoMax-GAN: Lee, Tran, Cheung, WACV 2021 (arXiv 2007.04589). ContraGAN: Kang, Park, NeurIPS 2020 (arXiv 2006.12681).
Where a paper and the code behind its published checkpoints differ, an argument chooses and its default is the code.
"""

from __future__ import annotations

from collections.abc import Iterable

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
    "wasserstein": (wasserstein_discriminator, wasserstein_generator),
    "least-squares": (least_squares_discriminator, least_squares_generator),
}

# ---------------------------------------------------------------------------------------------------- contrastive


def infonce(local: Tensor, global_: Tensor, negatives: str = "other-images") -> Tensor:
    """InfoMax-GAN Eq. 4 with the scores of Eq. 5: which local vector belongs to this global vector?

    Args:
        local: projected local features (N, R, H, W).
        global_: projected global features (N, R).
        negatives: "all" is the paper: an image's vector at one location against all N * H * W vectors, its own other
            locations included. "other-images" is the released code: against the other images' vectors, while its own
            locations stand in the denominator with a constant score of -10.
    """
    n, _, h, w = local.shape
    locations = h * w
    with torch.autocast(local.device.type, enabled=False):
        scores = global_.float() @ local.float().flatten(2).transpose(0, 1).flatten(1)  # (N, N * HW)
        scores = scores.view(n, n, locations)  # (global of image i, local of image j, location)
        own = scores.diagonal(dim1=0, dim2=1).t()  # (N, HW): the positives
        if negatives == "all":
            return (scores.flatten(1).logsumexp(dim=1)[:, None] - own).mean()
        is_own = torch.eye(n, dtype=torch.bool, device=local.device)[:, :, None]
        others = scores.masked_fill(is_own, -10.0).flatten(1).logsumexp(dim=1)
        return (torch.logaddexp(own, others[:, None]) - own).mean()


def contrastive_2c(
    embedding: Tensor,
    proxy: Tensor,
    labels: Tensor,
    temperature: float = 1.0,
    self_in_numerator: bool = False,
) -> Tensor:
    """2C loss, ContraGAN Eq. 8: pull an image to its class embedding and to the images of its class.

    Args:
        embedding: image embeddings (N, E), normalised here (the score is a cosine).
        proxy: class embedding of each image's label (N, E), normalised here.
        labels: class labels (N,).
        temperature: t.
        self_in_numerator: True is Eq. 8 as printed, whose numerator also counts exp(1/t) of the image with itself;
            the released code leaves it out.
    """
    embedding, proxy = F.normalize(embedding, dim=1, eps=1e-8), F.normalize(proxy, dim=1, eps=1e-8)
    to_proxy = (embedding * proxy).sum(dim=1, keepdim=True) / temperature  # (N, 1)
    with torch.autocast(embedding.device.type, enabled=False):
        to_images = embedding.float() @ embedding.float().t() / temperature  # (N, N)
    is_self = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    same_class = labels[:, None] == labels[None, :]
    in_numerator = same_class if self_in_numerator else same_class & ~is_self
    numerator = torch.cat((to_proxy, to_images.masked_fill(~in_numerator, -torch.inf)), dim=1).logsumexp(dim=1)
    denominator = torch.cat((to_proxy, to_images.masked_fill(is_self, -torch.inf)), dim=1).logsumexp(dim=1)
    return (denominator - numerator).mean()


# ----------------------------------------------------------------------------------------------- self-supervision


def rotate_quarters(images: Tensor) -> tuple[Tensor, Tensor]:
    """Turn image i of N by 90 * floor(4 i / N) degrees counter-clockwise; images (N, C, S, S) and labels (N,)."""
    labels = torch.arange(len(images), device=images.device) * 4 // len(images)
    rotated = torch.stack([image.rot90(k, (1, 2)) for image, k in zip(images, labels.tolist(), strict=True)])
    return rotated, labels


# --------------------------------------------------------------------------------------------------- regularisers


def interpolate(real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """alpha * real + (1 - alpha) * fake: where WGAN-GP looks at the gradient."""
    return alpha * real + (1 - alpha) * fake


def gradient_norms(logits: Tensor, images: Tensor) -> Tensor:
    """|d logits / d images|, one norm an image (N,), itself differentiable."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.flatten(1).norm(dim=1)


def gradient_penalty(logits: Tensor, interpolates: Tensor) -> Tensor:
    """mean (|d logits / d interpolates| - 1)^2 (WGAN-GP, arXiv 1704.00028, Eq. 3)."""
    return (gradient_norms(logits, interpolates) - 1).square().mean()


def consistency(scores: Iterable[Tensor], augmented_scores: Iterable[Tensor]) -> Tensor:
    """Mean squared change of each kind of score under augmentation, summed over the kinds (CR, arXiv 1910.12027).

    The paper compares the logits; StudioGAN's code adds the image embeddings or class logits where there are any.
    """
    return sum(F.mse_loss(*pair) for pair in zip(scores, augmented_scores, strict=True))
