"""`zoo.evaluation.make_reference`: statistics of real images in a file, for `evaluate(reference=...)` and others."""

from __future__ import annotations

import os
from pathlib import Path

from ..common import ranks
from ..common.devices import pick_device, rank_device
from ..common.errors import ZooError
from ..common.progress import Progress, ProgressCallback
from ..common.text import short
from ..datasets.catalogue import own_split
from ..datasets.find import is_pictures
from ..schema.identity import CUSTOM, name_of_path
from .features import extractors, reference_files, references, sources
from .features.extractor import Extractor
from .features.references import Reference, ReferenceData, Selection
from .features.unfinished import UnfinishedWork
from .protocols import published
from .targets import path_and_split, sides

_BATCH = 64


def make_reference(
    data: str | os.PathLike,
    out: str | os.PathLike,
    *,
    extractor: str | None = None,
    protocol: str = "clean",
    split: str | None = None,
    resolution: int | None = None,
    num_real: int | None = None,
    layout: str | None = None,
    features: bool = False,
    force: bool = False,
    inception_weights: str | os.PathLike | None = None,
    device: str = "auto",
    cache_dir: str | os.PathLike | None = None,
    progress: bool | ProgressCallback = False,
) -> list[Reference]:
    """Compute the statistics of real images and write them to a file.

    Args:
        data: a data set's name, or the path of a folder, an archive or an .npz, each with or without ":split".
        out: the file; its suffix chooses the layout: .safetensors (ours), .pkl (edm2's) or .npz (edm's).
        extractor: a name, or two with a comma for edm2's layout; None for the protocol's.
        protocol: which real images, and how they are resized.
        split: None for the protocol's.
        resolution: None for the data set's usual one, or that of the pictures.
        num_real: None for the whole split.
        layout: "zoo", "edm2", "edm" or "dgm-eval".
        features: keep the features, too, which all metrics but the Frechet distance need.

    Raises:
        ZooError: the layout cannot hold this, the file exists, or weights or data are not available.
        StoppedError: Ctrl-C; the features that were extracted are kept, and the same call continues.
    """
    path, asked = Path(out), published.find(protocol)
    layout = reference_files.layout_of(path, layout)
    ranks.start()
    if ranks.from_first(path.exists()) and not force:  # asked by one, as that one may have written it when others begin
        raise ZooError(f"{path} exists; give another name, or force=True (--force) to replace it")
    names = [name.strip() for name in (extractor or asked.extractor).split(",")]
    for name in names:
        extractors.check_name(name)
    found = _data(data, split, resolution, asked)
    loaded = [extractors.load(name, inception_weights=inception_weights, resize=asked.resize) for name in names]
    features = features or layout == "dgm-eval"
    reference_files.check_writable(layout, loaded, features)
    where = pick_device(rank_device(device))
    selection = Selection(num_real, balanced=asked.selection == "balanced")
    made: list[tuple[Extractor, Reference]] = []
    shown = progress if callable(progress) else progress and ranks.rank() == 0
    with UnfinishedWork(cache_dir).kept() as unfinished, Progress(shown) as bars:
        for each in loaded:
            reference = references.get(
                found,
                selection,
                each.to(where),
                with_features=features,
                batch_size=_BATCH,
                cache_dir=cache_dir,
                advance=bars.task_of_unknown_length(f"{found}, {each.name}"),
                unfinished=unfinished.of,
            )
            if reference is not None:
                made.append((each, reference))
    if made:
        reference_files.write(path, layout, made)
    return [reference for _, reference in made]


def _data(data: str | os.PathLike, split: str | None, resolution: int | None, protocol) -> ReferenceData:
    """Return the real images; pictures of one's own keep their size, where none is asked for."""
    path, named = path_and_split(data)
    if path.exists() or is_pictures(path):
        split = split or named or "train"
        side = resolution or _side(path, split)
        return ReferenceData(f"{CUSTOM}:{name_of_path(path)}", split, side, path)
    name, colon, named = os.fspath(data).partition(":")
    split = split or (named if colon else protocol.split(name, "train"))
    return ReferenceData(name, own_split(name, split), resolution or sides(name)[0])


def _side(path: Path, split: str) -> int:
    height, width = sources.pictures(path, split).batch(0, 1).shape[2:]
    if height != width:
        raise ZooError(
            f"{short(str(path))}: the first picture is {width}x{height}; say --resolution {min(height, width)} to have "
            f"all cropped and resized"
        )
    return height
