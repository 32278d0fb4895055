"""Classifiers of the class that an image shows: those that need no data first.

cifar10                        a linear head on EfficientNet-lite0's features, shipped (training.studies makes it)
digits                         a support vector machine on scikit-learn's digits, trained on demand
ImageNet and subsets of it     EfficientNet-lite0's own logits of the classes, found by WordNet id
anything else                  a logistic regression on EfficientNet-lite0's features of given real images
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ... import datasets
from ...checkpoints import weights
from ...common import choices, extras
from ...common.errors import LabelError, UnknownDatasetError, UsageError, ZooError
from ...common.package_data import data_path
from ...common.progress import Progress
from ...datasets.find import is_place, refuse_missing
from ...schema import labels
from ...schema.config import ModelConfig
from ...schema.label_alignment import as_line
from ..features import extractors
from ..metrics import classwise
from .judges import Judge

KINDS = ("auto", "shipped", "imagenet", "data", "discriminator")
_DIGIT_FOLDS = 5
_LEAST_OF_A_CLASS = 10  # real images per class, of which a fifth is held out
# Accuracy of the ImageNet logits on real images, where it could be measured.
_ON_REAL = {"tiny-imagenet": (0.232, "1,000 real validation images reduced to 32x32 (at 64x64 it was not measured)")}
_FOR_EACH_CLASS = 500  # real images per class in training, at most


def find(
    config: ModelConfig, kind: str = "auto", data: Any = None, device: str = "cpu", progress: bool = False
) -> Judge:
    """Return the classifier of a model's classes.

    Args:
        kind: "shipped", "imagenet" or "data"; "auto" takes the first of them that the model has, but `data` where
            that is given.
        data: real images with labels: a `zoo.datasets.Dataset`, the path of an .npz or folder, or the data set's name.
        device: where the network computes.

    Raises:
        ZooError: no classifier of this kind has these classes, or packages are missing; the message says what to do.
    """
    _require_packages()
    check(config, kind, data)
    if kind == "auto":
        kind = "data" if data is not None else "shipped" if _has_shipped(config) else "imagenet"
        if kind == "imagenet" and not need_no_data(config):
            raise ZooError(
                f"no classifier of {config.data.dataset}'s classes ships; give real images as data (--data), or take "
                f'the model\'s own discriminator: classifier="discriminator" (--classifier discriminator)'
            )
    if kind == "data":
        return of_data(config, data, device, progress)
    if kind == "imagenet":
        return of_imagenet(config, device)
    if kind == "shipped" and _has_shipped(config):
        return of_digits() if config.data.dataset == "digits" else of_features(_head(config), device)
    if kind == "shipped":
        raise ZooError(f"no classifier of {config.data.dataset}'s classes ships; give real images as data (--data)")
    raise ZooError(f'classifier "{kind}" is not known; give one of {", ".join(KINDS)}')


def need_no_data(config: ModelConfig) -> bool:
    """True if a classifier of these classes needs no real images first."""
    return _has_shipped(config) or imagenet_numbers(config) is not None


def _require_packages() -> None:
    """Raise one line that names what is missing, before anything is computed."""
    extractors.require_fidelity()
    try:
        import scipy  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ZooError(f"this needs {error.name}; run: {extras.install('eval')}") from None


# ------------------------------------------------------------------------------------------------------- shipped ones


def head_path(dataset: str) -> Path:
    """Return the path of a data set's shipped linear classifier, which may not exist."""
    return data_path("zoo.evaluation.alignment", "classifier_heads", f"{dataset}.safetensors")


def _has_shipped(config: ModelConfig) -> bool:
    """True if the classes are exactly those that a shipped classifier knows."""
    public = datasets.class_names(config.data.dataset)
    if labels.class_names(config) != public:
        return False
    return config.data.dataset == "digits" or head_path(config.data.dataset).is_file()


def _head(config: ModelConfig) -> Path:
    return head_path(config.data.dataset)


