"""Data sets by name, each as one uint8 tensor (N, 3, S, S) and labels (N,).

`digits` ships with scikit-learn. The others come from torchvision, which downloads them where it can, or from an .npz
file with `<split>_images` (N, H, W, 3) or (N, H, W) uint8 and `<split>_labels` (N,).
"""

from __future__ import annotations

import os
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .errors import DataUnavailableError

if TYPE_CHECKING:
    from torch import Tensor

_TORCHVISION = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "mnist": "MNIST", "stl10": "STL10"}


class Dataset(NamedTuple):
    """All images of one split."""

    images: Tensor  # (N, 3, S, S) uint8
    labels: Tensor  # (N,) int64; all 0 where the data has no classes
    num_classes: int
    checksum: str = ""
    source: str = ""


@cache
def class_names(dataset: str) -> tuple[str, ...]:
    """The public class names of a data set in label order; empty where it has none.

    ImageNet's two "crane" and two "maillot" appear as they are: a name that is not unique needs its WordNet id.
    """
    return tuple(name for name, _ in _classes(dataset))


@cache
def class_ids(dataset: str) -> tuple[str, ...]:
    """The WordNet ids of the classes in label order; empty where the data set has none."""
    return tuple(wnid for _, wnid in _classes(dataset) if wnid)


def _classes(dataset: str) -> list[tuple[str, str]]:
    """(name, WordNet id or "") of each class, from a table with one class a line."""
    table = resources.files("zoo") / "class_names" / f"{dataset}.txt"
    if not table.is_file():
        return []
    lines = table.read_text(encoding="utf-8").splitlines()
    return [(name, wnid) for name, _, wnid in (line.partition("\t") for line in lines)]


def load(dataset: str, split: str = "train", resolution: int = 32, root: str | Path | None = None) -> Dataset:
    """Read one split, resized to (resolution, resolution); grey images become RGB.

    Args:
        root: an .npz file, or torchvision's folder; default $ZOO_DATA, else ~/.cache/contrastive-gan-zoo/data.

    Raises:
        DataUnavailableError: it is not here and cannot be downloaded.
    """
    import torch

    if root is not None and Path(root).suffix == ".npz":
        images, labels = _from_npz(Path(root), split)
    elif dataset == "digits":
        images, labels = _digits()
    elif dataset in _TORCHVISION:
        images, labels = _from_torchvision(dataset, split, Path(root or default_root()))
    else:
        raise DataUnavailableError(
            f"{dataset} cannot be downloaded by this version; make an .npz file with {split}_images (N, H, W, 3) uint8 "
            f"and {split}_labels (N,), and give its path as the data"
        )
    if images.ndim == 3:
        images = images[..., None]
    tensor = _resize(torch.from_numpy(images).permute(0, 3, 1, 2), resolution)
    tensor = tensor.expand(-1, 3, -1, -1).contiguous()
    labels_tensor = torch.as_tensor(labels, dtype=torch.int64)
    return Dataset(tensor, labels_tensor, int(labels_tensor.max()) + 1)


def default_root() -> Path:
    cache_home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("ZOO_DATA", cache_home / "contrastive-gan-zoo" / "data"))


def _resize(images: Tensor, side: int) -> Tensor:
    """uint8 (N, C, H, W) to (N, C, side, side), bicubic with antialiasing; unchanged where the size fits."""
    import torch
    import torch.nn.functional as F

    if images.shape[2:] == (side, side):
        return images
    chunks = [
        F.interpolate(chunk.float(), (side, side), mode="bicubic", antialias=True).round().clamp(0, 255).byte()
        for chunk in images.split(1024)
    ]
    return torch.cat(chunks)


def _digits():
    """1,797 grey 8x8 images of handwritten digits (UCI, 1998), values 0 ... 16."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataUnavailableError(
            "the digits data set ships with scikit-learn, which is not installed; run: pip install scikit-learn"
        ) from None
    digits = load_digits()
    return (digits.images * (255 / 16)).round().astype("uint8"), digits.target


def _from_npz(path: Path, split: str):
    import numpy as np

    if not path.is_file():
        raise DataUnavailableError(f"{path} does not exist; give the path of an .npz file with {split}_images")
    with np.load(path, allow_pickle=False) as archive:
        keys = (f"{split}_images", f"{split}_labels")
        missing = [key for key in keys if key not in archive]
        if missing:
            raise DataUnavailableError(f"{path} has no {missing[0]}; it holds {', '.join(archive.files)}")
        return archive[keys[0]], archive[keys[1]]


def _from_torchvision(dataset: str, split: str, root: Path):
    import numpy as np

    try:
        from torchvision import datasets as torchvision_datasets
    except ImportError:
        raise DataUnavailableError(
            f"{dataset} is read with torchvision, which is not installed; run: pip install torchvision"
        ) from None
    cls = getattr(torchvision_datasets, _TORCHVISION[dataset])
    which = {"split": split} if dataset == "stl10" else {"train": split == "train"}
    try:
        data = cls(root, download=True, **which)
    except (OSError, RuntimeError) as error:
        raise DataUnavailableError(
            f"{dataset} is not in {root} and cannot be downloaded ({error}); put torchvision's files there, or give "
            f"the path of an .npz file with {split}_images and {split}_labels as the data"
        ) from None
    images = np.asarray(data.data)
    if dataset == "stl10":
        images = images.transpose(0, 2, 3, 1)
    labels = data.labels if dataset == "stl10" else data.targets
    return images, np.asarray(labels)
