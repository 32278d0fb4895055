"""The linear classifier of CIFAR-10 that `zoo align` uses; this command makes its file again.

python -m training.studies.label_classifier --data cifar10.npz -o cifar10.safetensors

A multinomial logistic regression on the 1,280 features of EfficientNet-lite0 (the offline extractor) of all training
images. Its regularisation is chosen on a tenth of them; the file's header states the accuracy of its float16 weights on
the test images.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.progress import track
from torch import Tensor

import zoo
from zoo import datasets
from zoo.cli import places
from zoo.common import files
from zoo.common.devices import pick_device
from zoo.common.errors import ZooError
from zoo.evaluation.alignment import classifiers
from zoo.evaluation.features import extractors

_STRENGTHS = (0.0003, 0.001, 0.003, 0.01)  # inverse strengths of the regularisation that are tried
_CHOSEN_ON = 10  # one training image in ten


def features_of(images: Tensor, device: str = "cpu", batch_size: int = 250) -> np.ndarray:
    """Return features (N, 1280) float32 of uint8 images (N, 3, H, W)."""
    extract = classifiers.feature_extractor(str(pick_device(device)), "fid")
    parts = list(images.split(batch_size))
    shown = track(parts, "features", disable=not sys.stderr.isatty(), transient=True)
    return torch.cat([extract(part) for part in shown]).numpy()


def fit(x: np.ndarray, y: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit weights (K, D) and biases (K,) for unscaled features: the standardisation is folded in."""
    from sklearn.linear_model import LogisticRegression

    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-8
    model = LogisticRegression(C=strength, max_iter=2000).fit((x - mean) / deviation, y)
    weight = model.coef_ / deviation
    return weight, model.intercept_ - weight @ mean


def accuracy(weight: np.ndarray, bias: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    return float(((x @ weight.T + bias).argmax(axis=1) == y).mean())


def choose_strength(x: np.ndarray, y: np.ndarray) -> float:
    """Return the strength that is best on a tenth of the images, learned on the others."""
    held_out = np.random.RandomState(0).permutation(len(y)) % _CHOSEN_ON == 0
    found = {s: accuracy(*fit(x[~held_out], y[~held_out], s), x[held_out], y[held_out]) for s in _STRENGTHS}
    for strength, value in found.items():
        print(f"inverse strength {strength:g}: {value:.2%} of {held_out.sum():,} held-out training images", flush=True)
    return max(found, key=found.__getitem__)


def main(
    out: Annotated[
        Path, typer.Option("-o", "--out", callback=places.file(".safetensors"), help="The .safetensors file to write.")
    ],
    data: Annotated[
        Path | None, typer.Option(help="CIFAR-10: an .npz, or the folder of the publisher's files.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
) -> None:
    """Train the linear classifier of CIFAR-10 on EfficientNet-lite0's features and measure it on the test images."""
    if out.exists():
        raise ZooError(f"{out} exists; give another file (--out)")
    train, test = (datasets.load("cifar10", split, 32, data) for split in ("train", "test"))
    x, x_test = (features_of(dataset.images, device) for dataset in (train, test))
    strength = choose_strength(x, train.labels.numpy())
    weight, bias = (torch.from_numpy(array).half() for array in fit(x, train.labels.numpy(), strength))
    right = accuracy(weight.float().numpy(), bias.float().numpy(), x_test, test.labels.numpy())
    extractor = extractors.load(extractors.OFFLINE)
    about = {
        "what": "multinomial logistic regression on features of efficientnet-lite0: features @ weight.T + bias",
        "dataset": "cifar10",
        "trained on": f"{len(train):,} training images, checksum {train.checksum}",
        "accuracy": f"{right:.4f}",
        "accuracy of": f"{len(test):,} test images",
        "inverse strength of the L2 penalty": f"{strength:g}, on standardised features",
        "extractor": extractor.name,
        "extractor_sha256": extractor.sha256,
        "preprocessing": extractor.preprocessing,
        "zoo": zoo.__version__,
    }
    files.save(out, {"weight": weight, "bias": bias}, about)
    print(f"{out}: {right:.2%} of the {len(test):,} test images are classified correctly")


if __name__ == "__main__":
    try:
        typer.run(main)
    except ZooError as error:
        raise SystemExit(f"label_classifier: {error}") from None