def of_features(path: Path, device: str = "cpu") -> Judge:
    """Load a linear classifier of EfficientNet-lite0's features from its file."""
    tensors, about = weights.read(path), weights.read_metadata(path)
    weight, bias = tensors["weight"].float(), tensors["bias"].float()
    extract = feature_extractor(device, "fid")
    _check_extractor(about, path)
    return Judge(
        f"linear classifier on {about['extractor']} features, shipped for {about['dataset']}",
        lambda images: extract(images) @ weight.t() + bias,
        float(about["accuracy"]),
        about["accuracy of"],
    )


def _check_extractor(about: dict[str, str], path: Path) -> None:
    from ..features import efficientnet

    if about["extractor_sha256"] != efficientnet.VARIANTS[about["extractor"]].sha256:
        raise ZooError(f"{path} is of another version of {about['extractor']}; install the package again")


def of_digits() -> Judge:
    """Train a support vector machine on scikit-learn's 8x8 digits; 97.2 % accurate in five-fold validation."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import cross_val_score
    from sklearn.svm import SVC

    x, y = load_digits(return_X_y=True)
    kernel: dict[str, Any] = {"gamma": 0.001}  # its type is taken from the default, a text
    model = SVC(decision_function_shape="ovr", **kernel).fit(x, y)
    right = float(np.mean(cross_val_score(SVC(**kernel), x, y, cv=_DIGIT_FOLDS)))

    def scores(images: Tensor) -> Tensor:
        small = F.adaptive_avg_pool2d(images.float().mean(dim=1, keepdim=True), 8) * (16 / 255)
        return F.one_hot(torch.from_numpy(model.predict(small.flatten(1).numpy())).long(), 10).float()

    return Judge(
        "support vector machine on 8x8 grey pixels of the real digits",
        scores,
        right,
        f"{len(y):,} real digits, {_DIGIT_FOLDS}-fold cross-validation",
    )


# ------------------------------------------------------------------------------------------------- ImageNet's classes


def imagenet_numbers(config: ModelConfig) -> list[int] | None:
    """Return the model's classes' numbers among ImageNet's 1,000, by WordNet id; None unless all are there."""
    known = {wnid: number for number, wnid in enumerate(datasets.class_ids("imagenet"))}
    ids = labels.class_ids(config)
    if len(ids) != config.num_classes:  # a subset of ImageNet whose folders are called by the ids
        ids = labels.class_names(config)
    found = [known[wnid] for wnid in ids if wnid in known]
    return found if found and len(found) == len(ids) else None


def of_imagenet(config: ModelConfig, device: str = "cpu") -> Judge:
    """Classify by EfficientNet-lite0's logits of the model's classes, which are all ImageNet's.

    Accurate enough for an assignment: of 25 real training images of Tiny ImageNet for each of 200 shuffled labels,
    as 32x32 JPEGs, 24 % were put into their class, and 178 labels were assigned the right one.
    """
    numbers = imagenet_numbers(config)
    if numbers is None:
        raise ZooError(
            f"not all classes of {config.name} are among ImageNet's, by WordNet id; give real images as data (--data)"
        )
    extract = feature_extractor(device, "is")
    accuracy, note = _ON_REAL.get(config.data.dataset, (None, None))
    return Judge(
        f"{extractors.OFFLINE}'s ImageNet logits of these classes",
        lambda images: extract(images)[:, numbers],
        accuracy,
        note,
    )


# --------------------------------------------------------------------------------------------------------- given data


