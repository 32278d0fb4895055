"""Pictures with labels from their places: the base of folders and archives; and a folder of image files."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import DataCorruptedError
from ..common.json_files import read_text, reason
from ..common.text import visible
from ..schema.class_names import class_ids
from . import label_table
from .layout import Layout, arrange
from .picture_files import LeftOut, Listing, PictureFile, list_folder
from .reader import open_image
from .source import DatasetSource, fingerprint_of

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


class Pictures(DatasetSource):
    """The pictures of one split below a folder or in an archive, as `layout.arrange` labels them."""

    def __init__(self, path: Path, split: str, dataset: str = "custom", classes: bool = True):
        self.path, self.split, self.dataset, self.classes = path, split, dataset, classes
        self.origin = visible(str(path.resolve()))

    @cached_property
    def listing(self) -> Listing:
        raise NotImplementedError

    @cached_property
    def layout(self) -> Layout:
        if self._table is not None:
            labels = self._table if self.classes else {}
            return label_table.labelled(str(self.path), self.listing, self.split, labels)
        return arrange(str(self.path), self.listing, self.split, self.dataset, self.classes)

    @cached_property
    def _table(self) -> label_table.Labels | None:
        """The labels of StyleGAN's table, if there is one."""
        if not any(label_table.NAME in names for names in self.listing.others.values()):
            return None
        return label_table.parsed(self._table_text(), f"{label_table.NAME} of {self.path}")

    def _table_text(self) -> bytes | str:
        raise NotImplementedError

    @property
    def is_own(self) -> bool:
        """False if the class folders are the publisher's: WordNet ids of ImageNet."""
        folders = set(self.layout.folders)
        return not (folders and folders <= set(class_ids(self.dataset)))

    @property
    def files(self) -> list[PictureFile]:
        return self.layout.pictures

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.layout.class_names

    @property
    def num_classes(self) -> int:
        return len(self.class_names) or int(self.labels.max(initial=0)) + 1

    @cached_property
    def labels(self) -> np.ndarray:
        import numpy as np

        return np.array([file.label for file in self.files], np.int64)

    def left_out(self) -> tuple[LeftOut, ...]:
        _ = self.layout  # which leaves out other splits
        return self.listing.left_out()


class ImageFolder(Pictures):
    """The images of one split below a folder."""

    @cached_property
    def listing(self) -> Listing:
        return list_folder(self.path)

    def _table_text(self) -> str:
        path = self.path / label_table.NAME
        try:
            return read_text(path, label_table.LARGEST)
        except (OSError, ValueError) as error:
            raise DataCorruptedError(f"{path} cannot be read ({reason(error)}); repair it, or remove it") from None

    def fingerprint(self) -> str:
        files = [(file.name, file.size, file.modified) for file in self.files]
        if self._table is not None:
            about = (self.path / label_table.NAME).stat()
            files.append((label_table.NAME, about.st_size, about.st_mtime_ns))
        return fingerprint_of(files)

    def image(self, i: int) -> Image:
        return open_image(self.path / self.files[i].name)

    def where(self, i: int) -> str:
        return str(self.path / self.files[i].name)
