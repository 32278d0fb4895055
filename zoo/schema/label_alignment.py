"""Schema of a label alignment, the result of `zoo align`: the class that each label of a generator draws.

ContraGAN's 2C loss gathers the images of a class without tying them to the name of the class, so its generators permute
their classes. The alignment is kept with the weights, and `sample(label=...)` applies it.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ..common.text import cut, visible
from .architecture import ConfigPart
from .bounds import MAX_CLASSES, ClassIndex, CountOrNone, Length, shown

PERMUTED, RIGHT, UNKNOWN = "labels are permuted", "labels are right", "labels cannot be told apart"
Verdict = Literal["labels are permuted", "labels are right", "labels cannot be told apart"]

Share = Annotated[float, Field(ge=0, le=1)]
Interval = tuple[Share, Share]  # 95 %, Wilson's
Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^<>`|]+$"), AfterValidator(shown)]
Assignment = Annotated[tuple[ClassIndex, ...], Length(MAX_CLASSES)]
_Counts = Annotated[tuple[CountOrNone, ...], Length(MAX_CLASSES)]
_MIXED = 0.5  # a label draws a mixture if its main class has less than this times the classifier's accuracy


class LabelAlignment(ConfigPart):
    """The one-to-one assignment of labels to classes, and how it was found.

    Rows of `confusion` are labels as the generator was trained with them, columns are classes.
    """

    assignment: Assignment  # the class that each label draws; the identity unless labels are permuted
    verdict: Verdict
    accuracy_asked: Share  # share of images that show the class with the number of their label
    accuracy_asked_interval: Interval
    accuracy_assigned: Share  # share of images that show the class assigned to their label
    accuracy_assigned_interval: Interval
    chance: Share  # bound on the accuracy of the best assignment of random labels: mean + 3 deviations of shuffles
    confusion: Annotated[tuple[_Counts, ...], Length(MAX_CLASSES)]  # images by label and recognised class
    images_per_class: Annotated[int, Field(ge=1, le=10**6)]  # generated images per label
    seed: Annotated[int, Field(ge=0, lt=2**64)]
    classifier: Line  # what recognised the classes
    classifier_accuracy: Share | None = None  # on real images outside its training set
    classifier_accuracy_note: Line | None = None  # describes these images
    discriminator_assignment: Assignment | None = None  # by the model's discriminator
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None  # of the measured file

    @model_validator(mode="after")
    def _consistent(self):
        classes = list(range(len(self.assignment)))
        for what in (self.assignment, self.discriminator_assignment):
            if what is not None and sorted(what) != classes:
                raise ValueError(f"an assignment is a permutation of 0 to {len(classes) - 1}")
        if len(self.confusion) != len(classes) or any(len(row) != len(classes) for row in self.confusion):
            raise ValueError(f"confusion is not a table of {len(classes)} x {len(classes)} counts")
        if any(sum(row) != self.images_per_class for row in self.confusion):
            raise ValueError(f"a row of confusion does not add up to images_per_class, {self.images_per_class}")
        total = len(classes) * self.images_per_class
        for share, (low, high), which in (
            (self.accuracy_asked, self.accuracy_asked_interval, classes),
            (self.accuracy_assigned, self.accuracy_assigned_interval, self.assignment),
        ):
            counted = sum(row[cls] for row, cls in zip(self.confusion, which, strict=True)) / total
            if abs(counted - share) > 1e-5 or not low - 1e-9 <= share <= high + 1e-9:
                raise ValueError(f"accuracy {share:g} (from {low:g} to {high:g}) is not that of confusion, {counted:g}")
        if (self.verdict == PERMUTED) == (list(self.assignment) == classes):
            raise ValueError(f'the verdict "{self.verdict}" does not fit the assignment')
        return self

    @property
    def label_of(self) -> tuple[int, ...]:
        """The label that draws each class: the inverse of `assignment`."""
        return tuple(sorted(range(len(self.assignment)), key=self.assignment.__getitem__))

    @property
    def main_classes(self) -> tuple[int, ...]:
        """The class seen most often for each label; several labels may share a class."""
        return tuple(max(range(len(row)), key=row.__getitem__) for row in self.confusion)

    @property
    def undrawn_classes(self) -> tuple[int, ...]:
        """The classes that are not the main class of any label."""
        return tuple(sorted(set(range(len(self.assignment))) - set(self.main_classes)))

    @property
    def mixed_labels(self) -> tuple[int, ...]:
        """The labels that draw a mixture: the share of their main class is less than half of the classifier's accuracy.

        An unknown accuracy counts as 1.
        """
        least = _MIXED * (self.classifier_accuracy or 1.0)
        return tuple(label for label, row in enumerate(self.confusion) if max(row) < least * max(1, sum(row)))

    @property
    def agreement(self) -> int | None:
        """The number of labels that the discriminator assigns to the same class; None if it assigns none."""
        if self.discriminator_assignment is None:
            return None
        return sum(a == b for a, b in zip(self.assignment, self.discriminator_assignment, strict=True))

    def also_seen(self, label: int, most: int = 3) -> list[int]:
        """Return the classes seen for a label besides its assigned class, the most frequent first."""
        counts = self.confusion[label]
        seen = (cls for cls, count in enumerate(counts) if count and cls != self.assignment[label])
        return sorted(seen, key=lambda cls: (-counts[cls], cls))[:most]

    @property
    def right_on_real(self) -> str:
        """The classifier's accuracy in words: "right on 85.1% of 10,000 test images"; empty if unknown."""
        if self.classifier_accuracy is None:
            return ""
        return f"right on {self.classifier_accuracy:.1%} of {self.classifier_accuracy_note or 'held-out real images'}"

    @property
    def summary(self) -> str:
        """The verdict and its evidence, in one line."""
        if self.verdict != PERMUTED:
            return f"{self.verdict}: {self.accuracy_asked:.1%} of the images show the class asked for"
        return (
            f"{self.verdict}: {self.accuracy_asked:.1%} of the images show the class of their label, "
            f"{self.accuracy_assigned:.1%} the class assigned to it, by which `sample` draws"
        )

    def of_weights(self, sha256: str) -> LabelAlignment:
        """Return the alignment for another file of the same weights, such as an export in another precision."""
        fields = {name: getattr(self, name) for name in LabelAlignment.model_fields}
        return LabelAlignment.model_validate(fields | {"weights_sha256": sha256})


def as_line(text: str) -> str:
    """Turn a text, such as a path, into a line that an alignment may hold."""
    return cut(re.sub(r"[<>`|]", "?", visible(text)), 300)


def percent(count: int, total: int) -> str:
    """Format whole percents, halves rounded up; "<1%" for less than half a percent."""
    rounded = (200 * count + total) // (2 * total)
    return f"{rounded}%" if rounded or not count else "<1%"
