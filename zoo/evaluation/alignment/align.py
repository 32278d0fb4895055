"""`zoo.align`: measure which class each label of a conditional model draws.

Images of every label are shown to a classifier, and to the model's own discriminator where there is one. From the table
of labels and classes comes the best one-to-one assignment, which is kept if it is better than chance.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ... import datasets
from ...checkpoints import alignments, resolve
from ...common import extras
from ...common.errors import LabelError, WeightsCorruptedError, ZooError
from ...common.files import write_atomically
from ...common.numbers import whole
from ...common.progress import Progress
from ...sampling import latents, loading
from ...sampling.gan import GAN
from ...sampling.outputs import refuse_overwriting
from ...schema import labels
from ...schema.identity import data_name, is_custom
from ...schema.label_alignment import UNKNOWN, LabelAlignment

if TYPE_CHECKING:
    from rich.console import Group

    from .judges import Judge

LEAST_IMAGES = 20  # per label: with fewer, a true permutation of ten classes may not be told from chance
_AT_ONCE = 256  # images that are generated and classified together
_FILES = ("alignment.json", "alignment.md", "confusion.png")


class Alignment(LabelAlignment):
    """The alignment of one model with its class names; prints itself as a table.

    `save` writes a folder; `str(alignment)` is one line.
    """

    model: str
    class_names: tuple[str, ...]
    kept: str | None = None  # where `sample` finds it from now on; None: nowhere

    def to_keep(self) -> LabelAlignment:
        """Return the part that a config or a cache holds."""
        return LabelAlignment(**{name: getattr(self, name) for name in LabelAlignment.model_fields})

    def __str__(self) -> str:
        return f"{self.model}: {self.summary}"

    def __rich__(self) -> Group:
        from .alignment_page import as_table

        return as_table(self)

    def _repr_markdown_(self) -> str:
        from .alignment_page import as_markdown

        return as_markdown(self)

    def heat_map(self) -> bytes:
        """Draw the confusion matrix as PNG: as asked and, where labels are permuted, as assigned."""
        from .alignment_page import heat_map

        return heat_map(self)

    def save(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write alignment.json, alignment.md and confusion.png into a folder.

        Raises:
            ZooError: one of these files exists and `force` is not given.
        """
        from .alignment_page import as_markdown

        folder = Path(folder)
        self.refuse_overwriting(folder, force)
        contents = (self.model_dump_json(indent=1).encode() + b"\n", as_markdown(self).encode(), self.heat_map())
        for name, data in zip(_FILES, contents, strict=True):
            write_atomically(folder / name, data)
        return folder

    @staticmethod
    def refuse_overwriting(folder: Path, force: bool) -> None:
        """Raise before the work if `save` would overwrite a file, or if the folder is a file."""
        if folder.is_file():
            raise ZooError(f"{folder} is a file; give a folder")
        refuse_overwriting([folder / name for name in _FILES], force)
        folder.mkdir(parents=True, exist_ok=True)


def align(
    source: str | os.PathLike | GAN,
    images_per_class: int = 100,
    classifier: str = "auto",
    data: Any = None,
    *,
    seed: int = 0,
    weights: str = "default",
    device: str = "auto",
    keep: bool = True,
    cache_dir: str | os.PathLike | None = None,
    progress: bool = False,
) -> Alignment:
    """Measure which class each label of a class-conditional model draws, and keep it for `sample(label=...)`.

    Args:
        source: a model's name (with @tag), a run or exported folder, `hf://user/repo`, or a loaded GAN.
        images_per_class: generated images of each label, at least 20.
        classifier: "shipped" (CIFAR-10, digits), "imagenet" (ImageNet and its subsets, Tiny ImageNet among
            them), "data" (trained on the real images in `data`), "discriminator" (the model's own, which
            needs neither data nor another network). "auto": the one trained on `data` where that is given, else one
            that needs no data, else one trained on the data of the run, if they are enough, else the discriminator.
        data: real images with labels for a classifier: an .npz, a folder, or a `zoo.datasets.Dataset`.
        seed: of the images.
        weights: "default", a tag, "random", or a .safetensors file.
        keep: keep the result beside the weights: in the cache for converted and Hub weights, in the folder for a run or
            an export; for a GAN, in the object. Bundled weights carry theirs in the config.

    Raises:
        LabelError: the model has no classes, or too few images are asked for.
        ZooError: no classifier knows its classes, packages are missing, or weights are not available offline.
    """
    from . import classifiers

    seed = latents.check_seed(seed)
    if isinstance(source, GAN):
        found, config, name = None, source.config, source.config.name
    else:
        found = resolve.resolve_model(source, weights, cache_dir)
        config, name = found.config, resolve.shown_name(source, found)
    if not config.conditional:
        raise LabelError(f"{name} is unconditional: it has no labels to align")
    images_per_class = whole("images_per_class", images_per_class)
    if images_per_class < LEAST_IMAGES:
        raise LabelError(
            f"{images_per_class} images of each label tell nothing for certain; give at least {LEAST_IMAGES} "
            f"(--images-per-class)"
        )
    classifiers.check(config, classifier, data)
    if found is None:
        assert isinstance(source, GAN)
        model = source
    else:
        if keep:
            alignments.check_writable(found, cache_dir)
        model = loading.load_found(found, name, device, cache_dir=cache_dir)
    theirs = _own_data(model, progress) if data is None and classifier in ("auto", "data") else None
    given = data if theirs is None else theirs
    who = _judges(model, classifier, given, theirs is not None and classifier == "auto", progress)
    alignment = measure(model, who, images_per_class, seed, name=name, progress=progress)
    known = model.alignment
    if keep and alignment.verdict == UNKNOWN and known is not None and known.verdict != UNKNOWN:
        print(f"zoo: what was measured of {name} before ({known.verdict}) is kept, not this", file=sys.stderr)
        keep = False
    if found is None:
        if keep:
            model.alignment = alignment.to_keep()
        return alignment
    alignment = alignment.model_copy(update={"weights_sha256": alignments.sha256_of(found, cache_dir)})
    path = alignments.keep(found, alignment.to_keep(), cache_dir) if keep else None
    return alignment.model_copy(update={"kept": str(path) if path else None})


