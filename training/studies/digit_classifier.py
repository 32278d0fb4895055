"""The digit classifier that counts modes; `python -m training.studies.digit_classifier` trains it again.

That command made the file beside this one; its header states the training data and the accuracy on MNIST's test
images.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from torch import Tensor, nn

import zoo
from zoo import datasets
from zoo.checkpoints import weights
from zoo.cli import places
from zoo.common import files
from zoo.common.devices import pick_device
from zoo.common.errors import WeightsCorruptedError, ZooError
from zoo.common.package_data import data_path
from zoo.datasets import Dataset

from . import options

BUNDLED = data_path("training.studies", "digit_classifier.safetensors")
_BATCH, _LR, _SHIFT = 128, 2e-3, 2


class DigitClassifier(nn.Sequential):
    """Grey images (N, 1, 28, 28) in [0, 1], white on black, to logits (N, 10)."""

    def __init__(self):
        def block(i: int, o: int, stride: int) -> list[nn.Module]:
            return [nn.Conv2d(i, o, 3, stride, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]

        body = [*block(1, 16, 1), *block(16, 32, 2), *block(32, 32, 1), *block(32, 64, 2)]
        super().__init__(*body, nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 7 * 7, 10))


def load(device: str | torch.device = "cpu", path: Path = BUNDLED) -> DigitClassifier:
    """Load the trained classifier in eval mode.

    Raises:
        WeightsCorruptedError: the file is not this network's.
    """
    classifier = DigitClassifier()
    try:
        classifier.load_state_dict({name: tensor.float() for name, tensor in weights.read(path).items()})
    except RuntimeError as error:
        raise WeightsCorruptedError(f"{path} does not fit the digit classifier ({error}); install it again") from None
    return classifier.to(device).eval()


def accuracy(classifier: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of grey images (N, 1, 28, 28) in [0, 1] that are classified as labelled."""
    with torch.no_grad():
        says = torch.cat([classifier(part).argmax(dim=1) for part in images.split(1000)])
    return (says == labels).float().mean().item()


@torch.no_grad()
def digits_of(images: Tensor, classifier: nn.Module) -> Tensor:
    """Classify the digit on each image, (N,) int64; sizes other than 28x28 are resized.

    Args:
        images: uint8 (N, C, H, W), white on black; the mean of the channels is classified.
    """
    x = images.to(next(classifier.parameters()).device).float().mean(dim=1, keepdim=True) / 255
    if x.shape[2:] != (28, 28):
        x = F.interpolate(x, (28, 28), mode="bicubic", antialias=True).clamp(0, 1)
    return torch.cat([classifier(part).argmax(dim=1) for part in x.split(1000)])


def grey(dataset: Dataset, device: str | torch.device = "cpu") -> tuple[Tensor, Tensor]:
    """Return images (N, 1, 28, 28) in [0, 1] and labels (N,) of MNIST as the zoo loads it (three equal channels)."""
    return dataset.images[:, :1].to(device).float() / 255, dataset.labels.to(device)


def train(images: Tensor, labels: Tensor, epochs: int, seed: int = 0) -> DigitClassifier:
    """Train by Adam with a linearly falling rate, on images shifted anew by up to two pixels in every epoch."""
    torch.manual_seed(seed)
    classifier = DigitClassifier().to(images.device).to(memory_format=torch.channels_last).train()
    steps = epochs * (len(images) // _BATCH)
    optimizer = torch.optim.Adam(classifier.parameters(), _LR)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    padded, side, loss = F.pad(images, (_SHIFT,) * 4), images.shape[-1], torch.tensor(torch.nan)
    for epoch in range(epochs):
        started = time.monotonic()
        for chosen in torch.randperm(len(images)).to(images.device)[: len(images) // _BATCH * _BATCH].split(_BATCH):
            top, left = torch.randint(2 * _SHIFT + 1, (2,)).tolist()
            logits = classifier(padded[chosen, :, top : top + side, left : left + side])
            loss = F.cross_entropy(logits, labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        left = (epochs - epoch - 1) * (time.monotonic() - started)
        print(f"epoch {epoch + 1}/{epochs}  loss {loss.item():.4f}  {left:.0f} s left", flush=True)
    return classifier.eval()


def command(
    out: Annotated[
        Path, typer.Option("-o", "--out", callback=places.file(".safetensors"), help="The .safetensors file to write.")
    ],
    data: options.Data = None,
    epochs: Annotated[int, typer.Option(min=1, help="Over the 60,000 training images.")] = 4,
    seed: options.Seed = 0,
    device: options.Device = "auto",
) -> None:
    """Train the digit classifier on MNIST and measure it on the test images."""
    if out.exists():
        raise ZooError(f"{out} exists; give another file (--out)")
    where = pick_device(device)
    train_set, test_set = (datasets.load("mnist", split, 28, data) for split in ("train", "test"))
    classifier = train(*grey(train_set, where), epochs, seed)
    half = {name: t.half() if t.is_floating_point() else t for name, t in classifier.state_dict().items()}
    classifier.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in half.items()})
    right = accuracy(classifier, *grey(test_set, where))
    provenance = {
        "trained on": f"MNIST, 60,000 training images, checksum {train_set.checksum}",
        "accuracy": f"{right:.4f} on the 10,000 test images, with these float16 weights",
        "epochs": str(epochs),
        "seed": str(seed),
        "torch": torch.__version__,
        "zoo": zoo.__version__,
    }
    files.save(out, {name: t.cpu() for name, t in half.items()}, provenance)
    print(f"{out}: {right:.2%} of the test images are classified correctly")


if __name__ == "__main__":
    options.main(command)
