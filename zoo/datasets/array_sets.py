"""Data sets that are a few arrays: CIFAR, STL-10 and MNIST (read by torchvision), Stacked MNIST, and the digits."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..common import extras
from ..common.errors import DataCorruptedError, DataUnavailableError
from ..common.locks import locked
from ..common.network_settings import URLLIB, told
from ..common.text import visible
from ..schema.class_names import class_names
from .catalogue import CATALOGUE
from .picture_files import holds_own
from .source import Arrays, fingerprint_of, fingerprint_of_files, is_full_split

if TYPE_CHECKING:
    import numpy as np

_TORCHVISION = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "mnist": "MNIST", "stl10": "STL10"}
_PURPOSE = (1 << 24) + 9  # of random words; others are in zoo.sampling.latents and training.data


class Torchvision(Arrays):
    """CIFAR-10, CIFAR-100, STL-10 or MNIST, read and, if missing, downloaded by torchvision."""

    official = True

    def __init__(self, dataset: str, split: str, root: Path, anywhere: bool):
        self.dataset, self.split, self.root, self.anywhere = dataset, split, root, anywhere
        self.origin = visible(str(root.resolve()))

    def locate(self) -> Path | None:
        """Return the folder of the files; None if it does not exist."""
        folder = self.root / CATALOGUE[self.dataset].folder
        return folder if folder.is_dir() else None

    def can_fetch(self) -> bool:
        """Return True if the data set may be downloaded to this place."""
        return not holds_own(self.root)

    def fingerprint(self) -> str:
        folder = self.root / CATALOGUE[self.dataset].folder
        return fingerprint_of_files(path for path in folder.glob("*") if path.is_file())

    @property
    def class_names(self) -> tuple[str, ...]:
        return class_names(self.dataset) if self.num_classes > 1 else ()

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        torchvision = _import_torchvision(self.dataset)
        self._check_files()
        cls = getattr(torchvision.datasets, _TORCHVISION[self.dataset])
        which = {"split": self.split} if self.dataset == "stl10" else {"train": self.split == "train"}
        data = self._open(cls, which)
        images = np.asarray(data.data)
        labels = np.asarray(data.labels if self.dataset == "stl10" else data.targets, dtype=np.int64)
        if self.dataset == "stl10":
            images = images.transpose(0, 2, 3, 1)
        labels = np.maximum(labels, 0)  # STL-10's unlabeled images carry -1
        self._check(images, labels)
        return images, labels

    @property
    def _folder(self) -> Path:
        return self.root / CATALOGUE[self.dataset].folder

    def _check_files(self) -> None:
        """Refuse special files: torchvision opens whatever has the right name, and would block on a pipe."""
        for path in self._folder.rglob("*"):
            if not path.is_file() and not path.is_dir():
                raise DataCorruptedError(f"{path} is not a regular file; remove it")

    def _check(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Check the shapes, as the files of MNIST have no checksum, only shapes in their headers."""
        classes, rank = len(class_names(self.dataset)), 3 if self.dataset == "mnist" else 4
        if labels.shape != images.shape[:1] or images.ndim != rank or not 0 <= labels.max(initial=-1) < classes:
            raise DataCorruptedError(
                f"{self._folder} is damaged (images {images.shape}, labels {labels.shape} up to "
                f"{labels.max(initial=-1)}); remove it, so that it is downloaded again"
            )

    def _open(self, cls, which: dict):
        try:
            try:
                return cls(self.root, download=False, **which)
            except RuntimeError:  # missing, or without the publisher's checksums
                self.root.mkdir(parents=True, exist_ok=True)
                address = getattr(cls, "url", None) or cls.mirrors[0]
                with locked(self.root / f".{self.dataset}.lock"), told(URLLIB, address):
                    return cls(self.root, download=True, **which)
        except (OSError, RuntimeError) as error:
            raise unavailable(self.dataset, self.root, f"cannot be downloaded ({error})") from None
        except (ValueError, EOFError, KeyError, AssertionError) as error:
            folder = self.root / CATALOGUE[self.dataset].folder
            raise DataCorruptedError(
                f"{folder} is damaged ({error}); remove it, so that it is downloaded again"
            ) from None


