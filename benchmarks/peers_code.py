"""The peers' own generators from a checkout of their repositories, with weights that ours then take over.

Of the checkout only the networks are imported: what their packages need for training is not.
"""

from __future__ import annotations

import importlib
import sys
import types
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo import nets
from zoo.checkpoints import upstream
from zoo.schema import architecture


def library_of(spec: architecture.Generator) -> str:
    """Whose network it is: of those in the table only Mimicry's upsample bilinearly."""
    return "mimicry" if getattr(spec, "upsample", None) == "bilinear" else "studiogan"


def own(spec: architecture.Generator, checkout: Path) -> Called:
    """The peer's generator in eval mode with its initial weights, called as ours is."""
    library = library_of(spec)
    peer = {"mimicry": _mimicry, "studiogan": _studiogan}[library](spec, checkout)
    return Called(peer, labels=library == "studiogan").eval().requires_grad_(False)


class Called(nn.Module):
    """A network that is called with labels even if it has no classes, or without."""

    def __init__(self, network: nn.Module, labels: bool):
        super().__init__()
        self.network, self.labels = network, labels

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.network(z, y) if self.labels else self.network(z)


def ours_of(peer: Called, spec: architecture.Generator) -> nn.Module:
    """Our generator with the weights of a peer's."""
    ours = nets.build_generator(spec).eval().requires_grad_(False)
    ours.load_state_dict(upstream.convert(peer.network.state_dict(), library_of(spec), spec))
    return ours


def _package(name: str, path: Path) -> None:
    """A package whose modules can be imported, without what its __init__ does."""
    module = types.ModuleType(name)
    module.__path__ = [str(path)]
    sys.modules[name] = module


def _mimicry(spec: architecture.Generator, checkout: Path) -> nn.Module:
    for name in ("torch_mimicry", "torch_mimicry.nets"):
        _package(name, checkout.joinpath(*name.split(".")))
    for name in ("tensorflow", "tensorflow.compat", "tensorflow.compat.v1"):  # for the TensorBoard of its trainer
        sys.modules.setdefault(name, types.ModuleType(name))
    module = importlib.import_module(f"torch_mimicry.nets.sngan.sngan_{spec.resolution}")
    return getattr(module, f"SNGANGenerator{spec.resolution}")(nz=spec.latent_dim, ngf=spec.channels[0])


def _studiogan(spec: architecture.Generator, checkout: Path) -> nn.Module:
    sys.path.append(str(checkout / "src"))
    misc = types.ModuleType("utils.misc")
    misc.dummy_context_mgr = nullcontext
    sys.modules["utils.misc"] = misc
    ops = importlib.import_module("utils.ops")
    big, deep = (spec.architecture == kind for kind in ("biggan", "dcgan"))
    conditional = spec.num_classes > 0
    prefix = "sn" if spec.spectral_norm else ""
    layers = types.SimpleNamespace(
        **{f"g_{kind}": getattr(ops, prefix + kind) for kind in ("conv2d", "deconv2d", "linear")},
        g_embedding=ops.sn_embedding if spec.spectral_norm else ops.embedding,
        g_bn=ops.ConditionalBatchNorm2d if conditional else ops.batchnorm_2d,
        g_act_fn=nn.ReLU(inplace=True),
    )
    module = importlib.import_module("models." + ("deep_conv" if deep else "big_resnet" if big else "resnet"))
    peer = module.Generator(
        z_dim=spec.latent_dim,
        g_shared_dim=spec.embedding_dim if big else "N/A",
        img_size=spec.resolution,
        g_conv_dim=spec.channels[0] // {32: 4, 64: 16}[spec.resolution],
        apply_attn=bool(spec.attention_after),
        attn_g_loc=list(spec.attention_after),
        g_cond_mtd="cBN" if conditional else "W/O",
        num_classes=max(spec.num_classes, 1),
        g_init="ortho",
        g_depth=None,
        mixed_precision=False,
        MODULES=layers,
        MODEL=types.SimpleNamespace(info_type="N/A", g_info_injection="N/A"),
    )
    if spec.spectral_norm:  # its vectors settle
        with torch.no_grad():
            peer.train()
            for _ in range(3):
                peer(torch.randn(2, spec.latent_dim), torch.zeros(2, dtype=torch.long))
    return peer
