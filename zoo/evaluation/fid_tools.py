"""The public FID tools, each by its own network, resizer and formula, on the same images and one weights file.

torch-fidelity, clean-fid, torchmetrics and pytorch-fid are asked through their Python interfaces, which compute what
their commands compute from PNG files. All take the weights that torch-fidelity and pytorch-fid share; clean-fid's own
file is a TorchScript program with the same numbers, of which its PyTorch port of the network is used here instead.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .features.extractors import Extractor
from .metrics import formulas

WIDTH = 2048  # features of the last pooling; 64, 192 and 768 are earlier ones
_BLOCKS = {64: 0, 192: 1, 768: 2, 2048: 3}  # of pytorch-fid's network, and clean-fid's copy of it


@dataclass(frozen=True)
class Pair:
    """What every tool is given: uint8 images (N, 3, H, W) and (M, 3, H, W), and where to compute.

    Attributes:
        extractor: our own, on the device; its weights are those in the file `weights`.
        advance: called with the images done since the last call.
    """

    fake: Tensor
    real: Tensor
    weights: Path
    extractor: Extractor
    device: torch.device
    batch_size: int
    advance: Callable[[int], object] = lambda count: None
    width: int = WIDTH

    def batches(self, images: Tensor) -> Iterator[Tensor]:
        for batch in images.split(self.batch_size):
            yield batch
            self.advance(len(batch))

    @torch.inference_mode()
    def features(self, network: Callable[[Tensor], Tensor]) -> tuple[np.ndarray, np.ndarray]:
        """Return the features (N, D) and (M, D) float32 of a network that takes uint8 batches on the CPU."""
        both = ([network(batch).cpu() for batch in self.batches(images)] for images in (self.fake, self.real))
        fake, real = (torch.cat(parts).numpy() for parts in both)
        return fake, real


@dataclass(frozen=True)
class Tool:
    """One tool in one of its modes, and the choices that set its number apart from another's."""

    name: str
    distribution: str
    module: str  # imported to see whether it is installed
    fid: Callable[[Pair], float]
    resize: str  # how images reach 299x299
    scale: str  # of the network's input; none of the tools rounds after resizing
    precision: str  # of means, covariances and the square root

    @property
    def version(self) -> str | None:
        """Return the installed version; None if it is not installed, or what it needs is not."""
        try:
            import_module(self.module)
            return metadata.version(self.distribution)
        except ImportError:  # of a package, or of its metadata
            return None


def _ours(pair: Pair) -> float:
    layer = str(pair.width)
    found = pair.features(lambda batch: pair.extractor(batch, (layer,))[layer])
    fake, real = (formulas.statistics(torch.from_numpy(features)) for features in found)
    return formulas.frechet_distance(fake, real)


class _Counted(torch.utils.data.Dataset):
    """Images one by one, as torch-fidelity takes them."""

    def __init__(self, images: Tensor, advance: Callable[[int], object]):
        self.images, self.advance = images, advance

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Tensor:
        self.advance(1)
        return self.images[i]


def _torch_fidelity(pair: Pair) -> float:
    import torch_fidelity

    found = torch_fidelity.calculate_metrics(
        input1=_Counted(pair.fake, pair.advance),
        input2=_Counted(pair.real, pair.advance),
        fid=True,
        feature_layer_fid=str(pair.width),
        feature_extractor_weights_path=str(pair.weights),
        batch_size=pair.batch_size,
        cuda=pair.device.type == "cuda",
        save_cpu_ram=True,  # and no processes of its own
        cache=False,
        verbose=False,
    )
    return found[torch_fidelity.KEY_METRIC_FID]


def _clean_fid(mode: str, divisor: float) -> Callable[[Pair], float]:
    """clean-fid in a mode; its network maps x to 2 x - 1, so x / 256 arrives as (x - 128) / 128."""

    def fid(pair: Pair) -> float:
        resizer = import_module("cleanfid.resize").build_resizer(mode)
        network = _network(import_module("cleanfid.inception_pytorch"), pair, resize_input=False)

        def features(batch: Tensor) -> Tensor:
            arrays = [resizer(image) for image in batch.permute(0, 2, 3, 1).numpy()]
            resized = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
            return network(resized.to(pair.device) / divisor)

        return float(import_module("cleanfid.fid").fid_from_feats(*pair.features(features)))

    return fid


