"""A conditional model class by class: distances within a class, and the accuracy of a classifier.

Both are measured twice: as asked, with each label read as the class of its number, and as assigned, with the class
that the label draws (`zoo.align`).

The classifier is a logistic regression on the extractor's features of real images. A fifth of them is
held out, and the accuracy on it is reported beside that on generated images, as the best that the latter can reach.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...common.errors import LabelError
from ...schema.architecture import ConfigPart
from ..alignment import assignment, judges
from . import formulas

if TYPE_CHECKING:
    from ...schema.label_alignment import LabelAlignment

HELD_OUT = 5  # one real image in five is held out
_AT_MOST = 20_000  # real images in training
_KERNEL_SUBSETS = 20


class ClassRow(ConfigPart):
    """One class; its Frechet distance needs more images than features on both sides."""

    index: int
    name: str
    num_real: int
    num_fake: int
    kernel_distance: float | None = None
    frechet_distance: float | None = None
    shrunk_frechet_distance: float | None = None  # where a class has too few images for the other
    accuracy: float  # share of its generated images that are classified as this class
    label: int | None = None  # that draws it, as assigned; None: the label of this number


class ClassReport(ConfigPart):
    """All classes, and the classifier."""

    rows: tuple[ClassRow, ...]
    accuracy: float  # over all generated images
    accuracy_on_real: float  # over the held-out real images
    classifier: str
    intra_frechet_distance: float | None = None  # mean over classes
    intra_shrunk_frechet_distance: float | None = None
    intra_kernel_distance: float | None = None
    assignment: tuple[int, ...] = ()  # the class that each label is assigned to; empty in older reports
    assigned_by: str | None = None  # the origin of the assignment
    accuracy_assigned: float | None = None
    intra_frechet_distance_assigned: float | None = None
    intra_shrunk_frechet_distance_assigned: float | None = None
    intra_kernel_distance_assigned: float | None = None
    rows_assigned: tuple[ClassRow, ...] = ()  # of the classes as assigned; empty where that is as asked
    note: str | None = None

    @property
    def by_kind(self) -> dict[str, float | None]:
        """Return the scores under the names of their kinds; None where there is none."""
        return {
            "class accuracy": self.accuracy,
            "class accuracy as assigned": self.accuracy_assigned,
            "intra-class fid": self.intra_frechet_distance,
            "intra-class fid as assigned": self.intra_frechet_distance_assigned,
            "shrunk intra-class fid": self.intra_shrunk_frechet_distance,
            "shrunk intra-class fid as assigned": self.intra_shrunk_frechet_distance_assigned,
            "intra-class kid": self.intra_kernel_distance,
            "intra-class kid as assigned": self.intra_kernel_distance_assigned,
        }


@dataclass
class FeatureClassifier:
    """Standardised features to classes."""

    model: Any  # of scikit-learn
    accuracy_on_real: float
    description: str

    def __call__(self, features: Tensor) -> Tensor:
        return torch.from_numpy(self.model.predict(features.numpy()))


def enough_draws(num_classes: int) -> int:
    """Return how many labels, drawn uniformly, leave some class out in at most one of a hundred draws.

    `n` labels leave a given class out with probability (1 - 1/c)^n < exp(-n/c), and any of the c with less than c times
    that.
    """
    return math.ceil(num_classes * math.log(100 * num_classes))


def check_classes(labels: Tensor, names: Sequence[str], what: str, cure: str) -> None:
    """Raise LabelError if a class has no images."""
    present = set(labels.unique().tolist())
    missing = [i for i in range(len(names)) if i not in present]
    if missing:
        shown = ", ".join(f"{i} ({names[i]})" if names[i] != str(i) else names[i] for i in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise LabelError(f"{what} no images of class {shown}{more}, out of {len(names)} classes; {cure}")
    extra = sorted(present - set(range(len(names))))
    if extra:
        raise LabelError(f"{what} labels up to {extra[-1]}, the model has {len(names)} classes; {cure}")


def train_classifier(features: Tensor, labels: Tensor, seed: int = 0) -> FeatureClassifier:
    """Train a logistic regression on four fifths of the real images, scored on the rest."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    order = np.random.RandomState(seed).permutation(len(labels))
    held_out, learned = order[::HELD_OUT], np.delete(order, np.s_[::HELD_OUT])[:_AT_MOST]
    x, y = features.numpy(), labels.numpy()
    if len(np.unique(y[learned])) < 2:
        raise LabelError(
            f"a classifier learns from at least 2 classes, the {len(learned)} real images that are not held out are of "
            f"one; give more images, or leave classes out"
        )
    # Strong regularisation: there are about as many features as images per class.
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)).fit(x[learned], y[learned])
    return FeatureClassifier(
        model,
        float(model.score(x[held_out], y[held_out])),
        f"logistic regression on the features of {len(learned):,} real images, held out: {len(held_out):,}",
    )


