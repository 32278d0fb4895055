"""One step of training, through the engine: a discriminator update, then a generator update; and the average."""

from __future__ import annotations

from collections.abc import Callable

import torch
from given_noise import GivenNoise
from golden import Case, kind
from kinds_losses import check_parameter_gradients
from kinds_networks import key_map, load, mimicry_spec, studiogan_spec
from torch import Tensor, nn

from training.ema import Ema
from training.engine import Engine, Networks
from zoo.checkpoints.upstream.keymap import KeyMap
from zoo.nets.layers import Layers
from zoo.schema.architecture import ConfigPart
from zoo.schema.config import ModelConfig

# -------------------------------------------------------------------------------------------------------- configs

_ADVERSARIAL = {  # the references' names of the losses
    "hinge": "hinge",
    "wasserstein": "wasserstein",
    "least_square": "least-squares",
    "vanilla": "non-saturating",
    "logistic": "non-saturating",
    "gan": "non-saturating",
    "ns": "non-saturating-floored",
}
_MIMICRY_ADVERSARIAL = {"WGANGP": "wasserstein", "DCGAN": "ns"}  # by family; hinge elsewhere


def _config(case: Case, generator: ConfigPart, discriminator: ConfigPart, **training) -> ModelConfig:
    value_range = {"tanh": "[-1, 1]", "sigmoid": "[0, 1]"}[generator.output]
    return ModelConfig(
        name="golden/step",
        title=str(case.record["file"]),
        generator=generator,
        discriminator=discriminator,
        data={"dataset": "custom", "resolution": generator.resolution, "range": value_range},
        training={"steps": 1, "batch_size": len(case["in.real"]), **training},
    )


def _mimicry_extras(family: str, g: dict, d: dict) -> dict:
    """What a family adds to the adversarial loss; the weights are constructor arguments of G and D."""
    match family:
        case "InfoMaxGAN":
            alpha, beta = g.get("infomax_loss_scale", 0.2), d.get("infomax_loss_scale", 0.2)
            return {"auxiliary": [{"type": "infomax", "alpha": alpha, "beta": beta, "negatives": "other-images"}]}
        case "SSGAN":
            weights = {
                "generator_weight": g.get("ss_loss_scale", 0.2),
                "discriminator_weight": d.get("ss_loss_scale", 1.0),
            }
            return {"auxiliary": [{"type": "rotation", **weights}]}
        case "WGANGP":
            return {"regularizers": [{"type": "gradient-penalty", "weight": d.get("gp_scale", 10.0)}]}
        case "CGANPD" | "SAGAN":
            return {"conditioning": {"type": "projection"}}
    return {}


@kind("mm_step")
def mimicry_step(case: Case):
    meta, (beta1, beta2) = case.meta, case.meta["betas"]
    g, d = meta["G"]["args"], meta["D"]["args"]
    family = meta["D"]["class"].partition("Discriminator")[0]
    loss = d.get("loss_type", _MIMICRY_ADVERSARIAL.get(family, "hinge"))
    config = _config(
        case,
        mimicry_spec(meta["G"]),
        mimicry_spec(meta["D"]),
        adversarial=_ADVERSARIAL[loss],
        optimizer={"generator_lr": meta["lr"], "discriminator_lr": meta["lr"], "beta1": beta1, "beta2": beta2},
        **_mimicry_extras(family, g, d),
    )
    _check_step(case, config)


@kind("sg_step")
def studiogan_step(case: Case):
    s = case.meta["effective"]
    conditioning = {
        "W/O": {"type": "none"},
        "PD": {"type": "projection"},
        "AC": {"type": "classifier", "weight": s["cond_lambda"]},
        "2C": {"type": "contrastive", "weight": s["cond_lambda"], "temperature": s["temperature"]},
    }
    adam = {"generator_lr": "g_lr", "discriminator_lr": "d_lr", "beta1": "beta1", "beta2": "beta2", "eps": "adam_eps"}
    config = _config(
        case,
        studiogan_spec(case.meta, "generator"),
        studiogan_spec(case.meta, "discriminator"),
        adversarial=_ADVERSARIAL[s["adv_loss"]],
        conditioning=conditioning[s["d_cond_mtd"]],
        optimizer={ours: s[theirs] for ours, theirs in adam.items()},
        track_statistics_in_discriminator_step=False,
    )
    _check_step(case, config)


# ------------------------------------------------------------------------------------------------------- the step


