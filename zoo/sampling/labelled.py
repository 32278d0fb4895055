"""Mixin of GAN: the classes of a model, and the labels of its generator that draw them.

Users request classes, by index or name. The generator was trained with labels. A class and its label have the same
number unless an alignment (`zoo.align`) says otherwise.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import torch

from ..common.errors import LabelError, ZooError
from ..common.text import short
from ..inference.process_state import undisturbed
from ..schema import labels as class_labels
from ..schema.label_alignment import LabelAlignment
from . import latents
from .held_network import HeldNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from torch import Tensor

    from ..schema.config import ModelConfig

    Label = int | str | Sequence[int | str] | Tensor | None
    Labels = Literal["aligned", "trained"]


class Labelled(HeldNetwork):
    """Mixin of GAN, which gives it a config."""

    config: ModelConfig
    _alignment: LabelAlignment | None
    _doubt: str | None  # about the labels; None once it was printed

    @property
    def num_classes(self) -> int:
        """0 for an unconditional model."""
        return self.config.num_classes

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names in class order; empty for an unconditional model."""
        return class_labels.class_names(self.config)

    @property
    def alignment(self) -> LabelAlignment | None:
        return self._alignment

    @alignment.setter
    def alignment(self, found: LabelAlignment | None) -> None:
        if found is not None and not isinstance(found, LabelAlignment):
            raise ZooError(f"a {type(found).__name__} is not an alignment; give what zoo.align returns")
        if found is not None and len(found.assignment) != self.num_classes:
            raise ZooError(
                f"the alignment has {len(found.assignment)} labels, {self.config.name} has {self.num_classes}; give "
                f"the alignment of this model"
            )
        self._alignment, self._aligned = found, self._weights_now()
        if found is not None:
            self._doubt = None

    @property
    def label_map(self) -> tuple[int, ...]:
        """The class that each label of the trained generator draws, by label: the identity unless labels are permuted.

        `generate(z, y)` takes such labels; `sample(label=...)` takes classes and looks up their labels here.
        """
        return self.alignment.assignment if self.alignment else tuple(range(self.num_classes))

    def trained_labels(self, label: Label, n: int, labels: Labels = "aligned") -> Tensor | None:
        """Return the labels (n,) int64 for `generate` that draw the requested classes; None for None.

        Args:
            label, labels: as in `sample`.
            n: number of images.
        """
        with undisturbed(self.device):
            return self._trained(self.check_label(label, n, labels), labels)

    def _trained(self, classes: Tensor | None, labels: Labels) -> Tensor | None:
        if classes is None or self.alignment is None or labels == "trained":
            return classes
        return torch.tensor(self.alignment.label_of)[classes]

    @property
    def is_permuted(self) -> bool:
        """True if some class is drawn by a label with another number."""
        return self.label_map != tuple(range(self.num_classes))

    def drawn_labels(self, n: int, seed: int, start: int = 0, labels: Labels = "aligned") -> Tensor | None:
        """Draw the classes (n,) int64 of images start ... start + n - 1 of a seed, uniformly; None without classes.

        With labels="trained", the result is the generator's own labels.
        """
        _check(labels)
        if not self.num_classes:
            return None
        with undisturbed(self.device):
            drawn = latents.labels(latents.check_seed(seed), start, n, self.num_classes)
            if self.alignment is None or labels == "trained":
                return drawn
            return torch.tensor(self.alignment.assignment)[drawn]

    def check_label(self, label: Label, n: int, labels: str) -> Tensor | None:
        """Return the requested labels (n,), None for None; a doubt about requested classes is printed once.

        Raises:
            LabelError: as `sample` does.
        """
        _check(labels)
        with undisturbed(self.device):
            chosen = class_labels.indices(self.config, label, n)
        if chosen is not None and labels == "aligned" and self._doubt:
            print(f"zoo: {self._doubt}", file=sys.stderr)
            self._doubt = None
        return chosen


def _check(labels: str) -> None:
    if not isinstance(labels, str) or labels not in ("aligned", "trained"):
        raise LabelError(f'labels is {short(labels)}; give "aligned" or "trained"')
