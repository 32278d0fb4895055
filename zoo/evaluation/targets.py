"""The target of an evaluation, from a name, a folder, a file, a model or images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import datasets
from ..checkpoints import hub, resolve
from ..common import choices, files
from ..common.errors import UnknownDatasetError, UsageError, ZooError
from ..common.progress import ProgressCallback
from ..common.tensors import state_sha256
from ..common.text import short, visible
from ..datasets.catalogue import CATALOGUE, own_split
from ..datasets.find import check_split, find, is_pictures, is_place, of_path
from ..sampling import loading
from ..sampling.gan import GAN
from ..sampling.images import Images
from ..schema import registry
from ..schema.config import ModelConfig
from ..schema.identity import CUSTOM, is_custom, name_of_path
from .features import sources
from .features.reference_files import contents
from .features.references import ReferenceData
from .report.report import Subject

SPLITS = ("train", "test", "val", "valid", "unlabeled", "all")


@dataclass
class Target:
    """A model or images, its config if it has one, and its name in a report."""

    subject: Subject
    config: ModelConfig | None = None
    model: GAN | None = None
    images: sources.Fixed | sources.PictureSource | None = None
    side: int = 0  # of the square images

    @property
    def fixed(self) -> bool:
        """True if the images exist already, so that there is one seed and no sampling."""
        return self.images is not None


def open_target(
    source: Any,
    *,
    weights: str = "default",
    device: str = "auto",
    dtype: str | None = None,
    cache_dir=None,
    resolution: int | None = None,
    progress: bool | ProgressCallback = False,
) -> Target:
    """Open a target from a name, an exported folder, a GAN, images, or a folder, an archive or an .npz of them.

    Args:
        resolution: crop and resize the pictures of a folder, an archive or an .npz as training data are.

    Raises:
        ZooError: it is none of these, its images are not square, or a dtype is given for images or a loaded GAN.
    """
    if isinstance(source, Target):  # already opened
        return source
    if isinstance(source, (str, os.PathLike)):
        target = _of_pictures(source, resolution, progress)
        target = target or _of_name(source, weights, device, dtype, cache_dir, progress)
    else:
        target = _of_object(source)
    if resolution is not None and target.side != resolution:
        raise ZooError("a resolution is for pictures of a folder, an archive or an .npz; leave it out")
    if dtype is not None and (target.model is None or not isinstance(source, (str, os.PathLike))):
        raise ZooError("dtype is how a named model computes; images have none, and a GAN is loaded with it")
    return target


def check_names(source: Any, weights: str = "default", data: Any = None, split: str | None = None) -> None:
    """Refuse names that nothing has: of a model, its tag, a data set or its split; nothing is fetched or read."""
    _check_data(data, split)
    own = None
    if isinstance(source, (str, os.PathLike)) and not os.fspath(source).startswith(hub.PREFIX):
        own = _own_data_set(source, weights)
    if data is not None and not isinstance(data, str):
        return
    path = path_and_split(data or "")[0]
    if data and (path.exists() or is_place(data)):
        if not path.exists():
            of_path(path, "train")  # says so
        return
    name, _, named_split = data.partition(":") if data else (own or "", "", "")  # own pictures: custom:flowers
    if data:
        sides(name)
    if name in CATALOGUE and (split := split or named_split):
        check_split(name, own_split(name, split))


def _check_data(data: Any, split: Any) -> None:
    """Refuse what cannot stand for real images: arrays and tensors have no labels, nor a name for the report."""
    if data is not None and not isinstance(data, (str, os.PathLike, datasets.Dataset)):
        raise UsageError(
            f"data is of type {type(data).__name__}; give the name of a data set, a path, or a zoo.datasets.Dataset"
        )
    if split is not None and not isinstance(split, str):
        raise UsageError(f"split is {short(split)}; give its name, such as test")


def _own_data_set(source: str | os.PathLike, weights: str) -> str | None:
    """Return the data set of a named model or split; None for pictures."""
    if _pictures_of(source):
        return None
    name, split = _of_data_set(source)
    if split is None:
        return resolve.identify(source, weights).config.data.dataset
    sides(name)
    return None


def _of_object(source: Any) -> Target:
    if isinstance(source, GAN):
        return of_model(source, None, None)
    if isinstance(source, datasets.Dataset):
        return _of_images("a data set", sources.Fixed(source.images, source.labels))
    if isinstance(source, Images):
        name = f"{len(source)} images" + (f" of {source.model}" if source.model else "")
        return _of_images(name, sources.Fixed(source.uint8, source.labels))
    return _of_images("given images", sources.from_array(source))


def _of_pictures(source: str | os.PathLike, resolution: int | None, progress: bool | ProgressCallback) -> Target | None:
    """Open the pictures of a folder or file, or of a split of it ("photographs:test"); None for anything else."""
    place = _pictures_of(source)
    if place is None:
        return None
    path, split = place
    name = visible(path.name or str(path)) + (f":{split}" if split else "")
    if resolution is None:
        return _of_images(name, sources.pictures(path, split or "train"))
    found = datasets.load("custom", split or "train", resolution, path, progress)
    return _of_images(name, sources.Fixed(found.images, found.labels))


def _pictures_of(source: str | os.PathLike) -> tuple[Path, str | None] | None:
    """Return the path of a folder or file of pictures, and the split behind its colon; None for anything else."""
    path, split = path_and_split(source)
    if is_pictures(path) and not path.is_dir():
        return path, split
    folder = registry.folder_of(source if split is None else path)
    return (folder, split) if folder and registry.exported(folder) is None else None


def _of_data_set(source: str | os.PathLike) -> tuple[str, str | None]:
    """Split "cifar10:test" into the name and the split of a data set; None as the split of anything else."""
    name, colon, split = os.fspath(source).partition(":")
    return name, split if colon and (split in SPLITS or name in _known_datasets()) else None


def path_and_split(source: str | os.PathLike) -> tuple[Path, str | None]:
    """Return a path and, where it has one behind a colon, the split."""
    path, colon, split = os.fspath(source).rpartition(":")
    if colon and split in SPLITS and not Path(source).exists() and Path(path).exists():
        return Path(path), split
    return Path(source), None


def _of_name(
    source: str | os.PathLike,
    weights: str,
    device: str,
    dtype: str | None,
    cache_dir,
    progress: bool | ProgressCallback,
) -> Target:
    name, split = _of_data_set(source)
    if split is not None:
        found = datasets.load(name, split, sides(name)[0], progress=progress)
        return _of_images(os.fspath(source), sources.Fixed(found.images, found.labels))
    config, tag, file = weights_of(source, weights, cache_dir)
    model = loading.load(source, weights=weights, device=device, dtype=dtype, cache_dir=cache_dir)
    return of_model(model, tag, file, config)


def weights_of(
    name: str | os.PathLike, wanted: str = "default", cache_dir=None
) -> tuple[ModelConfig, str | None, Path | None]:
    """Return the config of a name or exported folder, the tag of its weights (None for a file), and their file.

    Raises:
        ZooError: the name is unknown, or the weights are not on this machine.
    """
    found = resolve.resolve_model(name, wanted, cache_dir)
    if wanted == "random":
        return found.config, "random", None
    return found.config, None if found.exported else found.tag, found.path


def of_model(model: GAN, tag: str | None, file: Path | None, config: ModelConfig | None = None) -> Target:
    """Make the target of a loaded model; `tag` and `file` say which weights it has."""
    config = config or model.config
    subject = Subject(
        name=config.name,
        tag=tag,
        weights_sha256=files.sha256(file) if file else state_sha256(model.state_dict()),
        dtype=model.precision,
    )
    return Target(subject, config, model, side=model.resolution)


def _of_images(name: str, images: sources.Fixed | sources.PictureSource) -> Target:
    if not len(images):
        raise ZooError(f"{name}: there are no images in it")
    height, width = images.batch(0, 1).shape[2:]
    if height != width:
        raise ZooError(
            f"{name}: the images are {width}x{height}; give square ones, of the data set's resolution, or say "
            f"--resolution {min(width, height)} to have the pictures of a folder cropped and resized"
        )
    return Target(Subject(name=name, num_images=len(images)), images=images, side=height)


def data_for(target: Target, data: Any, split: str | None) -> ReferenceData:
    """Return the real images to measure against; `split` None leaves it to the protocol (an empty split here).

    Args:
        data: None for the data that the model was trained on; a data set's name, with or without ":split"; the path of
            folder, an archive or an .npz, with or without ":split"; or a `zoo.datasets.Dataset` of images with labels.
    """
    _check_data(data, split)
    config, side = target.config, target.side
    own = config.data.dataset if config else None
    if isinstance(data, datasets.Dataset):
        return ReferenceData("given data", split or "given", side, given=data)
    if data is None and own is None:
        raise ZooError("images alone do not say what they imitate; give the real ones as data (--data cifar10)")
    if data is None and config and (is_custom(config.data.dataset) or config.data.class_names is not None):
        return ReferenceData(config.data.dataset, split or "", side, of_run=config)
    name, colon, named_split = str(data or own).partition(":")
    path, part = path_and_split(data) if data is not None else (Path(), None)
    if data is not None and name not in _known_datasets() and (path.exists() or is_place(data)):
        return _of_path(path, split or part or "", config, side)
    if own != name:
        _check_side(name, side)
    return ReferenceData(name, split or (named_split if colon else ""), side)


def data_of_file(target: Target, file: str | os.PathLike) -> ReferenceData:
    """Return the real images that statistics in a file stand for.

    Raises:
        ZooError: the file is missing or damaged.
    """
    path = Path(file)
    about = contents(path).about
    name, split = about.get("dataset", visible(path.name)), about.get("split", "not stated")
    return ReferenceData(name, split, target.side, file=path)


def _of_path(path: Path, split: str, config: ModelConfig | None, side: int) -> ReferenceData:
    """Return the pictures of a folder or a file; their name is that of a data set only for its publisher's files."""
    if config is None:
        return ReferenceData(f"{CUSTOM}:{name_of_path(path)}", split, side, path)
    wanted, how = config.data.dataset, config.data.preparation
    found = find(wanted, split or config.data.split, path)
    if found.is_own and is_custom(wanted) and set(config.data.class_names or ()) <= set(found.class_names):
        return ReferenceData(wanted, split, side, path, of_run=config)
    own = how if isinstance(how, datasets.OwnPreparation) else None
    if found.is_own and path.suffix.lower() != ".npz" and found.class_names != datasets.class_names(wanted):
        usual = config.data.split if config.data.split in ("train", "test", "val", "valid") else "train"
        named, classes = f"{CUSTOM}:{name_of_path(path)}", bool(found.class_names)
        return ReferenceData(named, split or usual, side, path, preparation=own, classes=classes)
    return ReferenceData(wanted, split, side, path, preparation=own)  # an .npz: the data set in another form


def _check_side(dataset: str, side: int) -> None:
    usual = sides(dataset)
    if side not in usual:
        sizes = " or ".join(f"{s}x{s}" for s in usual)
        raise ZooError(
            f"the images are {side}x{side}, {dataset} is evaluated at {sizes}; resize the images, or give real ones of "
            f"their size as data"
        )


def sides(dataset: str) -> tuple[int, ...]:
    """Return the resolutions of the models of this data set; raises UnknownDatasetError."""
    known = _known_datasets()
    if dataset not in known:
        raise UnknownDatasetError(f"{choices.unknown('data set', dataset, sorted(known))} (or give a path)")
    return tuple(sorted(known[dataset]))


def _known_datasets() -> dict[str, set[int]]:
    """Return the data sets of the registry's models, and their resolutions."""
    found: dict[str, set[int]] = {}
    for name in registry.names():
        data = registry.config(name).data
        found.setdefault(data.dataset, set()).add(data.resolution)
    return found
