"""Which class each label of a conditional generator really draws: the schema of what `zoo align` finds.

ContraGAN's 2C loss gathers the images of a class without tying them to the class's name, so its generators permute
their classes. What is measured about it is kept with the weights, and `sample(label=...)` heeds it.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ..common.text import cut, visible
from .architecture import Part
from .bounds import MAX_CLASSES, ClassIndex, CountOrNone, Length, shown

PERMUTED, RIGHT, UNKNOWN = "labels are permuted", "labels are right", "labels cannot be told apart"
Verdict = Literal["labels are permuted", "labels are right", "labels cannot be told apart"]

Share = Annotated[float, Field(ge=0, le=1)]
Interval = tuple[Share, Share]  # 95 %, Wilson's
Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^<>`|]+$"), AfterValidator(shown)]
Assignment = Annotated[tuple[ClassIndex, ...], Length(MAX_CLASSES)]
_Counts = Annotated[tuple[CountOrNone, ...], Length(MAX_CLASSES)]
_MIXED = 0.5  # a label draws a mixture if its main class has less than this times the classifier's accuracy


class LabelAlignment(Part):
    """The one-to-one assignment of labels to classes, and how it was found.

    Rows of `confusion` are labels as the generator was trained with them, columns are classes.
    """

    assignment: Assignment  # the class that each label draws; the identity unless labels are permuted
    verdict: Verdict
    accuracy_asked: Share  # of the images show the class of the same number as their label
    accuracy_asked_interval: Interval
    accuracy_assigned: Share  # of the images show the class that is assigned to their label
    accuracy_assigned_interval: Interval
    chance: Share  # bound on the best assignment's accuracy if labels meant nothing: mean of shuffles + 3 deviations
    confusion: Annotated[tuple[_Counts, ...], Length(MAX_CLASSES)]  # images by label and class seen
    images_per_class: Annotated[int, Field(ge=1, le=10**6)]  # generated, of each label
    seed: Annotated[int, Field(ge=0, lt=2**64)]
    classifier: Line  # who saw the classes
    classifier_accuracy: Share | None = None  # on real images that it has not learned from
    classifier_accuracy_note: Line | None = None  # which ones
    discriminator_assignment: Assignment | None = None  # as the model's own discriminator sees it
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None  # of the file it was measured on

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
        """The class seen most often for each label; several labels may share one."""
        return tuple(max(range(len(row)), key=row.__getitem__) for row in self.confusion)

    @property
    def undrawn_classes(self) -> tuple[int, ...]:
        """Classes that are not seen most often for any label."""
        return tuple(sorted(set(range(len(self.assignment))) - set(self.main_classes)))

    @property
    def mixed_labels(self) -> tuple[int, ...]:
        """Labels that draw a mixture: their main class is seen in less than half as many of their images as the
        classifier is right on real ones (less than half, where that is not known)."""
        least = _MIXED * (self.classifier_accuracy or 1.0)
        return tuple(label for label, row in enumerate(self.confusion) if max(row) < least * max(1, sum(row)))

    @property
    def agreement(self) -> int | None:
        """For how many labels the discriminator's assignment is the same; None where there is none."""
        if self.discriminator_assignment is None:
            return None
        return sum(a == b for a, b in zip(self.assignment, self.discriminator_assignment, strict=True))

    def also_seen(self, label: int, most: int = 3) -> list[int]:
        """The classes seen for a label beside the one it is assigned to, the most frequent ones first."""
        counts = self.confusion[label]
        seen = (cls for cls, count in enumerate(counts) if count and cls != self.assignment[label])
        return sorted(seen, key=lambda cls: (-counts[cls], cls))[:most]

    @property
    def right_on_real(self) -> str:
        """How often the classifier is right, in words: "right on 85.1% of 10,000 test images"; empty if not known."""
        if self.classifier_accuracy is None:
            return ""
        return f"right on {self.classifier_accuracy:.1%} of {self.classifier_accuracy_note or 'held-out real images'}"

    @property
    def summary(self) -> str:
        """The verdict and what speaks for it, in one line."""
        if self.verdict != PERMUTED:
            return f"{self.verdict}: {self.accuracy_asked:.1%} of the images show the class asked for"
        return (
            f"{self.verdict}: {self.accuracy_asked:.1%} of the images show the class of their label, "
            f"{self.accuracy_assigned:.1%} the class assigned to it, by which `sample` draws"
        )

    def of_weights(self, sha256: str) -> LabelAlignment:
        """The same for another file of the same weights, such as an export in another precision."""
        fields = {name: getattr(self, name) for name in LabelAlignment.model_fields}
        return LabelAlignment.model_validate(fields | {"weights_sha256": sha256})


def as_line(text: str) -> str:
    """A text, such as a path, as an alignment may hold it."""
    return cut(re.sub(r"[<>`|]", "?", visible(text)), 300)


def percent(count: int, total: int) -> str:
    """Whole percents, halves rounded up; "<1%" for less than half of one."""
    rounded = (200 * count + total) // (2 * total)
    return f"{rounded}%" if rounded or not count else "<1%"
