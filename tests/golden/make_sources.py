"""Makes the cases of sources/: small networks built and run by the code of the libraries that published weights.

    python tests/golden/make_sources.py <mmagic> <BigGAN-PyTorch> <pytorch-pretrained-BigGAN> <dinov2>

The arguments are clones, at the commits below. mmagic's network files are executed as they are; of mmcv and mmengine,
which they build on, stand-ins have the few classes that they use. Weights are random; biases, statistics and gains of
attention are moved from their first values, so that each matters. Same schema as manifest.json.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
import types
from pathlib import Path
from unittest import mock

import torch
from safetensors.torch import save_file
from torch import nn

OUT = Path(__file__).parent / "sources"
COMMITS = {"mmagic": "0a560bb", "biggan-pytorch": "9845943", "biggan-deep": "1e18aed", "dinov2": "b8931f7"}
TOLERANCE = {"out": {"rtol": 1e-5, "atol": 1e-6}}
RELU = {"type": "ReLU"}
ACTIVATIONS = {"ReLU": nn.ReLU, "LeakyReLU": nn.LeakyReLU, "Tanh": nn.Tanh}
cases: list[dict] = []


class Registry:
    """mmengine's registry of modules, for the types that the networks name."""

    def __init__(self):
        self.classes: dict[str, type] = {}

    def register_module(self, name: str | None = None):
        def register(cls):
            self.classes[name or cls.__name__] = cls
            return cls

        return register

    def build(self, cfg: dict, default_args: dict | None = None) -> nn.Module:
        cfg = {**(default_args or {}), **cfg}
        kind = cfg.pop("type")
        if kind in ACTIVATIONS:
            return ACTIVATIONS[kind](**cfg)
        if kind == "nearest":
            return nn.Upsample(mode="nearest", **cfg)
        return self.classes[kind](**cfg)


MODELS = Registry()


def build_norm_layer(cfg: dict, channels: int) -> tuple[str, nn.Module]:
    return "bn", nn.BatchNorm2d(channels, **{key: value for key, value in cfg.items() if key != "type"})


class ConvModule(nn.Module):
    """mmcv's ConvModule: convolution, norm and activation, in any order."""

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, bias="auto", conv_cfg=None, norm_cfg=None,
        act_cfg=RELU, with_spectral_norm=False, order=("conv", "norm", "act"),
    ):  # fmt: skip
        super().__init__()
        self.order = order
        options = dict(conv_cfg or {"type": "Conv2d"})
        conv = getattr(nn, options.pop("type"))
        self.conv = conv(
            in_channels, out_channels, kernel_size, stride, padding, bias=norm_cfg is None if bias == "auto" else bias,
            **options,
        )  # fmt: skip
        if with_spectral_norm:
            self.conv = nn.utils.spectral_norm(self.conv)
        if norm_cfg is not None:
            first = order.index("norm") < order.index("conv")
            name, norm = build_norm_layer(norm_cfg, in_channels if first else out_channels)
            self.add_module(name, norm)
        self.activate = MODELS.build(act_cfg) if act_cfg is not None else None

    def forward(self, x):
        layers = {"conv": self.conv, "norm": getattr(self, "bn", None), "act": self.activate}
        for name in self.order:
            x = layers[name](x) if layers[name] is not None else x
        return x


def stand_ins(clone: str) -> None:
    """Put mmcv, mmengine and the packages of mmagic into sys.modules, without running mmagic's own `__init__` files."""

    class BaseModule(nn.Module):
        def __init__(self, init_cfg=None):
            super().__init__()
            self.init_cfg = init_cfg

    empty = mock.MagicMock()
    names = {
        "mmcv": {}, "mmcv.cnn": {"ConvModule": ConvModule, "build_norm_layer": build_norm_layer},
        "mmengine": {"is_list_of": lambda items, kind: all(isinstance(item, kind) for item in items)},
        "mmengine.dist": {"is_distributed": lambda: False}, "mmengine.logging": {"MMLogger": empty},
        "mmengine.model": {
            "BaseModule": BaseModule, "constant_init": lambda module, value: nn.init.constant_(module.weight, value),
            "xavier_init": empty, "normal_init": empty, "update_init_info": empty,
        },
        "mmengine.runner": {"load_checkpoint": empty},
        "mmengine.runner.checkpoint": {"_load_checkpoint_with_prefix": empty}, "mmengine.utils": {},
        "mmengine.utils.dl_utils": {}, "mmengine.utils.dl_utils.parrots_wrapper": {"_BatchNorm": nn.BatchNorm2d},
        "mmagic": {}, "mmagic.registry": {"MODELS": MODELS}, "mmagic.models": {},
        "mmagic.models.utils": {"get_module_device": lambda module: next(module.parameters()).device},
        "mmagic.models.editors": {},
        **{f"mmagic.models.editors.{name}": {} for name in ("biggan", "sagan", "dcgan", "lsgan")},
    }  # fmt: skip
    for name, members in names.items():
        module = types.ModuleType(name)
        module.__path__ = [str(Path(clone, *name.split(".")))]
        vars(module).update(members)
        sys.modules[name] = module


