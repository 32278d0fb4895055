"""Splits, classes and labels of pictures, from their places below a folder or in an archive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..common.errors import DataCorruptedError, DataUnavailableError
from ..common.text import visible
from ..schema.class_names import class_ids, class_names
from .catalogue import VALIDATION
from .picture_files import SUFFIXES, Listing, PictureFile

_SPLITS = [("train", "training"), VALIDATION, ("test", "testing")]


class Layout(NamedTuple):
    """The labelled pictures of a split."""

    pictures: list[PictureFile]  # class after class
    folders: tuple[str, ...]  # of the classes, in label order; empty for flat folders
    class_names: tuple[str, ...]


def arrange(where: str, listing: Listing, split: str, dataset: str = "custom", classes: bool = True) -> Layout:
    """Label the pictures of a split in the order of torchvision's ImageFolder.

    A folder is the split itself, unless it has folders called train, val or test. Labels follow the sorted names of
    the class folders, unless the names are numbers (2 before 10), or the public class names or WordNet ids of the data
    set (whose order is public, too).

    Args:
        where: the folder or archive, for errors.
        dataset: its class names or WordNet ids define the order of the labels, if the folders are named so.
        classes: False = all labels are 0, whatever the folders.

    Raises:
        DataUnavailableError: there are no pictures, or not this split.
        DataCorruptedError: there are pictures beside class folders, a class without any, or splits with other classes.
    """
    found = parts(where, listing, split)
    if not any(found.values()):
        others = f", but {'; '.join(map(str, listing.left_out()))}" if listing.others else ""
        raise DataUnavailableError(
            f"{where} has no images ({', '.join(SUFFIXES[:5])}, ...){others}; give a folder of "
            f"images, flat or with one folder per class, or an archive of one"
        )
    names = _class_folders(where, listing, found, dataset) if classes else ()
    index = {name: label for label, name in enumerate(names)}
    pictures = []
    for part, files in found.items():
        for file in files:
            top = file.name[len(part) :].partition("/")[0]
            pictures.append(file._replace(label=index[top] if names else 0))
    pictures.sort(key=lambda file: (file.label, file.name.rpartition("/")))
    public = class_names(dataset)
    return Layout(pictures, names, public if names and names == class_ids(dataset) else tuple(map(visible, names)))


def parts(where: str, listing: Listing, split: str) -> dict[str, list[PictureFile]]:
    """Return the pictures of a split by the beginning of their names: "" or "train/"; several if the split is "all".

    A folder called "train" is a class if other folders beside it have pictures.
    """
    tops = {file.name.partition("/")[0] for file in listing.pictures if "/" in file.name}
    splits = sorted(filter(is_split, tops))
    if not splits or len(splits) < len(tops):
        return {"": listing.pictures}
    wanted = splits if split == "all" else [top for top in splits if top.lower() in split_names(split)][:1]
    if not wanted:
        raise DataUnavailableError(f"{where} has no {split} split; give {' or '.join(splits)}")
    found: dict[str, list[PictureFile]] = {f"{top}/": [] for top in wanted}
    for file in listing.pictures:
        top, slash, _ = file.name.partition("/")
        if not slash:
            listing.leave_out("loose picture", file.name)
        elif top in wanted:
            found[f"{top}/"].append(file)
        else:
            listing.leave_out(f"{visible(top)} picture", file.name)
    return found


def _class_folders(
    where: str, listing: Listing, found: Mapping[str, list[PictureFile]], dataset: str
) -> tuple[str, ...]:
    """Return the names of the class folders, the same in all parts, in label order; none for flat folders."""
    filed = {
        part: {name.partition("/")[0] for file in files if "/" in (name := file.name[len(part) :])}
        for part, files in found.items()
    }
    first, names = next(iter(filed.items()))
    for part, files in found.items():
        own, place = filed[part], f"{where}/{part}".rstrip("/")
        if own and (loose := sum("/" not in file.name[len(part) :] for file in files)):
            raise DataCorruptedError(
                f"{place} has {loose} images beside folders of images; move them into a class folder"
            )
        if own != names:
            other = f"{where}/{first}".rstrip("/")
            raise DataCorruptedError(f"{place} and {other} have different class folders; make them the same")
        if own and (empty := set(_below(listing, part)) - own):
            raise DataCorruptedError(
                f"{place}/{min(empty)} has no images, but the folders beside it are classes; fill or remove it"
            )
    for public in (class_ids(dataset), class_names(dataset)):
        if names and names == set(public):
            return public
    return tuple(sorted(names, key=int) if all(name.isdecimal() for name in names) else sorted(names))


def _below(listing: Listing, part: str) -> list[str]:
    """Return the names of the folders directly below a part."""
    rest = (name[len(part) :] for name in listing.folders if name.startswith(part))
    return [name for name in rest if name and "/" not in name]


def is_split(folder: str) -> bool:
    return any(folder.lower() in aliases for aliases in _SPLITS)


def split_names(split: str) -> tuple[str, ...]:
    """Return the possible folder names of a split."""
    return next((aliases for aliases in _SPLITS if split in aliases), (split,))


def classes_one_level_down(listing: Listing) -> tuple[str, list[str]] | None:
    """Return the only folder at the top of all pictures and the folders with pictures in it, if there are several."""
    part, files = next(iter(parts("", listing, "all").items()))
    paths = [file.name[len(part) :].split("/") for file in files]
    tops = {path[0] for path in paths}
    below = {path[1] for path in paths if len(path) > 2}
    return (part + tops.pop(), sorted(below)) if len(tops) == 1 and len(below) > 1 else None