def _check_step(case: Case, config: ModelConfig) -> None:
    """Losses, images, gradients, buffers and updated parameters, in the manner of README.md section 6."""
    engine = Engine(config, Networks.build(config), noise=GivenNoise(*case.group("in.alpha").values()))
    networks = {"G": engine.networks.generator, "D": engine.networks.discriminator}
    for letter, network in networks.items():
        load(network, case.group(f"state.{letter}."), case.meta["reference"])
    fakes, logits = [], []
    networks["G"].register_forward_hook(lambda module, inputs, images: fakes.append(images))
    networks["D"].register_forward_hook(lambda module, inputs, out: logits.append(out.logits))

    logged = engine.discriminator_step(case["in.real"], case["in.real_labels"], case["in.z_D"], case.get("in.y_D"))
    _check_networks(case, "D", networks, config.training.optimizer.discriminator_lr)
    logged |= engine.generator_step(case["in.z_G"], case.get("in.y_G"), 0)
    _check_networks(case, "G", networks, config.training.optimizer.generator_lr)

    values = _reference_losses(engine, logged)
    real, fake, *_ = logits  # the discriminator step's
    values |= {"fake_D": fakes[0], "D_x": real.sigmoid().mean(), "D_G_z": fake.sigmoid().mean()}
    for name in case.group("out."):
        case.check(f"out.{name}", values[name])


def _reference_losses(engine: Engine, logged: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the references log, under their names, of what the engine logs."""
    conditioning, values = engine.config.training.conditioning, {}
    for letter, images in (("D", "real"), ("G", "fake")):
        keys = {term.name: f"{letter.lower()}/{term.name}" for term in engine.terms}
        parts = {term: logged[key] for term, key in keys.items() if key in logged}
        for term, suffix in (("adversarial", ""), ("infomax", "_IM"), ("rotation", "_SS")):
            values[f"err{letter}{suffix}"] = parts.get(term)
        values[f"{letter}_adv"] = parts["adversarial"]
        values[f"{letter}_loss"] = sum(parts.values())
        if conditioning.type in parts:
            values[f"{images}_cond_loss"] = parts[conditioning.type] / conditioning.weight
    return values


def _check_networks(case: Case, step: str, networks: dict[str, nn.Module], lr: float) -> None:
    """Gradients of the network that a step ("D" or "G") updates, and both networks after it."""
    check_parameter_gradients(case, f"grad_{step}.", networks[step], _rounding_noise(case, step))
    for letter, network in networks.items():
        keys = key_map(network.spec, case.meta["reference"])
        limits = _update_limits(case, letter, lr)
        case.check_renamed(f"after_{step}.{letter}.", network.state_dict(), keys, limits)


def _rounding_noise(case: Case, letter: str) -> set[str]:
    """Parameters of a network whose gradient is zero in exact arithmetic."""
    return {name[2:] for name in case.record["skip_gradients"] if name.startswith(f"{letter}.")}


def _update_limits(case: Case, letter: str, lr: float) -> Callable[[str, Tensor], Tensor]:
    """Adam's first step is lr * sign(gradient), so where the gradient is rounding noise an element moves at random."""
    gradients, noise = case.group(f"grad_{letter}."), _rounding_noise(case, letter)
    atol = case.record["tolerance"]["after"]["atol"]

    def limits(name: str, stored: Tensor) -> Tensor:
        if name not in gradients:
            return case.limits(stored, "after_buffers")
        gradient = gradients[name].abs()
        comparable = (gradient >= 1e-4 * gradient.max()) & (name not in noise)
        return torch.where(comparable, atol, 2 * lr + atol)

    return limits


# ---------------------------------------------------------------------------------------------------- the average


@kind("sg_ema")
def moving_average(case: Case):
    channels = case.meta["ch"]
    model = nn.Sequential(Layers(True, 1e-6).conv(channels, channels, 3), nn.BatchNorm2d(channels))
    keys = KeyMap()
    keys.layer("0", "0")
    keys.batch_norm("1", "1")

    def state(prefix: str) -> dict[str, Tensor]:
        return keys.apply(case.group(prefix), model.state_dict(), "reference")

    model.load_state_dict(state("state.source."))
    for step in case.meta["iters"]:
        ema = Ema(model, case.meta["decay"], case.meta["start_iter"])
        ema.module.load_state_dict(state("state.target."))
        ema.update(model, step)
        case.check_renamed(f"after.iter{step}.", ema.module.state_dict(), keys)