@torch.no_grad()
def moved(network: nn.Module) -> nn.Module:
    """Move what begins at zero or one elsewhere, and the vectors of torch's spectral norm by three iterations."""
    hooks = [(module, hook) for module in network.modules() for hook in module._forward_pre_hooks.values()]
    for module, hook in 3 * hooks:
        hook.compute_weight(module, do_power_iteration=True)
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        leaf = name.rpartition(".")[2]
        if leaf == "gamma":
            tensor.fill_(0.7)
        elif "var" in leaf:
            tensor.uniform_(0.5, 1.5)
        elif "mean" in leaf:
            tensor.normal_(0, 0.2)
        elif leaf == "bias" or (leaf in ("weight", "gain") and tensor.ndim == 1):
            tensor.add_(torch.randn_like(tensor) * 0.2)
    return network.eval()


def add(kind: str, name: str, source: str, spec: dict, network: nn.Module, prefix: str, **values) -> None:
    """Write a case; `values` are its inputs and outputs, `in_y` for "in.y", None for none."""
    file = OUT / f"{name}.safetensors"
    tensors = {f"state.{prefix}{key}": tensor for key, tensor in network.state_dict().items()}
    tensors |= {key.replace("_", ".", 1): tensor for key, tensor in values.items() if tensor is not None}
    save_file({key: tensor.detach().contiguous().clone() for key, tensor in tensors.items()}, file)
    file.chmod(0o644)
    meta = {"commit": COMMITS[source], "source": source, "spec": spec}
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    cases.append({"file": file.name, "kind": kind, "meta": meta, "sha256": digest, "tolerance": TOLERANCE})


def mmagic(clone: str) -> None:
    stand_ins(clone)
    editors = "mmagic.models.editors"
    for name in ("biggan.biggan_modules", "sagan.sagan_modules", "sagan.sagan_generator"):
        importlib.import_module(f"{editors}.{name}")
    from mmagic.models.editors.biggan.biggan_generator import BigGANGenerator
    from mmagic.models.editors.dcgan.dcgan_generator import DCGANGenerator

    def run(name: str, network: nn.Module, spec: dict, prefix: str = "generator.") -> None:
        z = torch.randn(2, spec["latent_dim"])
        y = torch.tensor([1, spec["num_classes"] - 1]) if "num_classes" in spec else None
        with torch.no_grad():
            image = moved(network)(z, **({} if y is None else {"label": y}))
        add("source_gen", name, "mmagic", spec, network, prefix, in_z=z, out_image=image, in_y=y)

    sagan = MODELS.classes["SAGANGenerator"]
    torch.manual_seed(1)
    common = {"output_scale": 16, "base_channels": 8, "channels_cfg": [2, 1], "noise_size": 6, "num_classes": 3}
    spec = {"architecture": "resnet", "resolution": 16, "latent_dim": 6, "channels": [16, 8, 8], "num_classes": 3}
    spec |= {"upsample": "nearest", "batch_norm_eps": 1e-4}
    run("mmagic_sngan", sagan(**common, init_cfg={"type": "studio"}), spec)
    attentive = {"attention_after": [1], "spectral_norm": True}
    options = {"attention_after_nth_block": 1, "with_spectral_norm": True}
    run("mmagic_sagan", sagan(**common, **options, init_cfg={"type": "studio"}), spec | attentive)
    late = sagan(**common, **options, norm_eps=1e-5, sn_eps=1e-8, with_embedding_spectral_norm=False)
    run("mmagic_sagan_biggan_schedule", late, spec | attentive | {"batch_norm_eps": 1e-5, "norm_gain_offset": 0})

    arch = {
        "in_channels": [16, 16], "out_channels": [16, 8], "upsample": [True, True], "resolution": [8, 16],
        "attention": [True, False],
    }  # fmt: skip
    small = {"output_scale": 16, "num_classes": 3, "arch_cfg": arch, "shared_dim": 5}
    biggan = {"architecture": "biggan", "embedding_dim": 5, "channels": [16, 16, 8], "latent_dim": 9}
    run(
        "mmagic_biggan",
        BigGANGenerator(**small, noise_size=9),
        spec | biggan | attentive | {"batch_norm_eps": 1e-5},
        "generator_ema.module.",
    )
    unshared = {"with_shared_embedding": False, "split_noise": False, "sn_style": "torch", "sn_eps": 1e-8}
    plain = {"channels": [16, 16, 8], "norm_gain_offset": 0, "batch_norm_eps": 1e-5}
    run("mmagic_biggan_unshared", BigGANGenerator(**small, noise_size=6, **unshared), spec | attentive | plain)

    spec = {"architecture": "dcgan", "resolution": 32, "latent_dim": 6, "channels": [16, 8, 4], "input_norm": True}
    network = DCGANGenerator(32, base_channels=16, noise_size=6)
    for weight in (parameter for parameter in network.parameters() if parameter.ndim == 4):
        weight.data *= 4  # or the image would hardly depend on z
    run("mmagic_dcgan", network, spec | {"output_upsamples": True})