def _own_data(model: GAN, progress: bool = False) -> Any:
    """Return the data that a run was trained on, if they are where they were and make a classifier; else None."""
    from . import classifiers

    config = model.config
    if config.origin is None or config.origin.data is None or classifiers.need_no_data(config):
        return None
    place = config.origin.data.place
    if is_custom(config.data.dataset) and not (place and Path(place).exists()):
        return None
    real = datasets.load_for(config, progress=progress)
    return replace(real, source=data_name(config)) if classifiers.are_enough(real) else None


def _judges(model: GAN, classifier: str, data: Any, or_alone: bool = False, progress: bool = False) -> list[Judge]:
    """Return the classifier first, then the discriminator if there is one.

    Args:
        or_alone: the discriminator judges alone, and it is said why, where the data make no classifier.
    """
    try:
        import scipy  # noqa: F401
    except ImportError:
        raise ZooError(f"aligning labels needs scipy; run: {extras.install('eval', 'scipy')}") from None
    from . import classifiers, judges

    own, asked_for = [], classifier == "discriminator"
    if (asked_for or model.has_discriminator) and model.config.discriminator.head.type != "plain":
        try:
            own = [judges.of_discriminator(model.discriminator, model.config)]
        except WeightsCorruptedError as error:
            if asked_for:
                raise
            print(f"zoo: the discriminator is left out: {error}", file=sys.stderr)
    no_classifier = classifier == "auto" and data is None and not classifiers.need_no_data(model.config)
    if asked_for or (no_classifier and own):
        if not own:
            raise ZooError(f"the discriminator of {model.config.name} knows no classes; give another classifier")
        return own
    try:
        return [classifiers.find(model.config, classifier, data, str(model.device), progress), *own]
    except ZooError as error:
        if not (or_alone and own):
            raise
        print(f"zoo: the model's own discriminator judges alone: {error}", file=sys.stderr)
        return own


def measure(
    model: GAN, judges: list[Judge], images_per_class: int, seed: int, *, name: str, progress: bool = False
) -> Alignment:
    """Measure the alignment by the first judge; a second one, the discriminator, gives its own assignment."""
    from . import assignment
    from .judges import count

    classes = model.num_classes
    asked = torch.arange(classes).repeat_interleave(images_per_class)
    sums = [torch.zeros(classes, classes, dtype=torch.float64) for _ in judges]
    counts = [np.zeros((classes, classes), np.int64) for _ in judges]
    with Progress(progress) as bar:
        advance, first = bar.task(f"{name}, labels", len(asked)), 0
        for images in model.stream(len(asked), asked, seed, batch_size=_AT_ONCE, labels="trained", exact=True):
            trained = asked[first : first + len(images)]
            for i, judge in enumerate(judges):
                scores = judge.scores(images.uint8)
                sums[i].index_add_(0, trained, judge.fit(scores.double()))
                counts[i] = counts[i] + count(trained, scores.argmax(dim=1), classes)
            first += len(images)
            advance(len(images))
    if own := [i for i, judge in enumerate(judges) if judge.is_own and not torch.isfinite(sums[i]).all()]:
        text = f"the discriminator of {name} gives values that are no numbers"
        if own == [0]:
            raise ZooError(f"{text}; give another classifier (--classifier auto)")
        print(f"zoo: {text}, and is left out", file=sys.stderr)
        judges, sums, counts = judges[:1], sums[:1], counts[:1]
    found = [
        assignment.assign(table, (total / images_per_class).numpy() if judge.is_own else None)
        for table, total, judge in zip(counts, sums, judges, strict=True)
    ]
    table, best, judge = counts[0], found[0], judges[0]
    second = next((other.classes for other in found[1:] if other.verdict != UNKNOWN), None)
    share_asked, share_assigned = assignment.accuracy(table), assignment.accuracy(table, best.classes)
    return Alignment(
        model=name,
        class_names=labels.class_names(model.config),
        assignment=best.classes,
        verdict=best.verdict,
        confusion=tuple(tuple(row) for row in table.tolist()),
        chance=best.chance,
        images_per_class=images_per_class,
        seed=seed,
        classifier=judge.name,
        classifier_accuracy=judge.accuracy,
        classifier_accuracy_note=judge.accuracy_note,
        discriminator_assignment=second,
        accuracy_asked=round(share_asked, 6),
        accuracy_asked_interval=assignment.interval(share_asked, len(asked)),
        accuracy_assigned=round(share_assigned, 6),
        accuracy_assigned_interval=assignment.interval(share_assigned, len(asked)),
    )
