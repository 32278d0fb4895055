"""torch-fidelity's TF-compatible Inception: finding its weights, opening them safely, and two other ways to resize.

The weights are located before anything is sampled: a given file; else torch.hub's folder, where torch-fidelity and
pytorch-fid keep theirs; else a download. A file whose sha256 does not begin with the digits in torch-fidelity's file
name is refused there, but may be given explicitly: then scores are not called FID.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
from torch_fidelity.utils import create_feature_extractor

from ...common import network_settings
from ...common.cache_roots import torch_hub_root
from ...common.errors import WeightsCorruptedError, WeightsUnavailableError
from ...common.files import sha256
from .extractors import INCEPTION, OFFLINE, Extractor

FILE_NAME = URL_INCEPTION_V3.rsplit("/", 1)[1]
SHA256_PREFIX = FILE_NAME.rpartition("-")[2].removesuffix(".pth")  # torch.hub's convention: the first 8 hex digits
_ALSO_CALLED = f"pt_inception-2015-12-05-{SHA256_PREFIX}.pth"  # the same file as pytorch-fid names it
_TIMEOUT_S = 20
RESIZING = {
    "tensorflow": "bilinear to 299x299 as TensorFlow 1, 8-bit input",
    "bilinear": "bilinear to 299x299 as PyTorch, input as it comes",
    "pillow": "bilinear to 299x299 as Pillow on floats, input as it comes",
}


def locate(path: str | os.PathLike | None = None, download: bool = True) -> Path:
    """Return the weights file on this machine.

    Args:
        path: a file to use; None looks in torch.hub's folder and then downloads.
        download: whether to try the network ($HF_HUB_OFFLINE=1 forbids it).

    Raises:
        WeightsUnavailableError: not available; the message names the file, its checksum and the places.
        WeightsCorruptedError: a file in torch.hub's folder is not what its name says.
    """
    if path is not None:
        if not Path(path).is_file():
            raise WeightsUnavailableError(f"{path} does not exist; give the path of {FILE_NAME} as --inception-weights")
        return Path(path)
    folder = torch_hub_root() / "checkpoints"
    for name in (FILE_NAME, _ALSO_CALLED):
        if (folder / name).is_file():
            if not sha256(folder / name).startswith(SHA256_PREFIX):
                raise WeightsCorruptedError(
                    f"{folder / name} is damaged: its sha256 does not begin with {SHA256_PREFIX}, perhaps a download "
                    f"that was cut off; delete it and try again"
                )
            return folder / name
    reason = "downloads are switched off by HF_HUB_OFFLINE" if download else "nothing is downloaded here"
    if download and os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("1", "true", "yes", "on"):
        try:
            return _download(folder / FILE_NAME)
        except (OSError, RuntimeError) as error:
            reason = f"the download failed: {error}"
    raise WeightsUnavailableError(
        f"the Inception weights are not on this machine ({reason}). Looked for {FILE_NAME} (sha256 {SHA256_PREFIX}...) "
        f"and {_ALSO_CALLED} in {folder}. Fetch {URL_INCEPTION_V3}, put it there or give it as --inception-weights "
        f"FILE; or use --extractor {OFFLINE}, which needs no download and gives no FID"
    )


def _download(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)  # torch.hub sets none, and a silent firewall would block for minutes
    try:
        with network_settings.told(network_settings.URLLIB, URL_INCEPTION_V3):
            torch.hub.download_url_to_file(
                URL_INCEPTION_V3, str(target), hash_prefix=SHA256_PREFIX, progress=sys.stderr.isatty()
            )
    finally:
        socket.setdefaulttimeout(before)
    return target


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
            f"{path} does not hold the weights of torch-fidelity's Inception ({str(error).splitlines()[0]}); give "
            f"{FILE_NAME}"
        ) from None
    if resize != "tensorflow":
        _resize_otherwise(module, resize)
    digest = sha256(path)
    extractor = Extractor(
        INCEPTION,
        module,
        weights=path.name,
        sha256=digest,
        official=digest.startswith(SHA256_PREFIX),
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