def unavailable(dataset: str, root: Path, reason: str) -> DataUnavailableError:
    """Return an error that says where to get a data set and where to put it."""
    reason = reason if len(reason) < 240 else f"{reason[:240]}...)"  # errors of network libraries can be long
    return DataUnavailableError(
        f"{dataset} is not in {root} and {reason}; {CATALOGUE[dataset].instructions.format(root=root)}, or give "
        f"an .npz file or a folder of images as the data"
    )


def _import_torchvision(dataset: str):
    try:
        import torchvision.datasets
    except ImportError:
        raise DataUnavailableError(
            f"{dataset} is read with torchvision, which is not installed; run: {extras.install('train', 'torchvision')}"
        ) from None
    return torchvision


class StackedMnist(Arrays):
    """Three random MNIST digits a, b, c as red, green and blue; the label is 100 a + 10 b + c.

    The data set follows Metz et al. ("Unrolled GANs", arXiv 1611.02163), as InfoMax-GAN does (appendix A.4) without
    giving a number of images; PacGAN's repetition of that experiment draws while it trains. Here the draws are fixed:
    128,000 images of the training digits and 26,000 of the test digits, the numbers of PacGAN's other experiment (arXiv
    1712.04086, VEEGAN's setting). The digits of image i depend only on (seed, i) and on the order of the digits.
    """

    def __init__(self, mnist: Arrays, split: str, seed: int = 0):
        self.mnist, self.split, self.seed = mnist, split, seed
        self.origin, self.anywhere = mnist.origin, mnist.anywhere
        count = CATALOGUE["stacked-mnist"].splits[split]
        assert count is not None
        self.count = count

    @property
    def num_classes(self) -> int:
        return 1000

    @property
    def official(self) -> bool:
        return is_full_split("mnist", self.split, self.mnist)

    def locate(self) -> Path | None:
        return self.mnist.locate()

    def can_fetch(self) -> bool:
        return self.mnist.can_fetch()

    def fingerprint(self) -> str:
        return self.mnist.fingerprint()

    def content(self) -> str | None:
        return self.mnist.content()

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(f"{label:03d}" for label in range(1000))

    @cached_property
    def choice(self) -> np.ndarray:
        """The three digits of each image, (N, 3) int64."""
        from ..common import philox

        words = philox.words(self.seed, 0, 3 * self.count, _PURPOSE)
        return (words * len(self.mnist) >> 32).view(-1, 3).numpy()

    @cached_property
    def labels(self) -> np.ndarray:
        digits = self.mnist.labels
        if digits.max() > 9:
            raise DataCorruptedError(f"{self.origin}: the largest label is {digits.max()}; give digits, 0 to 9")
        return digits[self.choice] @ [100, 10, 1]

    def __len__(self) -> int:
        return self.count

    def image(self, i: int):
        from PIL import Image

        return Image.merge("RGB", [Image.fromarray(self.mnist.pixels[j]) for j in self.choice[i]])


class Digits(Arrays):
    """1,797 grey 8x8 images of handwritten digits (UCI, 1998), values 0 ... 16."""

    official = anywhere = True
    origin = "scikit-learn"

    def fingerprint(self) -> str:
        return fingerprint_of([])

    @property
    def class_names(self) -> tuple[str, ...]:
        return class_names("digits")

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        try:
            from sklearn.datasets import load_digits
        except ImportError:
            raise DataUnavailableError(
                "the digits data set ships with scikit-learn, which is not installed; run: "
                f"{extras.install('train', 'scikit-learn')}"
            ) from None
        pixels, labels = map(np.asarray, load_digits(return_X_y=True))  # (N, 64), (N,)
        return (pixels.reshape(-1, 8, 8) * (255 / 16)).round().astype("uint8"), labels.astype("int64")

    def ready(self, side: int) -> np.ndarray:
        """Resize in floating point, as for the bundled models; Pillow would clip between its passes."""
        import torch
        import torch.nn.functional as F

        images = torch.from_numpy(self.pixels)[:, None].float()
        images = F.interpolate(images, (side, side), mode="bicubic", antialias=True).round().clamp(0, 255).byte()
        return images.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()