def of_data(config: ModelConfig, data: Any, device: str = "cpu", progress: bool = False) -> Judge:
    """Train a logistic regression on given real images, scored on a held-out fifth of them."""
    if data is None:
        raise ZooError(f"a classifier of {config.data.dataset} needs real images with labels; give data (--data)")
    real = _real_images(config, data, progress)
    datasets.check_classes(config, real)
    names = labels.class_names(config)
    classwise.check_classes(real.labels, names, "the real images have", "give data that has every class")
    fewest = int(real.labels.bincount(minlength=config.num_classes).argmin())
    if (count := int((real.labels == fewest).sum())) < _LEAST_OF_A_CLASS:
        raise LabelError(
            f"class {fewest} ({names[fewest]}) has {count} real images; a classifier needs {_LEAST_OF_A_CLASS} of each "
            f"class at least"
        )
    chosen = _balanced(real.labels, _FOR_EACH_CLASS)
    extract = feature_extractor(device, "fid")
    features = []
    with Progress(progress) as bar:
        advance = bar.task("real images, classifier", len(chosen))
        for part in chosen.split(250):
            features.append(extract(real.images[part]))
            advance(len(part))
        with bar.steps("classifier of real images", {"logistic regression": 1}):
            classifier = classwise.train_classifier(torch.cat(features), real.labels[chosen])
    held_out = -(-len(chosen) // classwise.HELD_OUT)
    chance = 1 / config.num_classes
    if classifier.accuracy_on_real < chance + 3 * (chance * (1 - chance) / held_out) ** 0.5:
        raise ZooError(
            f"a classifier trained on {real.source or 'these images'} is right on {classifier.accuracy_on_real:.1%} of "
            f"{held_out:,} held-out ones, which is chance: give more images, or look at their labels"
        )
    return Judge(
        as_line(f"logistic regression on {extractors.OFFLINE} features of {real.source or 'given images'}"),
        lambda images: _decision(classifier.model, extract(images)),
        classifier.accuracy_on_real,
        f"{held_out:,} held-out real images",
    )


def are_enough(real: datasets.Dataset) -> bool:
    """Return True if every class has the images that a classifier needs."""
    counts = real.labels.bincount(minlength=real.num_classes)
    return bool((counts >= _LEAST_OF_A_CLASS).all())


def check(config: ModelConfig, kind: str, data: Any) -> None:
    """Raise before any work for a kind that is not known, and for data that the classifier cannot learn from."""
    if kind not in KINDS:
        raise UsageError(choices.unknown("classifier", kind, KINDS))
    if data is None or isinstance(data, datasets.Dataset):
        return
    if kind not in ("auto", "data"):
        raise UsageError(f"the classifier {kind} learns from no data; leave data (--data) out, or the classifier")
    if not isinstance(data, (str, os.PathLike)) or not os.fspath(data):
        raise ZooError(f"data is {data!r:.40}; give an .npz, a folder, or a zoo.datasets.Dataset")
    if data == config.data.dataset:
        return
    if data in datasets.CATALOGUE:
        raise ZooError(f"{config.name} draws the classes of {config.data.dataset}; give images of these, not {data}")
    if not is_place(data):
        raise UnknownDatasetError(
            f"{choices.unknown('data set', os.fspath(data), datasets.CATALOGUE)} (or give a path)"
        )
    refuse_missing(data)


def _real_images(config: ModelConfig, data: Any, progress: bool) -> datasets.Dataset:
    if isinstance(data, datasets.Dataset):
        return data
    root = None if data == config.data.dataset else data
    return datasets.load_for(config, root=root, progress=progress)


def _decision(model, features: Tensor) -> Tensor:
    """Return scores (N, K) of a scikit-learn linear classifier, which gives one column for two classes."""
    values = torch.from_numpy(model.decision_function(features.numpy())).float()
    return values if values.ndim == 2 else torch.stack([-values, values], dim=1)


def _balanced(real_labels: Tensor, each: int) -> Tensor:
    """Draw indices of at most `each` images of every class from a fixed seed, in order."""
    order = torch.randperm(len(real_labels), generator=torch.Generator().manual_seed(0))
    parts = [order[real_labels[order] == label][:each] for label in real_labels.unique().tolist()]
    return torch.cat(parts).sort().values


def feature_extractor(device: str, metric: str) -> Callable[[Tensor], Tensor]:
    """Return a function from uint8 images (N, 3, H, W) to the offline extractor's layer for a metric, on the CPU."""
    extractor = extractors.load(extractors.OFFLINE).to(torch.device(device))
    layer = extractor.layer(metric)
    return lambda images: extractor(images, (layer,))[layer]
