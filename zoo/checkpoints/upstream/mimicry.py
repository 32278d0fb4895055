"""Map Mimicry (github.com/kwotsin/mimicry, MIT): its constructors to our specs, its state dicts to ours.

Its networks are classes named <family><Generator|Discriminator><resolution>; the tables below say what the families
share and where they differ. Its layers are named `l1`, `block2`, `block3`, ... and the last norm and convolution
continue the numbers.
"""

from __future__ import annotations

import re

from ...common.errors import ConfigError
from ...schema import architecture
from .keymap import KeyMap, Rename

CONTAINER_KEY = "model_state_dict"

_FAMILIES = {
    "SNGAN": {},
    "SSGAN": {"rotation_head": True},
    "InfoMaxGAN": {},
    "CGANPD": {"head": {"type": "projection"}, "conditional": True},
    "SAGAN": {"head": {"type": "projection"}, "conditional": True, "spectral_generator": True},
    "WGANGP": {"spectral_norm": False, "pooling": "mean"},
    "DCGAN": {"spectral_norm": False},
}
_BOTTOM = {32: 4, 48: 6, 64: 4, 128: 4}
# Right shifts of the base width ngf for the first map and each block's output, and of ndf for each block's output.
_GENERATOR_SHIFTS = {32: (0, 0, 0, 0), 48: (0, 1, 2, 3), 64: (0, 1, 2, 3, 4), 128: (0, 0, 1, 2, 3, 4)}
_DISCRIMINATOR_SHIFTS = {32: (0, 0, 0, 0), 48: (4, 3, 2, 1, 0), 64: (4, 3, 2, 1, 0), 128: (4, 3, 2, 1, 0, 0)}
_DOWNSAMPLE_BLOCKS = {32: 2, 48: 4, 64: 5, 128: 5}
_LOCAL_AFTER = {32: 3, 48: 4, 64: 4, 128: 5}
_GENERATOR_WIDTH = {32: 256, 48: 512, 64: 1024, 128: 1024}
_ATTENTION = {32: (2, 2), 128: (3, 2)}  # generator, discriminator


def _parse(class_name: str, network: str) -> tuple[str, int]:
    match = re.fullmatch(rf"([A-Za-z]+?){network}(\d+|CIFAR)", class_name)
    if not match or match[1] not in _FAMILIES:
        raise ConfigError(f"{class_name} is not a {network.lower()} of Mimicry; known families: {', '.join(_FAMILIES)}")
    return match[1], 32 if match[2] == "CIFAR" else int(match[2])


def generator(
    class_name: str, nz: int = 128, ngf: int | None = None, bottom_width: int | None = None, num_classes: int = 0, **_
) -> architecture.ResNetGenerator:
    """Return the spec of a Mimicry generator class with these arguments (losses and scales are ignored)."""
    family, resolution = _parse(class_name, "Generator")
    bottom_width = bottom_width or _BOTTOM[resolution]
    ngf = ngf or _GENERATOR_WIDTH[resolution]
    channels = tuple(ngf >> shift for shift in _GENERATOR_SHIFTS[resolution])
    return architecture.ResNetGenerator(
        resolution=bottom_width << (len(channels) - 1),
        latent_dim=nz,
        channels=channels,
        bottom_width=bottom_width,
        num_classes=num_classes if _FAMILIES[family].get("conditional") else 0,
        spectral_norm=_FAMILIES[family].get("spectral_generator", False),
        attention_after=_ATTENTION[resolution][:1] if family == "SAGAN" else (),
        output="sigmoid" if class_name.endswith("CIFAR") else "tanh",
        upsample="bilinear",
        norm_gain_offset=0,
    )


