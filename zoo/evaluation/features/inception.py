"""torch-fidelity's TF-compatible Inception: finding its weights, opening them safely, and two other ways to resize.

A file whose sha256 does not begin with the digits in torch-fidelity's file name may be given explicitly: then scores
are not called FID.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
from torch_fidelity.utils import create_feature_extractor

from ...common.errors import WeightsCorruptedError
from ...common.files import sha256
from ...common.text import first_line
from ..names import INCEPTION, OFFLINE
from .extractor import Extractor
from .torch_hub_files import HubFile

FILE_NAME = URL_INCEPTION_V3.rsplit("/", 1)[1]
SHA256_PREFIX = FILE_NAME.rpartition("-")[2].removesuffix(".pth")  # torch.hub's convention: the first 8 hex digits
FILE = HubFile(
    "Inception",
    URL_INCEPTION_V3,
    FILE_NAME,
    SHA256_PREFIX,
    (f"pt_inception-2015-12-05-{SHA256_PREFIX}.pth",),  # as pytorch-fid names it
    "--inception-weights",
)
RESIZING = {
    "tensorflow": "bilinear to 299x299 as TensorFlow 1, 8-bit input",
    "bilinear": "bilinear to 299x299 as PyTorch, input as it comes",
    "pillow": "bilinear to 299x299 as Pillow on floats, input as it comes",
}


_INSTEAD = f"; or use --extractor {OFFLINE}, which needs no download and gives no FID"


def locate(path: str | os.PathLike | None = None, download: bool = True, instead: str = _INSTEAD) -> Path:
    """Return the weights file on this machine; for arguments and errors see `HubFile.locate`."""
    return FILE.locate(path, download, instead)


def load(path: str | os.PathLike | None = None, resize: str = "tensorflow") -> Extractor:
    """Load the extractor; its weights file is checked as plain tensors before torch-fidelity unpickles it."""
    path = locate(path)
    try:
        torch.load(path, map_location="cpu", weights_only=True)
        module = create_feature_extractor(
            "inception-v3-compat", ["2048"], cuda=False, verbose=False, feature_extractor_weights_path=str(path)
        )
    except Exception as error:
        raise WeightsCorruptedError(
            f"{path} does not hold the weights of torch-fidelity's Inception ({first_line(error)}); give {FILE_NAME}"
        ) from None
    if resize != "tensorflow":
        _resize_otherwise(module, resize)
    digest = sha256(path)
    extractor = Extractor(
        INCEPTION,
        module,
        weights=path.name,
        sha256=digest,
        official=FILE.is_official(digest),
        preprocessing=RESIZING[resize],
    )
    extractor.takes_floats = resize != "tensorflow"
    return extractor


def _resize_otherwise(module: FeatureExtractorInceptionV3, resize: str) -> None:
    """Replace the input of the first convolution.

    torch-fidelity's forward takes uint8 and resizes as TensorFlow 1 did. StudioGAN fed images in [-1, 1], unrounded at
    first, resized by PyTorch or Pillow. So its forward is given one black pixel for each image, and a hook hands the
    first convolution the real input; the network from there on is torch-fidelity's.
    """
    forward = type(module).forward
    pending: list[Tensor] = []

    def replace_input(_, __) -> tuple[Tensor]:
        return (pending.pop(),)

    def resized_forward(x: Tensor) -> tuple[Tensor, ...]:
        size = (module.INPUT_IMAGE_SIZE,) * 2
        pixels = F.interpolate(x.float(), size, mode="bilinear", antialias=resize == "pillow")
        pending.append(pixels / 127.5 - 1)
        placeholder = torch.zeros(len(x), 3, 1, 1, dtype=torch.uint8, device=x.device)
        return forward(module, placeholder)

    module.Conv2d_1a_3x3.register_forward_pre_hook(replace_input)
    module.forward = resized_forward