def judge(name: str, source: str, spec: dict, network: nn.Module, prefix: str) -> None:
    """Add a discriminator, run on noise; labels if it is conditional."""
    side, classes = spec["resolution"], spec.get("num_classes", 0)
    x = torch.rand(2, 3, side, side) * 2 - 1
    y = torch.tensor([1, classes - 1]) if classes else None
    with torch.no_grad():
        logits = moved(network)(x.clone(), *(() if y is None else (y,))).flatten()
    add("source_disc", name, source, spec, network, prefix, in_image=x, out_logits=logits, in_y=y)


def mmagic_lsgan(clone: str) -> None:
    from mmagic.models.editors.lsgan.lsgan_discriminator import LSGANDiscriminator
    from mmagic.models.editors.lsgan.lsgan_generator import LSGANGenerator

    torch.manual_seed(6)
    network = LSGANGenerator(32, base_channels=8, input_scale=4, noise_size=6)
    for weight in (parameter for parameter in network.parameters() if parameter.ndim == 4):
        weight.data *= 4  # as of DCGAN
    spec = {"architecture": "dcgan", "resolution": 32, "latent_dim": 6, "channels": [8, 8, 4, 2], "kernel_size": 3}
    spec |= {"input_norm": True, "refined_blocks": [1]}
    z = torch.randn(2, 6)
    with torch.no_grad():
        image = moved(network)(z)
    add("source_gen", "mmagic_lsgan", "mmagic", spec, network, "generator.", in_z=z, out_image=image)

    spec = {"architecture": "dcgan", "resolution": 32, "channels": [4, 8], "layout": "strided", "kernel_size": 5}
    spec |= {"spectral_norm": False, "batch_norm": True, "first_norm": False, "activation": "leaky_relu", "leak": 0.2}
    network = LSGANDiscriminator(32, 8, base_channels=4)
    judge("mmagic_lsgan_discriminator", "mmagic", spec, network, "discriminator.")


def mmagic_discriminators(clone: str) -> None:
    editors = "mmagic.models.editors"
    importlib.import_module(f"{editors}.sagan.sagan_discriminator")
    from mmagic.models.editors.biggan.biggan_discriminator import BigGANDiscriminator
    from mmagic.models.editors.dcgan.dcgan_discriminator import DCGANDiscriminator

    torch.manual_seed(4)
    projection = MODELS.classes["ProjDiscriminator"]
    common = {"num_classes": 3, "base_channels": 8, "channels_cfg": [2, 1, 1], "downsample_cfg": [True, False, False]}
    spec = {"architecture": "resnet", "resolution": 16, "channels": [8, 16, 8, 8], "num_classes": 3, "hidden": "out"}
    spec |= {"downsample_blocks": 2, "head": {"type": "projection"}}
    plain = {"rectify_shortcut": False}
    studio = {"init_cfg": {"type": "studio"}}
    judge("mmagic_sngan_discriminator", "mmagic", spec | plain, projection(16, **common, **studio), "discriminator.")
    in_place = projection(16, **common, **studio, act_cfg={"type": "ReLU", "inplace": True})
    judge("mmagic_sngan_discriminator_in_place", "mmagic", spec, in_place, "discriminator.")
    attentive = projection(16, **common, attention_after_nth_block=[1, 2])
    plain |= {"attention_after": [1, 2]}
    judge("mmagic_sagan_discriminator", "mmagic", spec | plain, attentive, "discriminator.")

    arch = {
        "in_channels": [3, 8, 16], "out_channels": [8, 16, 16], "downsample": [True, True, False],
        "resolution": [8, 4, 4], "attention": [True, False, False],
    }  # fmt: skip
    spec = spec | {"channels": [8, 16, 16], "attention_after": [1]}
    network = BigGANDiscriminator(16, num_classes=3, arch_cfg=arch, act_cfg={"type": "ReLU", "inplace": True})
    judge("mmagic_biggan_discriminator", "mmagic", spec, network, "discriminator.")

    spec = {"architecture": "dcgan", "resolution": 32, "channels": [8, 16, 32], "layout": "strided", "kernel_size": 4}
    spec |= {"spectral_norm": False, "batch_norm": True, "first_norm": False, "activation": "leaky_relu", "leak": 0.01}
    network = DCGANDiscriminator(32, 4, 1, base_channels=8)
    judge("mmagic_dcgan_discriminator", "mmagic", spec, network, "discriminator.")


