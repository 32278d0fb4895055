"""Map PyTorch-StudioGAN (github.com/POSTECH-CVLab/PyTorch-StudioGAN, MIT): settings to our specs, state to ours.

Its names changed over time. The current names are those of commit 947b35e (2023-08). Before January 2022 the
class-conditional resnet and deep_conv generators had one embedding per gain and bias, and some discriminators used
other names for a few layers; from January to March 2022 those generators had one embedding for all gains and biases
(`zoo.upstream` accepts all of them).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...common.errors import ConfigError
from ...schema import architecture
from .keymap import KeyMap, Rename

if TYPE_CHECKING:
    from torch import Tensor

CONTAINER_KEY = "state_dict"

_RESNET_GENERATOR = {
    32: (4, 4, 4, 4),
    64: (16, 8, 4, 2, 1),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
}
_RESNET_DISCRIMINATOR = {
    32: (2, 2, 2, 2),
    64: (1, 2, 4, 8, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
    512: (1, 1, 2, 4, 8, 8, 16, 16),
}
_DEEP_CONV_GENERATOR, _DEEP_CONV_DISCRIMINATOR = (512, 256, 128, 64), (64, 128, 256, 512)
_SPECTRAL_NORM_EPS, _BATCH_NORM_EPS = 1e-6, 1e-4
_ACTIVATIONS = {"ReLU": "relu", "Leaky_ReLU": "leaky_relu"}
_INITS = {"ortho": "orthogonal", "N02": "normal", "glorot": "xavier", "xavier": "xavier"}
_HEADS = {"W/O": "plain", "PD": "projection", "AC": "classifier", "2C": "contrastive", "D2DCE": "contrastive"}


def _choose(table: Mapping[Any, Any], value: Any, what: str) -> Any:
    if value not in table:
        raise ConfigError(f"StudioGAN's {what} {value!r} is not supported; give one of: {', '.join(map(str, table))}")
    return table[value]


def generator(settings: Mapping[str, Any], width_divisor: int = 1) -> architecture.Generator:
    """Return the spec of a generator from StudioGAN's settings (`MODEL` keys, `img_size`, `num_classes`).

    Args:
        width_divisor: divides the built-in channel counts of deep_conv.
    """
    s, resolution = settings, settings["img_size"]
    common = {
        "resolution": resolution,
        "latent_dim": s["z_dim"],
        "num_classes": 0 if s["g_cond_mtd"] == "W/O" else s["num_classes"],
        "spectral_norm": s["apply_g_sn"],
        "spectral_norm_eps": _SPECTRAL_NORM_EPS,
        "batch_norm_eps": _BATCH_NORM_EPS,
        "attention_after": tuple(s["attn_g_loc"]) if s["apply_attn"] else (),
        "activation": _choose(_ACTIVATIONS, s["g_act_fn"], "g_act_fn"),
        "init": _choose(_INITS, s["g_init"], "g_init"),
    }
    if s["backbone"] == "deep_conv":
        channels = tuple(c // width_divisor for c in _DEEP_CONV_GENERATOR)
        return architecture.DCGANGenerator(channels=channels, **common)
    multiples = _choose(_RESNET_GENERATOR, resolution, "img_size")
    channels = tuple(s["g_conv_dim"] * m for m in multiples)
    if s["backbone"] == "resnet":
        return architecture.ResNetGenerator(channels=channels, upsample="nearest", **common)
    _choose({"big_resnet": 1, "resnet": 1, "deep_conv": 1}, s["backbone"], "backbone")
    return architecture.BigGANGenerator(channels=channels, embedding_dim=s["g_shared_dim"], **common)


def discriminator(settings: Mapping[str, Any], width_divisor: int = 1) -> architecture.Discriminator:
    """Return the spec of a discriminator from StudioGAN's settings; see `generator`."""
    s, resolution = settings, settings["img_size"]
    head: dict[str, Any] = {"type": _choose(_HEADS, s["d_cond_mtd"], "d_cond_mtd")}
    if head["type"] == "classifier":
        head["normalize_features"] = s["normalize_d_embed"]
    elif head["type"] == "contrastive":
        head |= {"embedding_dim": s["d_embed_dim"], "normalize": s["normalize_d_embed"]}
    common = {
        "resolution": resolution,
        "num_classes": 0 if head["type"] == "plain" else s["num_classes"],
        "spectral_norm": s["apply_d_sn"],
        "spectral_norm_eps": _SPECTRAL_NORM_EPS,
        "batch_norm": not s["apply_d_sn"],
        "batch_norm_eps": _BATCH_NORM_EPS,
        "attention_after": tuple(s["attn_d_loc"]) if s["apply_attn"] else (),
        "activation": _choose(_ACTIVATIONS, s["d_act_fn"], "d_act_fn"),
        "head": head,
        "init": _choose(_INITS, s["d_init"], "d_init"),
    }
    if s["backbone"] == "deep_conv":
        channels = tuple(c // width_divisor for c in _DEEP_CONV_DISCRIMINATOR)
        return architecture.DCGANDiscriminator(channels=channels, **common)
    _choose({"resnet": 1, "big_resnet": 1, "deep_conv": 1}, s["backbone"], "backbone")
    multiples = _choose(_RESNET_DISCRIMINATOR, resolution, "img_size")
    return architecture.ResNetDiscriminator(
        channels=tuple(s["d_conv_dim"] * m for m in multiples),
        downsample_blocks=2 if resolution == 32 else len(multiples) - 1,
        hidden="out",
        rectify_shortcut=s["apply_d_sn"],
        **common,
    )


def prepared(state: Mapping[str, Tensor], spec: Any) -> Mapping[str, Tensor]:
    """Return the state with the class embedding that resnet and deep_conv had in early 2022 folded into what it feeds.

    A gain is W e(y) there, and e(y) a row of the embedding, so the gain of class y is a column of W E^T.
    """
    embedding = state.get("shared.weight")
    if embedding is None or not hasattr(spec, "latent_dim") or spec.architecture not in ("resnet", "dcgan"):
        return state
    gains = [name for name in state if re.fullmatch(r"blocks\.\d+\.0\.bn\d\.(gain|bias)\.weight", name)]
    if any(state[name].shape[1:] != embedding.shape[1:] for name in gains):
        return state  # the key map reports what does not fit
    rest = {name: tensor for name, tensor in state.items() if name != "shared.weight"}
    return rest | {name: state[name].float() @ embedding.float().t() for name in gains}


def generator_keys(spec: architecture.Generator) -> KeyMap:
    """Return StudioGAN's names of the tensors of a generator, for each of our names."""
    keys = KeyMap()
    keys.layer("input", "linear0")
    keys.layer("embedding", "shared")
    for i, theirs in enumerate(_block_names(spec.num_blocks, spec.attention_after)):
        if spec.architecture == "dcgan":
            keys.layer(f"blocks.{i}.conv", f"{theirs}.deconv0")
            _norm(keys, spec, f"blocks.{i}.norm", f"{theirs}.bn0")
            continue
        for ours, name in (("conv1", "conv2d1"), ("conv2", "conv2d2"), ("shortcut", "conv2d0")):
            keys.layer(f"blocks.{i}.{ours}", f"{theirs}.{name}")
        for ours in ("norm1", "norm2"):
            _norm(keys, spec, f"blocks.{i}.{ours}", f"{theirs}.{ours.replace('norm', 'bn')}")
    _attention(keys, spec.num_blocks, spec.attention_after)
    keys.batch_norm("norm", "bn4")
    keys.layer("output", "conv4" if spec.architecture == "dcgan" else "conv2d5")
    return keys


def discriminator_keys(spec: architecture.Discriminator) -> KeyMap:
    """Return StudioGAN's names of the tensors of a discriminator, for each of our names."""
    keys = KeyMap()
    names = _block_names(spec.num_blocks, spec.attention_after)
    for i, theirs in enumerate(names):
        if spec.architecture == "dcgan":
            last = i == spec.num_blocks - 1  # outside its blocks; named conv and bn in January 2021
            for j in range(1 if last else 2):
                convs, norms = (
                    (("conv1", "conv"), ("bn1", "bn")) if last else ((f"{theirs}.conv{j}",), (f"{theirs}.bn{j}",))
                )
                for conv, norm in zip(convs, norms, strict=True):
                    keys.layer(f"blocks.{i}.{j}.conv", conv)
                    keys.batch_norm(f"blocks.{i}.{j}.norm", norm)
            continue
        for ours, name in (("conv1", "conv2d1"), ("conv2", "conv2d2"), ("shortcut", "conv2d0")):
            keys.layer(f"blocks.{i}.{ours}", f"{theirs}.{name}")
        # The first block has no norm before its first convolution, so its bn1 is bn2 of the other blocks.
        norms = (("norm2", "bn1"),) if i == 0 else (("norm1", "bn1"), ("norm2", "bn2"))
        for ours, name in (*norms, ("shortcut_norm", "bn0")):
            keys.batch_norm(f"blocks.{i}.{ours}", f"{theirs}.{name}")
    _attention(keys, spec.num_blocks, spec.attention_after)
    keys.layer("heads.logit", "linear1")
    keys.layer("heads.embedding", "embedding")
    keys.layer("heads.proxies", "embedding")
    keys.layer("heads.projector", "linear2")
    keys.layer("heads.classifier", "linear2")
    keys.layer("heads.classifier", "linear4")  # January 2021; its bias needs head.bias
    return keys


def _block_names(num_blocks: int, attention_after: tuple[int, ...]) -> list[str]:
    """Return the names of the blocks; blocks and attention layers share one list, each in its own inner list."""
    names, position = [], 0
    for number in range(1, num_blocks + 1):
        names.append(f"blocks.{position}.0")
        position += 2 if number in attention_after else 1
    return names


def _attention(keys: KeyMap, num_blocks: int, attention_after: tuple[int, ...]) -> None:
    for order, block in enumerate(sorted(attention_after)):
        theirs = f"blocks.{block + order}.0"
        for name, their_name in (("theta", "theta"), ("phi", "phi"), ("value", "g"), ("output", "attn")):
            keys.layer(f"attention.{block}.{name}", f"{theirs}.conv1x1_{their_name}")
        keys.add(f"attention.{block}.gain", Rename(f"{theirs}.sigma", lambda t: t.reshape(())))


def _norm(keys: KeyMap, spec: architecture.Generator, ours: str, theirs: str) -> None:
    if spec.num_classes == 0:
        keys.batch_norm(ours, theirs)
        return
    keys.batch_norm(f"{ours}.norm", f"{theirs}.bn", affine=False)
    for part, old in (("gain", "embed0"), ("bias", "embed1")):
        keys.layer(f"{ours}.{part}", f"{theirs}.{part}")
        # Until 2022 an embedding (classes, channels) held the transposed weight, so u and v are swapped.
        for name in ("weight_orig", "weight"):
            keys.add(f"{ours}.{part}.weight", Rename(f"{theirs}.{old}.{name}", lambda t: t.t()))
        keys.add(f"{ours}.{part}.u", Rename(f"{theirs}.{old}.weight_v"))
        keys.add(f"{ours}.{part}.v", Rename(f"{theirs}.{old}.weight_u"))
