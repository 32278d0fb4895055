"""Class names and WordNet ids of the public data sets, in label order."""

from __future__ import annotations

from functools import cache

from ...common.package_data import data_path


@cache
def class_names(dataset: str) -> tuple[str, ...]:
    """Return the public class names of a data set in label order; empty if it has none.

    ImageNet has two "crane" and two "maillot": a name that is not unique needs its WordNet id.
    """
    return tuple(name for name, _ in _classes(dataset))


@cache
def class_ids(dataset: str) -> tuple[str, ...]:
    """Return the WordNet ids of the classes in label order; empty if the data set has none."""
    return tuple(wnid for _, wnid in _classes(dataset) if wnid)


def _classes(dataset: str) -> list[tuple[str, str]]:
    """Return (name, WordNet id or "") of each class, from a table with one class per line."""
    table = data_path(__name__, f"{dataset}.txt")
    if not table.is_file():
        return []
    lines = table.read_text(encoding="utf-8").splitlines()
    return [(name, wnid) for name, _, wnid in (line.partition("\t") for line in lines)]