def biggan_pytorch(clone: str) -> None:
    sys.path.insert(0, clone)
    import BigGAN

    torch.manual_seed(2)
    network = BigGAN.Generator(
        G_ch=4, dim_z=16, resolution=32, G_attn="16", n_classes=3, G_shared=True, shared_dim=5, hier=True,
        BN_eps=1e-5, SN_eps=1e-6, no_optim=True,
    )  # fmt: skip
    z, y = torch.randn(2, 16), torch.tensor([1, 2])
    with torch.no_grad():
        image = moved(network)(z, network.shared(y))
    spec = {"architecture": "biggan", "resolution": 32, "latent_dim": 16, "channels": [16, 16, 16, 16]}
    spec |= {"num_classes": 3, "embedding_dim": 5, "spectral_norm": True, "attention_after": [2]}
    add("source_gen", "biggan_pytorch", "biggan-pytorch", spec, network, "", in_z=z, out_image=image, in_y=y)


def biggan_pytorch_discriminator(clone: str) -> None:
    import BigGAN

    torch.manual_seed(5)
    network = BigGAN.Discriminator(
        D_ch=4, resolution=32, D_attn="16", n_classes=3, D_activation=nn.ReLU(inplace=True), SN_eps=1e-6
    )
    spec = {"architecture": "resnet", "resolution": 32, "channels": [16, 16, 16, 16], "num_classes": 3}
    spec |= {"downsample_blocks": 2, "hidden": "out", "rectify_shortcut": False}
    spec |= {"head": {"type": "projection"}, "attention_after": [1, 2, 3, 4]}  # it takes all maps to be of 16 pixels
    judge("biggan_pytorch_discriminator", "biggan-pytorch", spec, network, "")


def biggan_deep(clone: str) -> None:
    sys.modules |= dict.fromkeys(("boto3", "botocore", "botocore.exceptions", "requests"), mock.MagicMock())
    sys.path.insert(0, clone)
    from pytorch_pretrained_biggan.config import BigGANConfig
    from pytorch_pretrained_biggan.model import BigGAN

    torch.manual_seed(3)
    pairs = [(up, wide, wide // 2 if up else wide) for wide in (16, 8, 4, 2) for up in (False, True)]
    config = BigGANConfig(64, 6, 6, 4, 3, pairs, attention_layer_position=4, n_stats=5)
    network = BigGAN(config)
    for parameter in (network.generator.bn.weight, network.generator.bn.bias):
        nn.init.ones_(parameter)  # which the library leaves uninitialised
    z, y = torch.randn(2, 6), torch.tensor([1, 2])
    with torch.no_grad():
        image = moved(network)(z, nn.functional.one_hot(y, 3).float(), 1.0)
    spec = {"architecture": "biggan-deep", "resolution": 64, "latent_dim": 6, "channels": [64, 32, 16, 8, 4]}
    spec |= {"num_classes": 3, "embedding_dim": 6, "attention_after": [2], "batch_norm_eps": 1e-4}
    add("source_gen", "biggan_deep", "biggan-deep", spec, network, "", in_z=z, out_image=image, in_y=y)


def dinov2(clone: str) -> None:
    """On its own grid of 4x4 patches, on a smaller one as FD-DINOv2 has it, and on a larger one."""
    os.environ["XFORMERS_DISABLED"] = "1"
    sys.path.insert(0, clone)
    from dinov2.models.vision_transformer import DinoVisionTransformer

    torch.manual_seed(4)
    sizes = {"embed_dim": 12, "depth": 2, "num_heads": 2}
    network = DinoVisionTransformer(img_size=56, patch_size=14, init_values=1.0, block_chunks=0, **sizes).eval()
    values = {"in_image": (image := torch.randn(1, 3, 70, 70))}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
        for side in (56, 42, 70):
            values[f"out_{side}"] = network(image[..., :side, :side])
    spec = {"width": 12, "depth": 2, "heads": 2, "trained_side": 56}
    add("vision_transformer", "dinov2", "dinov2", spec, network, "", **values)


def main(*clones: str) -> None:
    OUT.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    of_mmagic, of_pytorch, of_deep, of_dinov2 = clones
    for make, clone in (
        (mmagic, of_mmagic), (biggan_pytorch, of_pytorch), (biggan_deep, of_deep), (dinov2, of_dinov2),
        (mmagic_discriminators, of_mmagic), (biggan_pytorch_discriminator, of_pytorch), (mmagic_lsgan, of_mmagic),
    ):  # fmt: skip
        make(clone)
    versions = {"torch": torch.__version__.split("+")[0]}
    manifest = {"format": 1, "set": "sources", "versions": versions, "device": "cpu, one thread", "cases": cases}
    (OUT / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
