"""CLIP's image encoders as extractors, for CMMD (Jayasumana et al. 2024, arXiv 2401.09603).

The network is torch-fidelity's. It resizes as TensorFlow 1 did, and CMMD by Pillow ("pillow-bicubic", as its authors'
code), so images are resized and normalised here. The files are archives of TorchScript: only those of the sha256 that
OpenAI publishes in their addresses are opened.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_clip import MODEL_METADATA, MODEL_URLS, FeatureExtractorCLIP

from ...common.errors import WeightsCorruptedError
from ...common.text import first_line
from ..names import OFFLINE
from . import bicubic
from .extractor import Extractor
from .torch_hub_files import HubFile

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def file_of(name: str) -> HubFile:
    """Return the published weights, under the name that torch-fidelity gives them."""
    digest = MODEL_METADATA[name]["hash"]
    return HubFile(name, MODEL_URLS[name], f"{name}-{digest}.pt", digest)


class Clip(FeatureExtractorCLIP):
    """torch-fidelity's interface: images uint8 (N, 3, H, W) to the projected embedding ("clip")."""

    def __init__(self, name: str, features_list: list[str], path: str, resize: str):
        super().__init__(name, features_list, feature_extractor_weights_path=path)
        self.resize = resize

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return {"fid": "clip", "kid": "clip", "prc": "clip"}[metric]  # it has no logits for IS

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        mean, deviation = (torch.tensor(v, device=x.device).view(3, 1, 1) for v in (MEAN, DEVIATION))
        pixels = bicubic.WAYS[self.resize](x, self.resolution) / 255
        features = {"clip": self.model.visual((pixels - mean) / deviation)}
        return tuple(features[layer] for layer in self.features_list)


def load(name: str, resize: str) -> Extractor:
    """Load one of torch-fidelity's CLIP networks.

    Raises:
        WeightsUnavailableError: the weights are not here and cannot be downloaded.
        WeightsCorruptedError: the file in torch.hub's folder is another one.
    """
    file = file_of(name)
    path = file.locate(instead=f"; or use --extractor {OFFLINE}, which needs no download")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit")  # deprecated, and the format of these files
            module = Clip(name, ["clip"], str(path), resize)
    except Exception as error:
        raise WeightsCorruptedError(
            f"{path} does not hold the weights of {name} ({first_line(error)}); fetch {file.url}"
        ) from None
    return Extractor(
        name,
        module,
        weights=path.name,
        sha256=file.sha256,
        official=True,
        preprocessing=f"{bicubic.TEXTS[resize].format(module.resolution)}, CLIP's mean and deviation",
    )
