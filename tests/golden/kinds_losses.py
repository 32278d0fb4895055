"""Losses and regularisers: their values and gradients, of given tensors or through a discriminator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from given_noise import GivenNoise, batch_of
from golden import Case, kind
from kinds_networks import key_map, mimicry_network, studiogan_network
from torch import Tensor, nn

from training import augment, losses
from training.noise import CountedNoise
from training.objectives import Consistency, GradientPenalty
from zoo.nets import DiscriminatorOutput
from zoo.schema import recipe


def _check_gradients(case: Case, prefix: str, value: Tensor, leaves: dict[str, Tensor]) -> None:
    """Gradients of a scalar with respect to `leaves`, against `<prefix><name>`."""
    for name, gradient in zip(leaves, torch.autograd.grad(value, tuple(leaves.values())), strict=True):
        case.check(prefix + name, gradient, "grad")


def check_parameter_gradients(case: Case, prefix: str, network: nn.Module, skip=()) -> None:
    """What `backward` left in the parameters of a network, against the stored gradients."""
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    keys = key_map(network.spec, case.meta["reference"])
    case.check_renamed(prefix, gradients, keys, lambda _, tensor: case.limits(tensor, "grad"), skip)


def _check_loss(case: Case, loss, prefix: str, scale: float = 1.0, **inputs: str) -> None:
    """The value of a loss of the tensors that `inputs` names, and its gradients, against `<prefix>` tensors."""
    leaves = {argument: case.leaf(name) for argument, name in inputs.items()}
    value = scale * loss(*leaves.values())
    out, grad = ("out.loss", "grad.") if prefix == "out" else (f"{prefix}.loss", f"{prefix}.grad.")
    case.check(out, value, prefix)
    _check_gradients(case, grad, value, leaves)


# ---------------------------------------------------------------------------------------------------- contrastive


@kind("mm_infonce")
def infonce(case: Case):
    inputs = {"local": "in.local", "global": "in.global"}
    case.check("out.infonce", losses.infonce(case["in.local"], case["in.global"]))
    _check_loss(case, losses.infonce, "out", case.meta["scale"], **inputs)
    _check_loss(case, lambda local, global_: losses.infonce(local, global_, "all"), "paper", **inputs)


@kind("sg_2c")
def contrastive_2c(case: Case):
    t, labels = case.meta["temperature"], case["in.label"]
    inputs = {"embed": "in.embed", "proxy": "in.proxy"}
    _check_loss(case, lambda e, p: losses.contrastive_2c(e, p, labels, t), "out", **inputs)
    _check_loss(case, lambda e, p: losses.contrastive_2c(e, p, labels, t, self_in_numerator=True), "paper", **inputs)


# ---------------------------------------------------------------------------------------------------- adversarial


def _check_adversarial(case: Case, name: str, loss, both: bool) -> None:
    leaves = {n: case.leaf(f"in.{n}") for n in (("real", "fake") if both else ("fake",))}
    value = loss(*leaves.values())
    case.check(f"out.{name}", value)
    _check_gradients(case, f"grad.{name}.", value, leaves)


@kind("mm_losses")
def mimicry_losses(case: Case):
    _check_adversarial(case, "hinge_loss_dis", losses.hinge_discriminator, both=True)
    _check_adversarial(case, "hinge_loss_gen", losses.hinge_generator, both=False)
    _check_adversarial(case, "wasserstein_loss_dis", losses.wasserstein_discriminator, both=True)
    _check_adversarial(case, "wasserstein_loss_gen", losses.wasserstein_generator, both=False)
    _check_adversarial(case, "minimax_loss_dis", losses.non_saturating_discriminator, both=True)
    _check_adversarial(case, "minimax_loss_gen", losses.non_saturating_generator, both=False)
    _check_adversarial(case, "ns_loss_gen", losses.non_saturating_generator_floored, both=False)


@kind("sg_adv")
def studiogan_adversarial_losses(case: Case):
    for ours, theirs in (("hinge", "hinge"), ("wasserstein", "wasserstein"), ("least-squares", "ls")):
        discriminator, generator = losses.ADVERSARIAL[ours]
        _check_adversarial(case, f"d_{theirs}", discriminator, both=True)
        _check_adversarial(case, f"g_{theirs}", generator, both=False)
    for theirs in ("vanilla", "logistic"):  # the same numbers by two roads
        _check_adversarial(case, f"d_{theirs}", losses.non_saturating_discriminator, both=True)
        _check_adversarial(case, f"g_{theirs}", losses.non_saturating_generator, both=False)


# ---------------------------------------------------------------------------------------- classes and rotations


@kind("sg_ce")
def auxiliary_classifier(case: Case):
    labels = case["in.label"]
    _check_loss(case, lambda logits: F.cross_entropy(logits, labels), "out", cls_output="in.cls_output")


@kind("mm_ss")
def rotation(case: Case):
    network, images = mimicry_network(case), case.leaf("in.image")
    rotated, labels = losses.rotate_quarters(images)
    case.check("out.rotated", rotated)
    case.check("out.rot_labels", labels)
    logits = network(rotated).rotation_logits
    case.check("out.rot_logits", logits)
    loss = case.meta["scale"] * F.cross_entropy(logits, labels)
    case.check("out.loss", loss)
    loss.backward()
    case.check("grad.image", images.grad)
    check_parameter_gradients(case, "grad.", network, skip={"image"})


# --------------------------------------------------------------------------------------------------- regularisers


def stored_alpha(case: Case) -> Tensor:
    return case["in.alpha"].view(-1, 1, 1, 1)


def _check_penalty(case: Case, network: nn.Module, name: str, weight: float) -> None:
    noise, labels = GivenNoise(case["in.alpha"]), case.get("in.real_labels")
    real, fake = (batch_of(case[f"in.{images}"], labels, network, noise) for images in ("real", "fake"))
    penalty = GradientPenalty(weight).discriminator_loss(real, fake)
    case.check(name, penalty)
    penalty.backward()
    check_parameter_gradients(case, "grad.", network)


@kind("mm_gp")
def mimicry_gradient_penalty(case: Case):
    network = mimicry_network(case)
    _check_penalty(case, network, "out.gp_loss", case.meta["gp_scale"])
    points = losses.interpolate(case["in.real"], case["in.fake"], stored_alpha(case)).requires_grad_()
    case.check("out.interpolates", points)
    case.check("out.grad_norms", losses.gradient_norms(network(points).logits, points))
    real, fake = (network(case[f"in.{images}"]).logits for images in ("real", "fake"))
    case.check("out.wasserstein_dis", losses.wasserstein_discriminator(real, fake))


@kind("sg_gp")
def studiogan_gradient_penalty(case: Case):
    _check_penalty(case, studiogan_network(case, "discriminator"), "out.grad_penalty", 1.0)


@kind("sg_cr")
def consistency(case: Case):
    fields = {"adv": "logits", "embed": "embedding", "cls_output": "class_logits"}
    weight = case.meta["cr_lambda"]
    for condition in {name.split(".")[0] for name in case.group("grad.")}:
        leaves = {name: case.leaf(f"in.{name}") for name in case.group(f"grad.{condition}.")}

        def output(branch: str, leaves=leaves) -> DiscriminatorOutput:
            scores = {ours: leaves.get(f"{branch}_{theirs}") for theirs, ours in fields.items()}
            return DiscriminatorOutput(features=torch.empty(0), **scores)

        real, augmented = output("real"), output("prl")
        images = torch.empty(len(real.logits), 3, 8, 8)
        batch = batch_of(images, None, lambda *_, out=augmented: out, CountedNoise(0), real)
        value = Consistency(recipe.Consistency(weight=weight)).discriminator_loss(batch, batch)
        case.check(f"out.{condition}.consistency", value / weight)
        case.check(f"out.{condition}.weighted", value)
        _check_gradients(case, f"grad.{condition}.", value, leaves)


@kind("sg_cr_aug")
def augmentation(case: Case):
    images, flip = case["in.image"], case["in.flip_uniform"].flatten() < 0.5
    up, left = case["in.t_x"].flatten(), case["in.t_y"].flatten()
    stay = torch.zeros_like(up)
    case.check("out.flip_only", augment.flip_and_shift(images, flip, stay, stay))
    case.check("out.image", augment.flip_and_shift(images, flip, up, left))
    _, *shifts = augment.draw_flip_and_shift(images, CountedNoise(0))
    for shift, side in zip(shifts, images.shape[2:], strict=True):
        assert shift.abs().max() <= side // 8
