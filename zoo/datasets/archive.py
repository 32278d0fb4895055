"""Pictures in a .zip or a .tar.

Labels are those of the class folders, or of webdataset: beside `000000.png` stands `000000.cls`, or `000000.json` with
a "label", "cls" or "class": an integer, or a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import DataCorruptedError, ZooError
from ..common.files import sha256
from ..common.json_files import parse_json
from ..common.text import short, visible
from ..schema.bounds import MAX_CLASSES
from . import label_table
from .archive_files import ArchiveFiles, opened
from .folder import Pictures
from .layout import Layout, arrange, is_split
from .picture_files import Listing, PictureFile, list_names
from .reader import open_image
from .source import fingerprint_of_files

if TYPE_CHECKING:
    from PIL.Image import Image

_LARGEST = 512 << 20  # bytes of one picture
_LARGEST_LABEL = 1 << 20


class PictureArchive(Pictures):
    """The pictures of one split in an archive; a single folder around all of them does not count.

    Args:
        path: the archive, or a folder.
        shards: the archives in this folder, which count as one.
    """

    def __init__(
        self,
        path: Path,
        split: str,
        dataset: str = "custom",
        classes: bool = True,
        shards: Sequence[Path] = (),
    ):
        super().__init__(path, split, dataset, classes)
        self.archives = shards or [path]

    def fingerprint(self) -> str:
        return fingerprint_of_files(self.archives)

    def content(self) -> str:
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        return " ".join(map(sha256, self.archives))

    @cached_property
    def _archive(self) -> ArchiveFiles:
        return opened(self.archives)

    @cached_property
    def _names(self) -> dict[str, str]:
        """The name in the archive of each file, by its relative path here."""
        return {_relative(name).removeprefix(self._around): name for name in self._archive.sizes}

    @cached_property
    def _around(self) -> str:
        """The folders around all splits or classes, such as "flowers/" where they are flowers/rose and so on."""
        whole = {_relative(name) for name in self._archive.sizes}
        listing, around = list_names([PictureFile(name, 0, 0) for name in whole]), ""
        names = [file.name for file in listing.pictures]
        while names and around + label_table.NAME not in whole:
            top = f"{names[0].partition('/')[0]}/"
            if is_split(top[:-1]) or not all(name.startswith(top) for name in names):
                break
            around += top
            names = [name.removeprefix(top) for name in names]
        return around

    @cached_property
    def listing(self) -> Listing:
        sizes = self._archive.sizes
        folders = [name.removeprefix(self._around) for name in map(_relative, self._archive.folders)]
        folders = [name for name in folders if not self._around.startswith(f"{name}/")]
        listing = list_names([PictureFile(name, sizes[whole], 0) for name, whole in self._names.items()], folders)
        for name in self._archive.links:
            listing.leave_out("link", name)
        return listing

    @cached_property
    def layout(self) -> Layout:
        if self._table is not None:
            return super().layout
        labelled = self.classes and self._has_labels_beside
        found = arrange(str(self.path), self.listing, self.split, self.dataset, self.classes and not labelled)
        return self._labelled(found) if labelled else found

    @property
    def _has_labels_beside(self) -> bool:
        """True if a .cls stands beside a picture, or the first .json beside one has a label."""
        pictures = self.listing.pictures
        if any(self._beside(file.name, ".cls") for file in pictures):
            return True
        name = next(filter(None, (self._beside(file.name, ".json") for file in pictures)), None)
        return name is not None and self._label_of_json(name) is not None

    def _beside(self, picture: str, suffix: str) -> str | None:
        """Return the file of the same sample; webdataset's samples end at the first dot of the name."""
        folder, slash, name = picture.rpartition("/")
        stems = (name.rpartition(".")[0], name.partition(".")[0])
        return next((found for stem in stems if (found := f"{folder}{slash}{stem}{suffix}") in self._names), None)

    def _labelled(self, found: Layout) -> Layout:
        """Return the pictures with the labels of the files beside them.

        Raises:
            DataCorruptedError: a picture has no label, or some labels are numbers and others names.
        """
        used: set[str] = set()
        labels = [self._label(file.name, used) for file in found.pictures]
        self.listing.take_back(used)
        names = sorted({label for label in labels if isinstance(label, str)})
        if names and len(names) < len(set(labels)):
            number = next(label for label in labels if isinstance(label, int))
            raise DataCorruptedError(
                f"{self.path}: some labels are names ({names[0]}), others numbers ({number}); give one kind"
            )
        index: dict[Any, int] = {name: i for i, name in enumerate(names)}
        pictures = [
            file._replace(label=index.get(label, label)) for file, label in zip(found.pictures, labels, strict=True)
        ]
        pictures.sort(key=lambda file: (file.label, file.name.rpartition("/")))
        return Layout(pictures, (), tuple(map(visible, names)))

    def _label(self, picture: str, used: set[str]) -> int | str:
        text = self._beside(picture, ".cls")
        used.update(filter(None, (text, self._beside(picture, ".json"))))
        label = None
        if text is not None:
            label = self._beside_bytes(text).decode("utf-8", "surrogateescape").strip()
            label = int(label) if label.removeprefix("-").isdecimal() else label or None
        elif (beside := self._beside(picture, ".json")) is not None:
            label = self._label_of_json(beside)
        if label is None or (isinstance(label, int) and not 0 <= label < MAX_CLASSES):
            wrong = "no label" if label is None else f"the label {short(label)}"
            raise DataCorruptedError(
                f"{self._where(picture)} has {wrong} beside it; "
                f"give every picture a .cls or a .json with an integer from 0 to {MAX_CLASSES - 1:,}, or a name"
            )
        return label

    def _label_of_json(self, name: str) -> int | str | None:
        try:
            value = parse_json(self._beside_bytes(name))
        except ValueError as error:
            raise DataCorruptedError(f"{self._where(name)} is no JSON ({error}); repair it") from None
        keys = ("label", "cls", "class")
        label = next((value[key] for key in keys if key in value), None) if isinstance(value, dict) else None
        return label if isinstance(label, int | str) and not isinstance(label, bool) else None

    def _table_text(self) -> bytes:
        return self._beside_bytes(label_table.NAME, label_table.LARGEST)

    def _beside_bytes(self, name: str, limit: int = _LARGEST_LABEL) -> bytes:
        try:
            return self._bytes(name, limit)
        except (MemoryError, ZooError):
            raise
        except Exception as error:  # as above
            raise DataCorruptedError(f"{self._where(name)} cannot be read ({error}); repair it") from None

    def _bytes(self, name: str, limit: int) -> bytes:
        whole = self._names[name]
        if self._archive.sizes[whole] > limit:
            raise ValueError(f"it has {self._archive.sizes[whole]:,} bytes; at most {limit:,} are read")
        return self._archive.read(whole)

    def image(self, i: int) -> Image:
        return open_image(self._bytes(self.files[i].name, _LARGEST))

    def where(self, i: int) -> str:
        return self._where(self.files[i].name)

    def _where(self, name: str) -> str:
        return self._archive.where(self._names[name])


def _relative(name: str) -> str:
    """Return a name of an archive as a relative path: "./a//b.png" and "/a/b.png" are a/b.png."""
    return "/".join(part for part in name.split("/") if part not in ("", ".", ".."))
