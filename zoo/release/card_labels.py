"""The section of a model card on what the labels of a conditional model draw."""

from __future__ import annotations

from shlex import quote

from ..common.text import markdown, table
from ..schema import labels
from ..schema.config import ModelConfig
from ..schema.label_alignment import PERMUTED, LabelAlignment, percent


def labels_section(config: ModelConfig, place: str) -> str | None:
    """In Markdown; None for a model without classes, and for one whose labels are trusted and were not measured."""
    if not config.conditional:
        return None
    found = config.default_alignment
    if found is None:
        doubt = labels.doubt(config, place, None)
        return f"## Labels\n\nNot measured: {markdown(doubt)}." if doubt else None
    names = tuple(map(markdown, labels.class_names(config)))
    parts = [f"## Labels\n\n{_summary(config, found, place)}"]
    if found.verdict == PERMUTED:
        parts.append(_table(found, names))
    if found.undrawn_classes:
        rarer = ", ".join(names[c] for c in found.undrawn_classes)
        parts.append(f"Classes that are not the most frequent one of any label: {rarer}.")
    return "\n\n".join(parts)


def _summary(config: ModelConfig, found: LabelAlignment, place: str) -> str:
    total, right = found.images_per_class * len(found.assignment), found.right_on_real
    sentences = [
        f"**{found.verdict.capitalize()}.**",
        f"Of {total:,} images, {found.images_per_class:,} of each label (seed {found.seed}), "
        f"{_percent(found.accuracy_asked, found.accuracy_asked_interval)} show the class of their label, as judged by: "
        f"{markdown(found.classifier)}{right and f', {markdown(right)}'}.",
    ]
    if found.verdict == PERMUTED:
        sentences += [
            f"{_percent(found.accuracy_assigned, found.accuracy_assigned_interval)} show the class that their label is "
            f"assigned to; by chance the best assignment reaches up to {found.chance:.1%}.",
            '`sample(label="...")` takes a class and draws it by the label below; with `labels="trained"`, and in '
            "`generate(z, y)`, labels are as they were trained.",
        ]
    if found.agreement is not None:
        sentences.append(
            f"The discriminator alone, without a classifier, assigns {found.agreement} of {len(found.assignment)} "
            f"labels alike."
        )
    again = f"Measure it again: `zoo align {quote(place)} -n {found.images_per_class}`."
    return " ".join([*sentences, again])


def _table(found: LabelAlignment, names: tuple[str, ...]) -> str:
    rows = []
    for cls, label in enumerate(found.label_of):
        counts = found.confusion[label]
        seen = [f"{names[c]} {percent(counts[c], found.images_per_class)}" for c in found.also_seen(label)]
        rows.append((names[cls], str(label), percent(counts[cls], found.images_per_class), ", ".join(seen)))
    return table(("class", "drawn by label", "seen in", "also seen"), rows)


def _percent(share: float, interval: tuple[float, float]) -> str:
    return f"{share:.1%} (95 % interval {interval[0]:.1%} to {interval[1]:.1%})"
