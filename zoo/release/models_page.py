"""The page and the table of all models: docs/models.md and docs/models.csv, rendered from the configs.

`zoo registry page` writes both; a test holds the committed files against the configs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from ..checkpoints import weights as weight_files
from ..common import files
from ..common.text import markdown, table
from ..schema import config_files
from ..schema.config import ModelConfig
from ..schema.entries import Upstream, Weights
from ..schema.licenses import license_of

PAGE, TABLE = "models.md", "models.csv"
METRICS = ("FID", "IS", "KID", "precision", "recall", "density", "coverage", "IFID")
REMEASURED_BY = "remeasured_by"  # the key in a score's settings where another party measured published weights
_NONE = "none"  # of models without weights

Row = dict[str, str | int | None]


def rows() -> list[Row]:
    """Return one row per entry of weights, and one per model without any, by data set and name."""
    configs = map(ModelConfig.from_file, config_files.paths().values())  # without models of a user's own
    ordered = sorted(configs, key=lambda config: (config.data.dataset, config.data.resolution, config.name))
    return [_row(config, entry) for config in ordered for entry in config.weights or (None,)]


def as_csv(found: Iterable[Row]) -> str:
    """Return the table with one line per row; unknown values are empty."""
    found, text = list(found), io.StringIO()
    writer = csv.DictWriter(text, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue()


def as_page(found: Iterable[Row]) -> str:
    """Return the page: a table of the entries for each data set."""
    found = list(found)
    entries = [row for row in found if row["tag"] != _NONE]
    intro = (
        f"{len({row['model'] for row in found})} models, {len(entries)} entries of weights, "
        f"{sum(bool(row['discriminator']) for row in entries)} with their discriminator. A star marks the default "
        f"weights. An empty size is not known before the download. [{TABLE}]({TABLE}) has every score and source. "
        f"`zoo registry page` renews this page."
    )
    sections = ["# Models", intro]
    for (dataset, side), group in groupby(found, key=lambda row: (row["data set"], row["resolution"])):
        sections += [f"## {dataset}, {side}x{side}", table(_HEAD, [_cells(row) for row in group])]
    return "\n\n".join(sections) + "\n"


def write(folder: Path) -> None:
    """Write both files into a folder."""
    found = rows()
    files.write_atomically(folder / PAGE, as_page(found).encode())
    files.write_atomically(folder / TABLE, as_csv(found).encode())


# ------------------------------------------------------------------------------------------------------------ one row


def _row(config: ModelConfig, entry: Weights | None) -> Row:
    data, sources = config.data, weight_files.sources_of(entry, False) if entry else ()
    row: Row = {
        "model": config.name,
        "title": config.title,
        "data set": data.dataset,
        "resolution": data.resolution,
        "classes": config.num_classes,
        "paper": config.paper,
        "tag": entry.tag if entry else _NONE,
        "default": "yes" if entry and entry.tag == config.default_tag else None,
        "sources": "; ".join(_place(source) for source in sources) or (entry.place if entry else None),
        "file": sources[0].path if sources else entry.bundled if entry else None,
        "bytes": _size(entry),
        "sha256": _sha256(entry),
        "discriminator": "yes" if entry and entry.discriminator else None,
        "license": "; ".join(dict.fromkeys(map(license_of, sources))) or (config.license if entry else None),
    }
    tag = entry.tag if entry else None
    published = [score for score in config.published if score.tag == tag]
    own = [score for score in published if not score.settings]
    others = [score for score in published if REMEASURED_BY in score.settings]
    for metric in METRICS:
        row[f"published {metric}"] = _values(own, metric)
    for metric in METRICS[:2]:
        row[f"re-measured {metric}"] = _values(others, metric)
        row[f"measured {metric}"] = _values(entry.scores if entry else (), metric)
    row["source of scores"] = "; ".join(dict.fromkeys(score.source for score in own if score.metric in METRICS)) or None
    found = entry.alignment if entry else None
    return row | {
        "alignment": found and found.verdict,
        "class accuracy as asked": found and f"{found.accuracy_asked:.3f}",
        "class accuracy as assigned": found and f"{found.accuracy_assigned:.3f}",
    }


def _place(source: Upstream) -> str:
    if source.hub_repo:
        place = f"{source.hub_repo}@{(source.revision or '')[:7]}"
    else:
        place = source.url or source.google_drive_file or source.google_drive_folder
    return f"{source.host}: {place}"


def _size(entry: Weights | None) -> int | None:
    if entry and entry.bundled:
        return weight_files.bundled_path(entry.bundled).stat().st_size
    return entry.upstream.size if entry and entry.upstream else None


def _sha256(entry: Weights | None) -> str | None:
    holders = (entry, entry.upstream, entry.hub) if entry else ()
    return next((holder.sha256 for holder in holders if holder and holder.sha256), None)


def _values(scores: Iterable, metric: str) -> str | None:
    """Return the values of one metric, the first first; several sources give several."""
    return "; ".join(dict.fromkeys(str(score) for score in scores if score.metric == metric)) or None


# ----------------------------------------------------------------------------------------------------------- the page

_HEAD = ["model and tag", "where", "size", "licence", "D", "FID", "IS", "IFID", "re-measured", "measured FID", "labels"]


def _cells(row: Row) -> list[str]:
    name = f"`{row['model']}`" if row["tag"] == _NONE else f"`{row['model']}@{row['tag']}`"
    where = dict.fromkeys(part.partition(":")[0] for part in str(row["sources"] or "").split("; "))
    aligned = row["alignment"] and f"{row['alignment']}, {row['class accuracy as assigned']}"
    size = files.as_size(row["bytes"]) if isinstance(row["bytes"], int) else ""
    values = (
        name + (" *" if row["default"] else ""),
        ", ".join(where) or "does not exist",
        size,
        row["license"],
        row["discriminator"],
        *(row[f"published {metric}"] for metric in ("FID", "IS", "IFID")),
        row["re-measured FID"],
        row["measured FID"],
        aligned,
    )
    return [str(value or "") if i == 0 else markdown(str(value or "")) for i, value in enumerate(values)]
