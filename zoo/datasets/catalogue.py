"""The named data sets: their splits, the places of their files, and how to get them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CatalogueEntry:
    """One data set of the catalogue."""

    splits: dict[str, int | None]  # split -> number of images, if known; models are trained on the first split
    resolution: int  # the most frequent one of the models
    how: str  # "download", "by hand" or "installed"
    instructions: str  # one sentence: where to get it and where to put it; {root} is the folder
    folder: str = ""  # of the files, below the root
    classes: bool = True  # False = every label is 0
    drawn: bool = False  # at random, from another data set: there is no whole that a score should see

    @property
    def default_split(self) -> str:
        return next(iter(self.splits))


def _subset(name: str) -> CatalogueEntry:
    """Return the entry of a subset of ImageNet that PyTorch-StudioGAN's authors publish."""
    return CatalogueEntry(
        {"train": None, "val": None},
        64,
        "by hand",
        f"get {name} ImageNet from the link in the README of https://github.com/POSTECH-CVLab/PyTorch-StudioGAN and "
        f"put its folders train and valid, with one folder per class, in {{root}}/{name}_ImageNet",
        f"{name}_ImageNet",
    )


VALIDATION = ("val", "valid", "validation")


def own_split(dataset: str, split: str) -> str:
    """Return a split as the data set calls it, such as "val" for a paper's "valid"; others as they are."""
    known = CATALOGUE[dataset].splits if dataset in CATALOGUE else {}
    if split in known or split not in VALIDATION:
        return split
    return next((alias for alias in VALIDATION if alias in known), split)


CATALOGUE = {
    "cifar10": CatalogueEntry(
        {"train": 50_000, "test": 10_000},
        32,
        "download",
        "extract cifar-10-python.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html in {root}",
        "cifar-10-batches-py",
    ),
    "cifar100": CatalogueEntry(
        {"train": 50_000, "test": 10_000},
        32,
        "download",
        "extract cifar-100-python.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html in {root}",
        "cifar-100-python",
    ),
    "stl10": CatalogueEntry(
        {"unlabeled": 100_000, "train": 5_000, "test": 8_000},
        48,
        "download",
        "extract stl10_binary.tar.gz of https://cs.stanford.edu/~acoates/stl10 in {root}",
        "stl10_binary",
    ),
    "celeba": CatalogueEntry(
        {"all": 202_599, "train": 162_770, "valid": 19_867, "test": 19_962},
        64,
        "download",
        "get img_align_celeba.zip and list_eval_partition.txt from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html "
        "(non-commercial research only) and extract them in {root}/celeba; or run pip install gdown to have them "
        "downloaded from Google Drive",
        "celeba",
        classes=False,
    ),
    "lsun-bedroom": CatalogueEntry(
        {"train": 3_033_042, "val": 300},
        128,
        "by hand",
        "get bedroom_train_lmdb.zip (43 GB) from http://dl.yf.io/lsun/scenes and extract it in {root}/lsun",
        "lsun",
        classes=False,
    ),
    "imagenet": CatalogueEntry(
        {"train": 1_281_167, "val": 50_000},
        128,
        "by hand",
        "its terms allow no automatic download: get ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and "
        "ILSVRC2012_devkit_t12.tar.gz from https://image-net.org (an account is needed) and put them, or the folders "
        "train and val with one folder per class, in {root}/imagenet",
        "imagenet",
    ),
    "tiny-imagenet": CatalogueEntry(
        {"train": 100_000, "val": 10_000},
        64,
        "download",
        "extract http://cs231n.stanford.edu/tiny-imagenet-200.zip in {root}",
        "tiny-imagenet-200",
    ),
    "baby-imagenet": _subset("Baby"),
    "papa-imagenet": _subset("Papa"),
    "grandpa-imagenet": _subset("Grandpa"),
    "afhq-v2": CatalogueEntry(
        {"train": None, "test": None},
        256,
        "by hand",
        "get AFHQ v2 (CC BY-NC 4.0) from https://github.com/clovaai/stargan-v2 and put its folders train and test, "
        "with the folders cat, dog and wild, in {root}/afhq_v2",
        "afhq_v2",
    ),
    "mnist": CatalogueEntry(
        {"train": 60_000, "test": 10_000},
        32,
        "download",
        "put train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte of "
        "https://ossci-datasets.s3.amazonaws.com/mnist, extracted, in {root}/MNIST/raw",
        "MNIST/raw",
    ),
    "stacked-mnist": CatalogueEntry(
        {"train": 128_000, "test": 26_000},
        32,
        "download",
        "it is made of MNIST, whose extracted files belong in {root}/MNIST/raw",
        "MNIST/raw",
        drawn=True,
    ),
    "digits": CatalogueEntry({"train": 1_797}, 32, "installed", "it ships with scikit-learn: pip install scikit-learn"),
}
