"""The labels of StyleGAN's data sets: one `dataset.json` at the top of the pictures, whose folders are no classes.

{"labels": [["00000/img00000000.png", 6], ...]}, or {"labels": null} where there are no classes.
"""

from __future__ import annotations

from typing import Any

from ..common.errors import DataCorruptedError
from ..common.json_files import parse_json
from ..common.text import short, visible
from ..schema.bounds import MAX_CLASSES
from .layout import Layout, arrange
from .picture_files import Listing

NAME = "dataset.json"
LARGEST = 256 << 20  # bytes

Labels = dict[str, int]


def parsed(text: bytes | str, where: str) -> Labels | None:
    """Return the labels by name, none where there are no classes; None if the file is another kind of JSON.

    Raises:
        DataCorruptedError: the file is no JSON, or a label is no whole number from 0.
    """
    try:
        value: Any = parse_json(text)
    except ValueError as error:
        raise DataCorruptedError(f"{where} is no JSON ({error}); repair it, or remove it") from None
    if not isinstance(value, dict) or not isinstance(value.get("labels", 0), list | None):
        return None
    labels: Labels = {}
    for row in value["labels"] or ():
        name, label = row if isinstance(row, list) and len(row) == 2 else (None, None)
        if not isinstance(name, str) or type(label) is not int or not 0 <= label < MAX_CLASSES:
            raise DataCorruptedError(
                f"{where} has the label {short(row)}; give the name of a picture and a whole number from 0 to "
                f"{MAX_CLASSES - 1:,}"
            )
        labels[name] = label
    return labels


def labelled(where: str, listing: Listing, split: str, labels: Labels) -> Layout:
    """Return all pictures with the labels of the table, in the order of `layout.arrange`.

    Raises:
        DataCorruptedError: a picture has no label, although others have.
        DataUnavailableError: as `layout.arrange`.
    """
    listing.take_back([NAME])
    found = arrange(where, listing, split, classes=False)
    if not labels:
        return found
    for file in found.pictures:
        if file.name not in labels:
            raise DataCorruptedError(f"{NAME} of {where} has no label of {visible(file.name)}; add it")
    pictures = [file._replace(label=labels[file.name]) for file in found.pictures]
    return found._replace(pictures=sorted(pictures, key=lambda file: (file.label, file.name.rpartition("/"))))