def report(
    fake: Tensor,
    fake_labels: Tensor,
    real: Tensor,
    real_labels: Tensor,
    names: Sequence[str],
    classifier: FeatureClassifier,
    alignment: LabelAlignment | None = None,
    advance: Callable[[int], object] = lambda n: None,
) -> ClassReport:
    """Compare every class of generated features (N, D) with the real ones of the same class.

    Args:
        fake_labels: (N,), as the generator was given them.
        alignment: what the labels draw; None finds the best assignment in these images.
    """
    check_classes(fake_labels, names, "the generated images have", "generate more, or see to the labels")
    check_classes(real_labels, names, "the real images have", "give data that has every class, or leave classes out")
    seen = classifier(fake)
    assigned, by = _assignment(fake_labels, seen, len(names), alignment)
    smallest = min(int(torch.bincount(labels).min()) for labels in (fake_labels, real_labels))
    few = smallest <= fake.shape[1]
    rows = _rows(fake, fake_labels, seen, real, real_labels, names, few, advance)
    rows_assigned: list[ClassRow] = []
    if assigned != tuple(range(len(names))):
        classes = torch.tensor(assigned)[fake_labels]
        label_of = {cls: label for label, cls in enumerate(assigned)}
        found = _rows(fake, classes, seen, real, real_labels, names, few)
        rows_assigned = [row.model_copy(update={"label": label_of[row.index]}) for row in found]
    return ClassReport(
        rows=tuple(rows),
        accuracy=float((seen == fake_labels).float().mean()),
        accuracy_on_real=classifier.accuracy_on_real,
        classifier=classifier.description,
        intra_frechet_distance=_mean(row.frechet_distance for row in rows),
        intra_shrunk_frechet_distance=_mean(row.shrunk_frechet_distance for row in rows),
        intra_kernel_distance=_mean(row.kernel_distance for row in rows),
        assignment=assigned,
        assigned_by=by,
        accuracy_assigned=float((seen == torch.tensor(assigned)[fake_labels]).float().mean()),
        intra_frechet_distance_assigned=_mean(row.frechet_distance for row in rows_assigned or rows),
        intra_shrunk_frechet_distance_assigned=_mean(row.shrunk_frechet_distance for row in rows_assigned or rows),
        intra_kernel_distance_assigned=_mean(row.kernel_distance for row in rows_assigned or rows),
        rows_assigned=tuple(rows_assigned),
        note=f"the smallest class has {smallest:,} images for {fake.shape[1]:,} features: too few for a covariance, so "
        f"a Frechet distance of shrunk covariances (Ledoit-Wolf) and the kernel distance stand in for the Frechet "
        f"distance within classes; neither compares with a published intra-class FID"
        if few
        else None,
    )


def _assignment(
    fake_labels: Tensor, seen: Tensor, num_classes: int, alignment: LabelAlignment | None
) -> tuple[tuple[int, ...], str]:
    if alignment is not None:
        return alignment.assignment, "the alignment kept with the weights"
    found = assignment.assign(judges.count(fake_labels, seen, num_classes))
    return found.classes, f"these images: {found.verdict}"


def _rows(
    fake: Tensor,
    classes: Tensor,
    seen: Tensor,
    real: Tensor,
    real_labels: Tensor,
    names: Sequence[str],
    shrunk: bool,
    advance: Callable[[int], object] = lambda n: None,
) -> list[ClassRow]:
    """Make one row per class.

    Args:
        classes: (N,), of the generated images.
        shrunk: measure the distance of shrunk covariances, for all classes alike.
    """
    rows = []
    for index, name in enumerate(names):
        mine, theirs = fake[classes == index], real[real_labels == index]
        size = min(len(mine), len(theirs), 1000)
        distance = None
        if min(len(mine), len(theirs)) > fake.shape[1]:
            root = formulas.CovarianceRoot(formulas.statistics(theirs))
            distance = root.distance(formulas.statistics(mine))
        rows.append(
            ClassRow(
                index=index,
                name=name,
                num_real=len(theirs),
                num_fake=len(mine),
                kernel_distance=formulas.kernel_distance(mine, theirs, _KERNEL_SUBSETS, size).value
                if size > 1
                else None,
                frechet_distance=distance,
                shrunk_frechet_distance=formulas.shrunk_distance(mine, theirs) if shrunk and size > 1 else None,
                accuracy=float((seen[classes == index] == index).float().mean()),
            )
        )
        advance(1)
    return rows


def _mean(distances: Iterable[float | None]) -> float | None:
    """Return the mean over classes; None if a class has no distance."""
    every = list(distances)
    found = [distance for distance in every if distance is not None]
    return float(np.mean(found)) if len(found) == len(every) else None
