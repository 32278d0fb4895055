"""Public data sets of single image files (CelebA, ImageNet, Tiny ImageNet), and LSUN in its database."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..common import extras, files, network_settings
from ..common.errors import DataCorruptedError, DataUnavailableError
from ..common.json_files import read_text, reason
from ..common.locks import locked
from ..common.text import visible
from ..schema.class_names import class_ids, class_names
from .array_sets import unavailable
from .builder import sampled_sizes
from .catalogue import CATALOGUE
from .folder import ImageFolder
from .layout import Layout, arrange, split_names
from .picture_files import Listing, holds_own, list_folder
from .reader import open_image
from .source import DatasetSource, fingerprint_of_files

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

_LARGEST_TABLE = 64 << 20  # bytes
_SUBSET_CLASSES = 100
_CELEBA_SIZE = (178, 218)
_CELEBA_SPLITS = {"train": "0", "valid": "1", "test": "2"}


class Collection(ImageFolder):
    """A public data set below a root, where its archives put it; it is fetched to that place if possible.

    Args:
        anywhere: the user named no root, so this is the default root, which also has other data sets.
    """

    official = True

    def __init__(self, dataset: str, split: str, root: Path, anywhere: bool):
        super().__init__(root, split, dataset, CATALOGUE[dataset].classes)
        self.anywhere = anywhere

    @cached_property
    def place(self) -> Path:
        """The folder of the images or of the splits; they are fetched if they are missing."""
        found = self.locate()
        if found is None:
            self.path.mkdir(parents=True, exist_ok=True)
            with locked(self.path / f".{self.dataset}.lock"):
                if self.locate() is None:  # another process may have fetched the data set meanwhile
                    self.fetch()
            found = self.locate()
        if found is None:
            raise unavailable(self.dataset, self.path, "cannot be downloaded")
        return found

    @cached_property
    def listing(self) -> Listing:
        tops = [entry.name for entry in self.place.iterdir() if entry.name.lower() in split_names(self.split)]
        return list_folder(self.place, tops or None)

    @cached_property
    def layout(self) -> Layout:
        return self._below_path(self._arranged())

    def _arranged(self) -> Layout:
        """Return the layout of the images below `place`."""
        return arrange(str(self.place), self.listing, self.split, self.dataset, self.classes)

    def _below_path(self, found: Layout) -> Layout:
        if self.place == self.path:
            return found
        prefix = f"{self.place.relative_to(self.path).as_posix()}/"
        return found._replace(pictures=[file._replace(name=prefix + file.name) for file in found.pictures])

    @property
    def is_own(self) -> bool:
        return False

    def locate(self) -> Path | None:
        """Return the folder of the images or of the splits; None if it does not exist."""
        folder = self.path / CATALOGUE[self.dataset].folder
        for place in (folder,) if self.anywhere else (folder, self.path):
            splits = [place / name for name in split_names(self.split)]
            if any(split.is_dir() and (self.anywhere or self._is_publishers(split)) for split in splits):
                return place
        return None

    def _is_publishers(self, split: Path) -> bool:
        """Return True if the folder has a table of the publisher or class folders with the publisher's names."""
        known = set(class_ids(self.dataset) or class_names(self.dataset))
        return (split / "val_annotations.txt").is_file() or any(path.name in known for path in split.iterdir())

    def can_fetch(self) -> bool:
        """Return True if the data set may be downloaded or extracted to this place."""
        return not holds_own(self.path)

    def fetch(self) -> None:
        """Download or extract missing files, if possible."""


class ImageNet(Collection):
    """ILSVRC 2012, as the folders train and val, or as the archives, which torchvision extracts."""

    def archives(self) -> Path | None:
        """Return the folder of the archives; None if there are none."""
        places = (self.path / "imagenet", self.path)
        return next((place for place in places if any(place.glob("ILSVRC2012_img_*.tar"))), None)

    def can_fetch(self) -> bool:
        return self.archives() is not None

    def fetch(self) -> None:
        place = self.archives()
        if place is None:
            return
        try:
            from torchvision.datasets import ImageNet

            ImageNet(place, self.split)
        except (ImportError, OSError, RuntimeError) as error:
            raise unavailable("imagenet", self.path, f"its archives cannot be extracted ({error})") from None


class ImageNetSubset(Collection):
    """Baby, Papa or Grandpa ImageNet: a hundred of ImageNet's classes, as the folders train and valid."""

    def _is_publishers(self, split: Path) -> bool:
        """Return True if the folder has as many classes as the subset, with ImageNet's WordNet ids as names."""
        folders = {path.name for path in split.iterdir() if path.is_dir()}
        return len(folders) == _SUBSET_CLASSES and folders <= set(class_ids("imagenet"))


