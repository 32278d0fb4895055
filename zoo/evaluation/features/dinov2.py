"""DINOv2 as an extractor, for the Frechet distance of Stein et al. 2023 (arXiv 2306.04675), FD-DINOv2.

torch-fidelity's own extractor of these names fetches code of a moving branch, takes no file of weights, and resizes as
TensorFlow 1 did, which is not how FD-DINOv2 is defined. So it is given the network and the resizing here: "bicubic" is
edm2's, "pillow-bicubic" dgm-eval's, which is the code of the paper.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2
from torchvision.transforms.functional import normalize

from ...common.errors import WeightsCorruptedError
from ...common.files import sha256
from ...common.text import first_line
from ..names import OFFLINE
from . import bicubic
from .extractor import Extractor
from .torch_hub_files import HubFile
from .vision_transformer import VisionTransformer

SIDE = FeatureExtractorDinoV2.INPUT_IMAGE_SIZE
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # ImageNet's


class PublishedSize(NamedTuple):
    """The sizes of a network, and the sha256 of its published weights."""

    width: int
    depth: int
    heads: int
    sha256: str


VARIANTS = {
    "dinov2-vit-s-14": PublishedSize(384, 12, 6, "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9"),
    "dinov2-vit-b-14": PublishedSize(768, 12, 12, "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73"),
    "dinov2-vit-l-14": PublishedSize(1024, 24, 16, "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428"),
}


def file_of(name: str) -> HubFile:
    """Return the published weights of a size, under the name that torch.hub gives them."""
    short = f"dinov2_vit{name.split('-')[2]}14"
    url = f"https://dl.fbaipublicfiles.com/dinov2/{short}/{short}_pretrain.pth"
    return HubFile(name, url, f"{short}_pretrain.pth", VARIANTS[name].sha256)


class DinoV2(FeatureExtractorDinoV2):
    """torch-fidelity's interface: images uint8 (N, 3, H, W) to the class token ("dinov2")."""

    def __init__(self, name: str, features_list: list[str], network: VisionTransformer, resize: str):
        FeatureExtractorBase.__init__(self, name, features_list)
        self.model, self.resize = network, resize
        self.requires_grad_(False).eval()

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return {"fid": "dinov2", "kid": "dinov2", "prc": "dinov2"}[metric]  # it has no logits for IS

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        pixels = bicubic.WAYS[self.resize](x, SIDE) / 255
        features = {"dinov2": self.model(normalize(pixels, MEAN, DEVIATION))}
        return tuple(features[layer] for layer in self.features_list)


def load(name: str, resize: str) -> Extractor:
    """Load an extractor of `VARIANTS`.

    Raises:
        WeightsUnavailableError: the weights are not here and cannot be downloaded.
        WeightsCorruptedError: the file in torch.hub's folder is another one.
    """
    file, size = file_of(name), VARIANTS[name]
    path = file.locate(instead=f"; or use --extractor {OFFLINE}, which needs no download")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        with torch.device("meta"):
            network = VisionTransformer(size.width, size.depth, size.heads)
        network.load_state_dict(state, assign=True)
    except Exception as error:
        raise WeightsCorruptedError(
            f"{path} does not hold the weights of {name} ({first_line(error)}); fetch {file.url}"
        ) from None
    digest = sha256(path)
    return Extractor(
        name,
        DinoV2(name, ["dinov2"], network, resize),
        weights=path.name,
        sha256=digest,
        official=file.is_official(digest),
        preprocessing=f"{bicubic.TEXTS[resize].format(SIDE)}, ImageNet's mean and deviation",
    )
