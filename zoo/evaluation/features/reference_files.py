"""Reference statistics in files, in our layout and those of other tools, read and written.

    zoo       .safetensors: mu, sigma and, where wanted, features and labels; the manifest says what they are of
    edm2      .pkl: {"num_images", "fid": {"mu", "sigma"}, "fd_dinov2": {"mu", "sigma"}}, either or both
    edm       .npz: mu and sigma, of Inception; pytorch-fid, ADM and clean-fid have the same
    dgm-eval  .npz: reps (N, D) and model

A foreign file does not say which weights and which resizing it was made with, nor of which images, so its extractor is
taken from its keys and the report says so. Nothing in a file is run.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...checkpoints.safetensors_header import metadata, read_header
from ...common import choices
from ...common.errors import DataCorruptedError, DataUnavailableError, UsageError, ZooError
from ...common.files import read_safetensors, sha256, write_atomically
from ...common.json_files import parse_json
from ...common.memory import refuse_if_too_large
from ...common.text import cut, first_line, visible
from ..metrics.formulas import Statistics, statistics
from ..names import DINOV2, INCEPTION
from . import array_pickle
from .extractor import Extractor
from .reference import Reference
from .reference_cache import FORMAT
from .reference_checks import IDENTITY, check_features, check_manifest, check_statistics

LAYOUTS = {"zoo": ".safetensors", "edm2": ".pkl", "edm": ".npz", "dgm-eval": ".npz"}
_EDM2 = {"fid": INCEPTION, "fd_dinov2": DINOV2}  # key -> extractor
_DGM_EVAL = {"inception": INCEPTION, "dinov2": DINOV2}  # model -> extractor


@dataclass
class Contents:
    """What a file holds, by extractor; `about` and `identity` only in our layout."""

    layout: str
    by_extractor: dict[str, Statistics]
    features: Tensor | None = None  # of the only extractor
    labels: Tensor | None = None
    about: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, str] = field(default_factory=dict)
    sha256: str = ""


# --------------------------------------------------------------------------------------------------------- reading


def read(
    path: Path, extractor: Extractor, resolution: int, count: int | None = None, with_features: bool = False
) -> Reference:
    """Return the reference in a file, if it is one for this extractor.

    Args:
        resolution: of the images that are to be measured.
        count: of the real images that a protocol asks for; None for any.

    Raises:
        DataUnavailableError: there is no such file.
        DataCorruptedError: it is damaged or none of the layouts.
        ZooError: it was made with another extractor, of other images, or has no features and they are needed.
    """
    found = contents(path)
    if extractor.name not in found.by_extractor:
        raise ZooError(
            f"{path} holds statistics of {' and '.join(found.by_extractor)}, the scores are of {extractor.name}; give "
            f"a file of that extractor, or --extractor {next(iter(found.by_extractor))}"
        )
    for key, mine in (extractor.identity | {"layer": extractor.layer("fid")}).items():
        if found.identity and found.identity.get(key) != mine:
            theirs = cut(visible(found.identity[key]), 80)
            raise ZooError(
                f"{path} was made with another {key} of {extractor.name} ({theirs}, not {mine}); make "
                f"it again with: zoo reference make"
            )
    known = found.by_extractor[extractor.name]
    width = extractor.width(extractor.layer("fid"))
    if len(known.mu) != width:
        raise ZooError(f"{path} is of {len(known.mu):,} features, {extractor.name} has {width:,}; give another file")
    side = found.about.get("resolution", resolution)
    if side != resolution:
        raise ZooError(f"{path} is of {side}x{side} images, the images to be measured are {resolution}x{resolution}")
    if count is not None and known.num_images not in (0, count):
        raise ZooError(
            f"{path} is of {known.num_images:,} images, the protocol asks for {count:,}; give another file or protocol"
        )
    if with_features and found.features is None:
        raise ZooError(
            f"{path} holds no features, only their statistics, which give fid alone; leave the other metrics out, or "
            f"make a file with: zoo reference make --features"
        )
    usual = {
        "dataset": visible(path.name),
        "split": "not stated",
        "resolution": resolution,
        "count": known.num_images,
        "total": known.num_images,
        "classes": 0,
        "selection": "not stated",
        "checksum": found.sha256,
    }
    about = usual | found.about | {"from": f"{visible(path.name)}, in the layout of {found.layout}"}
    warnings = () if found.identity else (_unknown(path, found.layout, known.num_images),)
    features = found.features if with_features else None
    return Reference(about, known, features, found.labels if with_features else None, warnings)


def _unknown(path: Path, layout: str, count: int) -> str:
    missing = "images, weights and resizing" if count else "how many images, and which, weights and resizing"
    return f"{visible(path.name)} is in the layout of {layout}, which does not state {missing} it was made with"


def contents(path: Path) -> Contents:
    """Read a file in any of the layouts, once; for errors see `read`."""
    if not path.is_file():
        raise DataUnavailableError(f"{path} does not exist; give a file of reference statistics")
    stat = path.stat()
    return _contents(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=2)
def _contents(path: Path, *_: int) -> Contents:
    refuse_if_too_large(path.stat().st_size, f"the reference statistics in {path}", "give a smaller file")
    with path.open("rb") as file:
        start = file.read(4)
    readers: dict[bytes, Callable[[Path], Contents]] = {b"PK\x03\x04": _read_npz, b"\x80": _read_pickle}
    reader = next((reader for magic, reader in readers.items() if start.startswith(magic)), _read_own)
    try:
        found = reader(path)
        for known in found.by_extractor.values():
            check_statistics(known)
    except Exception as error:  # a damaged file raises a dozen unrelated types
        reason = f"it lacks {first_line(error)}" if isinstance(error, KeyError) else first_line(error)
        raise DataCorruptedError(
            f"{path} holds no reference statistics that can be read ({reason}); the layouts are {', '.join(LAYOUTS)}"
        ) from None
    found.sha256 = sha256(path)
    return found


def _read_own(path: Path) -> Contents:
    manifest = check_manifest(parse_json(metadata(read_header(path)).get("manifest", "null")))
    tensors = read_safetensors(path)
    known = Statistics(tensors["mu"].numpy(), tensors["sigma"].numpy(), manifest["count"])
    features, labels = tensors.get("features"), tensors.get("labels")
    if features is not None:
        check_features(features, labels, known.num_images, len(known.mu))
    facts = {key: value for key, value in manifest.items() if key not in (*IDENTITY, "format")}
    about = {key: visible(value) if isinstance(value, str) else value for key, value in facts.items()}
    identity = {key: manifest[key] for key in IDENTITY}
    return Contents("zoo", {cut(visible(identity["extractor"]), 80): known}, features, labels, about, identity)


def _read_pickle(path: Path) -> Contents:
    found = array_pickle.read(path)
    if not isinstance(found, dict) or not set(found) & set(_EDM2):
        raise ZooError(f"it has none of {' and '.join(_EDM2)}")
    count = int(found.get("num_images", 0))
    return Contents(
        "edm2",
        {name: _statistics(found[key], count) for key, name in _EDM2.items() if key in found},
    )


def _read_npz(path: Path) -> Contents:
    with zipfile.ZipFile(path) as archive:
        total = sum(entry.file_size for entry in archive.infolist() if entry.filename != "hparams.npy")
    refuse_if_too_large(total, f"the arrays in {path}", "give a smaller file")
    with np.load(path, allow_pickle=False) as arrays:
        if {"reps", "model"} <= set(arrays.files):
            reps, model = arrays["reps"], arrays["model"]
            if reps.ndim != 2 or model.shape:
                raise ZooError(f"reps is {reps.shape} and model {model.shape}, not (images, features) and one name")
            features, model = torch.from_numpy(_real(reps, np.float32)), str(model)
            name = _DGM_EVAL.get(model, cut(visible(model), 80))
            return Contents("dgm-eval", {name: statistics(features)}, features)
        if not {"mu", "sigma"} <= set(arrays.files):
            raise ZooError(
                f"it has {', '.join(arrays.files[:5]) or 'nothing'}, neither mu and sigma nor reps and model"
            )
        return Contents("edm", {INCEPTION: _statistics(arrays, 0)})


def _statistics(arrays: Any, count: int) -> Statistics:
    if count < 0:
        raise ZooError(f"it is of {count} images")
    return Statistics(_real(arrays["mu"], np.float64), _real(arrays["sigma"], np.float64), count)


def _real(values: Any, dtype: Any) -> np.ndarray:
    if np.iscomplexobj(values):
        raise ZooError("its values are complex")
    return np.asarray(values, dtype)


# --------------------------------------------------------------------------------------------------------- writing


def layout_of(path: Path, wanted: str | None) -> str:
    """Return the layout of a file to be written: the one that is wanted, else the first one of its suffix."""
    if wanted is not None and wanted not in LAYOUTS:
        raise UsageError(choices.unknown("layout", wanted, LAYOUTS))
    layout = wanted or next((name for name, suffix in LAYOUTS.items() if suffix == path.suffix.lower()), None)
    if layout is None or path.suffix.lower() != LAYOUTS[layout]:
        suffixes = ", ".join(f"{suffix} ({name})" for name, suffix in LAYOUTS.items())
        raise UsageError(f"{path} has not the suffix of a layout; give one of {suffixes}")
    return layout


def check_writable(layout: str, extractors: list[Extractor], with_features: bool) -> None:
    """Raise ZooError, before any work, where a layout cannot hold what is to be written."""
    names = [extractor.name for extractor in extractors]
    known = {"edm2": [*_EDM2.values()], "edm": [INCEPTION], "dgm-eval": [*_DGM_EVAL.values()]}.get(layout, names)
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"the layout of {layout} has no place for {unknown[0]}; it knows {' and '.join(known)}")
    if layout != "edm2" and len(names) > 1:
        raise UsageError(f"the layout of {layout} holds one extractor; give a file to each, or edm2's .pkl")
    if with_features and layout in ("edm2", "edm"):
        raise UsageError(f"the layout of {layout} holds no features; give a .safetensors file")
    if layout != "zoo" and (other := next((e for e in extractors if not e.official), None)):
        raise UsageError(
            f"the layout of {layout} cannot say that these are not {other.name}'s own weights; give a .safetensors file"
        )


def write(path: Path, layout: str, made: list[tuple[Extractor, Reference]]) -> None:
    """Write references in a layout that `check_writable` has allowed."""
    extractor, reference = made[0]
    found = reference.statistics
    if layout == "zoo":
        data = _own(extractor, reference)
    elif layout == "edm2":
        keys = {name: key for key, name in _EDM2.items()}
        parts = {
            keys[e.name]: {"mu": np.asarray(r.statistics.mu, np.float64), "sigma": r.statistics.sigma} for e, r in made
        }
        data = pickle.dumps({"num_images": reference.count, **parts}, protocol=4)
    elif layout == "edm":
        data = _npz(mu=np.asarray(found.mu, np.float64), sigma=found.sigma)
    else:
        assert reference.features is not None
        model = next(model for model, name in _DGM_EVAL.items() if name == extractor.name)
        data = _npz(model=np.asarray(model), reps=reference.features.double().numpy())
    write_atomically(path, data)


def _own(extractor: Extractor, reference: Reference) -> bytes:
    from safetensors.torch import save

    about = {key: value for key, value in reference.about.items() if key != "from"}
    manifest = {"format": FORMAT, **about, **extractor.identity, "layer": extractor.layer("fid")}
    found = reference.statistics
    tensors = {"mu": torch.from_numpy(found.mu), "sigma": torch.from_numpy(found.sigma)}
    if reference.features is not None:
        features, labels = reference.labelled_features
        tensors |= {"features": features.contiguous(), "labels": labels.contiguous()}
    return save(tensors, {"manifest": json.dumps(manifest, sort_keys=True)})


def _npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
    return file.getvalue()