class TinyImageNet(Collection):
    """Tiny ImageNet: train/<class>/images, and for val one folder with a table of classes."""

    url = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
    md5 = "90528d7ca1a48142e341f4ef8d21d0de"

    def fetch(self) -> None:
        extracted = self.path / ".tiny-imagenet-200.part"  # renamed when complete
        try:
            from torchvision.datasets.utils import download_and_extract_archive

            files.remove_own(extracted)  # left by a killed process
            files.make_own(extracted)
            with network_settings.told(network_settings.URLLIB, self.url):
                download_and_extract_archive(self.url, self.path, extracted, "tiny-imagenet-200.zip", self.md5)
            (extracted / "tiny-imagenet-200").replace(self.path / "tiny-imagenet-200")
            files.remove_own(extracted)
        except (ImportError, OSError, RuntimeError) as error:
            raise unavailable("tiny-imagenet", self.path, f"cannot be downloaded ({error})") from None

    def _arranged(self) -> Layout:
        table = next(iter(self.place.glob(f"{self.split}/val_annotations.txt")), None)
        if table is None:
            return super()._arranged()
        label = {wnid: i for i, wnid in enumerate(class_ids(self.dataset))}
        found = arrange(str(self.place), self.listing, self.split, self.dataset, classes=False)
        rows = (line.split("\t") for line in _lines(table))
        try:
            labels = {name: label[wnid] for name, wnid, *_ in rows}
            files = [file._replace(label=labels[file.name.rpartition("/")[2]]) for file in found.pictures]
        except (KeyError, ValueError) as error:
            raise DataCorruptedError(f"{table} does not fit the images beside it ({error}); extract it again") from None
        return Layout(sorted(files, key=lambda file: (file.label, file.name)), (), class_names(self.dataset))


class CelebA(Collection):
    """CelebA, aligned and cropped; the splits other than "all" are in list_eval_partition.txt."""

    def locate(self) -> Path | None:
        places = [self.path / "celeba" / "img_align_celeba", self.path / "img_align_celeba"]
        if self.path.name == "img_align_celeba":
            places.append(self.path)
        return next((place for place in places if place.is_dir()), None)

    def fetch(self) -> None:
        try:
            from torchvision.datasets import CelebA

            with network_settings.told(network_settings.REQUESTS, "https://drive.google.com"):  # by gdown
                CelebA(self.path, split="all", download=True)
        except (ImportError, OSError, RuntimeError) as error:
            raise unavailable("celeba", self.path, f"cannot be downloaded ({error})") from None

    @property
    def is_own(self) -> bool:
        """False if the images have the publisher's size."""
        return not self.anywhere and any(size != _CELEBA_SIZE for size in sampled_sizes(self))

    @cached_property
    def listing(self) -> Listing:
        return list_folder(self.place)

    def _arranged(self) -> Layout:
        found = super()._arranged()
        if self.split == "all":
            return found
        table = self.place.parent / "list_eval_partition.txt"
        if not table.is_file():
            raise DataUnavailableError(
                f"the {self.split} split of celeba needs {table}; get it from "
                f"https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
            )
        rows = (line.split() for line in _lines(table))
        wanted = {row[0] for row in rows if row[1:] == [_CELEBA_SPLITS[self.split]]}
        return found._replace(pictures=[f for f in found.pictures if f.name.rpartition("/")[2] in wanted])


def _lines(table: Path) -> list[str]:
    """Read the lines of a table of a data set; that of CelebA has 4 MB."""
    try:
        return read_text(table, _LARGEST_TABLE).splitlines()
    except (OSError, ValueError) as error:
        raise DataCorruptedError(f"{table} cannot be read ({reason(error)}); extract it again") from None


class LsunBedroom(DatasetSource):
    """LSUN's bedrooms in their LMDB, in the order of the keys.

    lmdb reads them directly, as torchvision's LSUN leaves a pickle of the keys in the working folder.
    """

    official = True

    def __init__(self, split: str, root: Path, anywhere: bool):
        self.split, self.path, self.anywhere = split, root, anywhere
        self.origin = visible(str(root.resolve()))

    def locate(self) -> Path | None:
        """Return the folder of the database; None if it does not exist."""
        name = f"bedroom_{self.split}_lmdb"
        places = [self.path, self.path / name, self.path / "lsun" / name]
        return next((place for place in places if (place / "data.mdb").is_file()), None)

    def can_fetch(self) -> bool:
        return False

    @cached_property
    def database(self) -> Path:
        found = self.locate()
        if found is None:
            raise unavailable("lsun-bedroom", self.path, "has no automatic download")
        return found

    def fingerprint(self) -> str:
        return fingerprint_of_files([self.database / "data.mdb"])

    @cached_property
    def _environment(self):
        try:
            import lmdb
        except ImportError:
            raise DataUnavailableError(
                f"LSUN's database is read with lmdb, which is not installed; run: {extras.install('test', 'lmdb')}"
            ) from None
        try:
            return lmdb.open(str(self.database), readonly=True, lock=False, readahead=False, max_readers=1024)
        except lmdb.Error as error:
            raise DataCorruptedError(f"{self.database} is damaged ({error}); extract it again") from None

    @cached_property
    def _keys(self) -> list[bytes]:
        with self._environment.begin() as transaction:
            return list(transaction.cursor().iternext(keys=True, values=False))

    @cached_property
    def labels(self) -> np.ndarray:
        import numpy as np

        return np.zeros(len(self._keys), np.int64)

    def image(self, i: int) -> Image:
        with self._environment.begin() as transaction:
            return open_image(transaction.get(self._keys[i], b""))

    def where(self, i: int) -> str:
        return f"image {self._keys[i].decode(errors='replace')} of {self.database}"
