"""Cases of extra/: losses and augmentations that README.md's cases do not cover (see make_extra.py)."""

from __future__ import annotations

import torch
from given_noise import GivenNoise, batch_of
from golden import Case, kind
from torch import Tensor

from training import augment, losses
from training.objectives import Dragan
from zoo.nets import DiscriminatorOutput


def _check(case: Case, loss, *names: str) -> None:
    """The value of a loss of the inputs named, and its gradients."""
    leaves = {name: case.leaf(f"in.{name}") for name in names}
    value = loss(*leaves.values())
    case.check("out.loss", value)
    for name, gradient in zip(leaves, torch.autograd.grad(value, tuple(leaves.values())), strict=True):
        case.check(f"grad.{name}", gradient)


@kind("mm_infonce_local")
def local_local(case: Case):
    _check(case, losses.infonce, "local", "later")


@kind("sg_d2dce")
def d2d_ce(case: Case):
    labels, t, margin = case["in.label"], case.meta["temperature"], case.meta["positive_margin"]
    _check(case, lambda embed, proxy: losses.d2d_ce(embed, proxy, labels, t, margin), "embed", "proxy")


@kind("sg_2c_eq7")
def class_embedding_only(case: Case):
    def loss(embed: Tensor, proxy: Tensor) -> Tensor:
        t = case.meta["temperature"]
        return losses.contrastive_2c(embed, proxy, case["in.label"], t, same_class_in_numerator=False)

    _check(case, loss, "embed", "proxy")


@kind("sg_2c_augmented")
def augmented_positives(case: Case):
    def loss(embed: Tensor, proxy: Tensor, augmented: Tensor) -> Tensor:
        return losses.contrastive_2c(embed, proxy, case["in.label"], case.meta["temperature"], augmented=augmented)

    _check(case, loss, "embed", "proxy", "augmented")


@kind("sg_vanilla_shifted")
def shifted_loss(case: Case):
    _check(case, losses.ADVERSARIAL["non-saturating-shifted"][0], "dis_out_real", "dis_out_fake")


@kind("sg_diffaug")
def diff_augment(case: Case):
    noise = GivenNoise(*(case[f"in.draw.{i}"] for i in range(len(case.group("in.draw.")))))
    case.check("out.image", augment.diff_augment(case["in.image"], noise))
    assert not noise.draws


@kind("sg_first_aug")
def first_augmentation(case: Case):
    """All of its 18 outcomes: flipped first, then the middle and the two ends along each axis."""
    side = case["in.image"].shape[2]
    flips, columns, rows = torch.meshgrid(torch.tensor([1, 0]), *[torch.tensor([-1, 0, 1])] * 2, indexing="ij")
    flip, up, left = flips.flatten() == 1, rows.flatten() * (side // 8), columns.flatten() * (side // 8)
    case.check("out.images", augment.flip_and_shift(case["in.image"].expand(18, -1, -1, -1), flip, up, left))
    drawn = augment.draw_flip_and_shift(
        torch.empty(18, 3, side, side), GivenNoise(flip, up * 8 // side, left * 8 // side), "ends"
    )
    assert all(torch.equal(a, b) for a, b in zip(drawn, (flip, up, left), strict=True))


@kind("sg_dra")
def dragan(case: Case):
    def loss(hidden: Tensor, out: Tensor) -> Tensor:
        def critic(images: Tensor, labels: None) -> DiscriminatorOutput:
            features = (images.flatten(1) @ hidden).tanh()
            return DiscriminatorOutput((features @ out).squeeze(1), features)

        batch = batch_of(case["in.real"], None, critic, GivenNoise(case["in.draw.0"], case["in.draw.1"]))
        return Dragan(1.0).discriminator_loss(batch, batch)

    _check(case, loss, "hidden", "out")