def _pytorch_fid(pair: Pair) -> float:
    network = _network(import_module("pytorch_fid.inception"), pair)
    found = pair.features(lambda batch: network(batch.to(pair.device).float() / 255))
    moments = [(np.mean(wide, axis=0), np.cov(wide, rowvar=False)) for wide in (x.astype(np.float64) for x in found)]
    formula = import_module("pytorch_fid.fid_score").calculate_frechet_distance
    return float(formula(*moments[0], *moments[1]))


def _network(module: Any, pair: Pair, **options: Any) -> Callable[[Tensor], Tensor]:
    """Build the network of pytorch-fid, or clean-fid's copy of it, with the weights of a file."""
    with _weights_from(module, pair.weights):
        network = module.InceptionV3([_BLOCKS[pair.width]], **options)
    network = network.to(pair.device).eval()
    return lambda images: F.adaptive_avg_pool2d(network(images)[0], 1).flatten(1)


@contextmanager
def _weights_from(module: Any, path: Path) -> Iterator[None]:
    """Let a module that downloads its weights read this file instead, as plain tensors."""
    usual = module.load_state_dict_from_url
    module.load_state_dict_from_url = lambda *_, **__: torch.load(path, map_location="cpu", weights_only=True)
    try:
        yield
    finally:
        module.load_state_dict_from_url = usual


def _torchmetrics(pair: Pair) -> float:
    kind = import_module("torchmetrics.image.fid").FrechetInceptionDistance
    metric = kind(pair.width, feature_extractor_weights_path=str(pair.weights)).to(pair.device)
    with torch.inference_mode():
        for images, real in ((pair.fake, False), (pair.real, True)):
            for batch in pair.batches(images):
                metric.update(batch.to(pair.device), real=real)
    return float(metric.compute())


def measure(tool: Tool, pair: Pair) -> float:
    """Return a tool's number; warnings of its libraries about their own code are not shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tool.fid(pair)


_PIXELS, _SYMMETRIC = "(x - 128) / 128", "2 x / 255 - 1"
_AS_PYTORCH = "bilinear as PyTorch, not antialiased"
_SINGLE_MEANS = "means float32, covariances float64"
_ROOT = "scipy's square root of a matrix"

OURS = Tool(
    "zoo",
    "torch-fidelity",
    "torch_fidelity",
    _ours,
    "bilinear as TensorFlow 1, not antialiased",
    _PIXELS,
    f"{_SINGLE_MEANS}, eigenvalues",
)
TOOLS = (
    replace(OURS, name="torch-fidelity", fid=_torch_fidelity),
    Tool(
        "clean-fid",
        "clean-fid",
        "cleanfid.fid",
        _clean_fid("clean", 256),
        "bicubic, antialiased, by Pillow on floats",
        _PIXELS,
        f"{_SINGLE_MEANS}, {_ROOT}",
    ),
    Tool(
        "clean-fid legacy_pytorch",
        "clean-fid",
        "cleanfid.fid",
        _clean_fid("legacy_pytorch", 255),
        _AS_PYTORCH,
        _SYMMETRIC,
        f"{_SINGLE_MEANS}, {_ROOT}",
    ),
    Tool(
        "torchmetrics",
        "torchmetrics",
        "torchmetrics.image.fid",
        _torchmetrics,
        "bilinear, antialiased, by PyTorch",
        _PIXELS,
        "sums float64, eigenvalues, result float32",
    ),
    Tool(
        "pytorch-fid",
        "pytorch-fid",
        "pytorch_fid.fid_score",
        _pytorch_fid,
        _AS_PYTORCH,
        _SYMMETRIC,
        f"means and covariances float64, {_ROOT}",
    ),
)
