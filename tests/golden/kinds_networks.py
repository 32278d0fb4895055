"""Networks and their layers: outputs in evaluation mode, and spectral norm from forward to forward."""

from __future__ import annotations

import re

import torch
from golden import Case, hash_fill, kind
from torch import Tensor, nn

from zoo import nets
from zoo.checkpoints import upstream
from zoo.checkpoints.upstream.keymap import KeyMap
from zoo.nets.layers import Layers
from zoo.schema.architecture import ConfigPart


def mimicry_spec(meta: dict) -> ConfigPart:
    make = upstream.mimicry.generator if "Generator" in meta["class"] else upstream.mimicry.discriminator
    return make(meta["class"], **meta["args"])


def studiogan_spec(meta: dict, make: str) -> ConfigPart:
    return getattr(upstream.studiogan, make)(meta["effective"], meta.get("width_divisor", 1))


def key_map(spec: ConfigPart, source: str) -> KeyMap:
    """The reference's names of a network's tensors, for each of ours."""
    library = getattr(upstream, source)
    return library.generator_keys(spec) if hasattr(spec, "latent_dim") else library.discriminator_keys(spec)


def load(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    network.load_state_dict(upstream.convert(state, source, network.spec), strict=True)


def mimicry_network(case: Case) -> nn.Module:
    return _filled(mimicry_spec(case.meta), case.group("state."), "mimicry")


def studiogan_network(case: Case, make: str) -> nn.Module:
    spec = studiogan_spec(case.meta, make)
    state = hash_fill(_reference_layout(spec)) if case.meta.get("hashfill") else case.group("state.")
    return _filled(spec, state, "studiogan")


def _build(spec: ConfigPart) -> nn.Module:
    return nets.build_generator(spec) if hasattr(spec, "latent_dim") else nets.build_discriminator(spec)


def _filled(spec: ConfigPart, state: dict[str, Tensor], source: str) -> nn.Module:
    network = _build(spec)
    load(network, state, source)
    return network.eval()


def _reference_layout(spec: ConfigPart) -> dict[str, torch.Size]:
    """StudioGAN's names and shapes, read backwards from the converter's key map."""
    layout = _build(spec).state_dict()
    sources = key_map(spec, "studiogan").sources
    names = {}
    for ours, tensor in layout.items():
        normalised = ours.rpartition(".")[0] + ".u" in layout
        theirs = next(s.name for s in sources[ours] if s.name.endswith("_orig") <= normalised)
        names[theirs] = tensor.shape
    return names


@kind("mm_gen")
def mimicry_generator(case: Case):
    network = mimicry_network(case)
    with torch.no_grad():
        case.check("out.image", network(case["in.z"], case.get("in.y")))


@kind("mm_disc")
def mimicry_discriminator(case: Case):
    network = mimicry_network(case)
    with torch.no_grad():
        out = network(case["in.image"], case.get("in.y"))
        case.check("out.logits", out.logits[:, None])
        if "out.rot_logits" in case:
            case.check("out.rot_logits", out.rotation_logits)
        if "out.local_feat" in case:
            case.check("out.local_feat", out.local_features)
            case.check("out.global_feat", out.features)
            local, global_ = network.heads.critics(out)
            case.check("out.local_proj", local)
            case.check("out.global_proj", global_)


@kind("sg_gen")
def studiogan_generator(case: Case):
    network = studiogan_network(case, "generator")
    if case.meta["mode"].startswith("studiogan-evaluation"):
        nets.keep_iterating(network)
    with torch.no_grad():
        case.check("out.image", network(case["in.z"], case.get("in.label")))
    case.check_renamed("after.", network.state_dict(), key_map(network.spec, "studiogan"))


@kind("sg_disc")
def studiogan_discriminator(case: Case):
    network = studiogan_network(case, "discriminator")
    with torch.no_grad():
        out = network(case["in.image"], case["in.label"])
    outputs = {
        "h": out.features,
        "adv_output": out.logits,
        "embed": out.embedding,
        "proxy": out.proxy,
        "cls_output": out.class_logits,
    }
    for name in case.group("out."):
        actual = outputs[name]
        # The reference squeezes: its logit of a single image is a scalar.
        case.check(f"out.{name}", actual.reshape(case[f"out.{name}"].shape))


# -------------------------------------------------------------------------------------------------- spectral norm


def _spectral_layers(case: Case, eps: float, iterates_in_eval: bool) -> nn.ModuleDict:
    layers = Layers(True, eps, iterates_in_eval)
    make = {
        "conv": lambda i, o: layers.conv(i, o, 3),
        "linear": layers.linear,
        "embedding": layers.embedding,
        "deconv": lambda i, o: layers.conv_transpose(i, o, 4),
    }
    built = nn.ModuleDict({name: make[name](*case.meta[name]) for name in make.keys() & case.meta.keys()})
    keys = KeyMap()
    keys.ignore(re.compile(r".*sn_sigma"))
    for name in built:
        keys.layer(name, name)
    built.load_state_dict(keys.apply(case.group("state."), built.state_dict(), "reference"))
    return built


@kind("sn_torch")
def spectral_norm(case: Case):
    for name, layer in _spectral_layers(case, case.meta["eps"], iterates_in_eval=False).items():
        x = case[f"in.{name}"]
        case.check(f"out.{name}.eval", layer.eval()(x))
        layer.train()
        for turn in (1, 2):
            case.check(f"out.{name}.train{turn}", layer(x))
            case.check(f"after{turn}.{name}.weight_u", layer.u, "out")
            case.check(f"after{turn}.{name}.weight_v", layer.v, "out")
        layer(x).square().sum().backward()
        case.check(f"grad.{name}.weight_orig", layer.weight.grad)


@kind("sn_custom")
def mimicry_spectral_norm(case: Case):
    for name, layer in _spectral_layers(case, case.meta.get("eps", 1e-12), iterates_in_eval=True).items():
        x, before = case[f"in.{name}"], layer.u.clone()
        case.check(f"out.{name}.eval", layer.eval()(x))
        assert torch.equal(layer.u, before), "an iteration in eval mode is not to be stored"
        case.check(f"out.{name}.train", layer.train()(x))
        case.check(f"after.{name}.sn_u", layer.u[None], "out")
        sigma = layer.u @ layer.weight_matrix() @ layer.v
        case.check(f"after.{name}.sn_sigma", sigma[None], "out")