def discriminator(
    class_name: str, ndf: int | None = None, nrkhs: int = 1024, num_classes: int = 0, **_
) -> architecture.ResNetDiscriminator:
    """Return the spec of a Mimicry discriminator class with these constructor arguments."""
    family, resolution = _parse(class_name, "Discriminator")
    facts = _FAMILIES[family]
    ndf = ndf or (128 if resolution == 32 or facts.get("conditional") else 1024)
    critics = architecture.InfoMaxCritics(local_after=_LOCAL_AFTER[resolution], projection_dim=nrkhs)
    return architecture.ResNetDiscriminator(
        resolution=resolution,
        channels=tuple(ndf >> shift for shift in _DISCRIMINATOR_SHIFTS[resolution]),
        num_classes=num_classes if facts.get("conditional") else 0,
        spectral_norm=facts.get("spectral_norm", True),
        attention_after=_ATTENTION[resolution][1:] if family == "SAGAN" else (),
        head=facts.get("head", {"type": "plain"}),
        rotation_head=facts.get("rotation_head", False),
        infomax=critics if family == "InfoMaxGAN" else None,
        # By accident of imports, the heads of these two use the library's own spectral norm class.
        head_iterates_in_eval=class_name in ("SSGANDiscriminator32", "CGANPDDiscriminator32"),
        downsample_blocks=_DOWNSAMPLE_BLOCKS[resolution],
        hidden="in",
        pooling=facts.get("pooling", "sum"),
    )


def generator_keys(spec: architecture.ResNetGenerator) -> KeyMap:
    """Return Mimicry's names of the tensors of a generator, for each of our names."""
    last = spec.num_blocks + 2
    keys = KeyMap()
    keys.layer("input", "l1")
    for i in range(spec.num_blocks):
        theirs = f"block{i + 2}"
        for ours, name in (("conv1", "c1"), ("conv2", "c2"), ("shortcut", "c_sc")):
            keys.layer(f"blocks.{i}.{ours}", f"{theirs}.{name}")
        for ours, name in (("norm1", "b1"), ("norm2", "b2")):
            if spec.num_classes == 0:
                keys.batch_norm(f"blocks.{i}.{ours}", f"{theirs}.{name}")
            else:
                _conditional_norm(keys, f"blocks.{i}.{ours}", f"{theirs}.{name}")
    for block in spec.attention_after:
        _attention(keys, f"attention.{block}")
    keys.batch_norm("norm", f"b{last}")
    keys.layer("output", f"c{last}")
    return keys


def discriminator_keys(spec: architecture.ResNetDiscriminator) -> KeyMap:
    """Return Mimicry's names of the tensors of a discriminator, for each of our names."""
    keys = KeyMap()
    for i in range(spec.num_blocks):
        theirs = _discriminator_block(spec, i)
        for ours, name in (("conv1", "c1"), ("conv2", "c2"), ("shortcut", "c_sc")):
            keys.layer(f"blocks.{i}.{ours}", f"{theirs}.{name}")
    for block in spec.attention_after:
        _attention(keys, f"attention.{block}")
    # The number of the last layer depends on the class: in SNGAN 48 it is l5, although five blocks precede it.
    logit = "linear" if spec.infomax else re.compile(r"l\d+")
    keys.layer("heads.logit", logit)
    keys.layer("heads.embedding", "l_y")
    keys.layer("heads.rotation", "l_y")
    if spec.infomax:
        for ours, theirs in (("hidden", "a"), ("output", "b"), ("shortcut", "sc")):
            keys.layer(f"heads.critics.local_critic.{ours}", f"local_nrkhs_{theirs}")
            keys.layer(f"heads.critics.global_critic.{ours}", f"global_nrkhs_{theirs}")
    # The library's own spectral norm stores its last estimate, which every forward pass recomputes.
    keys.ignore(re.compile(r".*\.sn_sigma"))
    return keys


def _discriminator_block(spec: architecture.ResNetDiscriminator, i: int) -> str:
    if not spec.infomax:
        return f"block{i + 1}"
    local = spec.infomax.local_after
    return f"local_feat_blocks.{i}" if i < local else f"global_feat_blocks.{i - local}"


def _conditional_norm(keys: KeyMap, ours: str, theirs: str) -> None:
    """Map one embedding (classes, 2 * channels), which holds the gains, then the biases."""
    keys.batch_norm(f"{ours}.norm", f"{theirs}.bn", affine=False)
    keys.add(f"{ours}.gain.weight", Rename(f"{theirs}.embed.weight", lambda t: t.chunk(2, dim=1)[0].t()))
    keys.add(f"{ours}.bias.weight", Rename(f"{theirs}.embed.weight", lambda t: t.chunk(2, dim=1)[1].t()))


def _attention(keys: KeyMap, ours: str) -> None:
    for name, theirs in (("theta", "theta"), ("phi", "phi"), ("value", "g"), ("output", "o")):
        keys.layer(f"{ours}.{name}", f"attn_block.{theirs}")
    keys.add(f"{ours}.gain", Rename("attn_block.gamma", lambda t: t.reshape(())))
