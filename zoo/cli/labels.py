"""`zoo labels`: list the classes of a model."""

from __future__ import annotations

import json
import sys
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.errors import ZooError
from ..common.text import plain, visible
from .arguments import Name
from .printing import say, show

if TYPE_CHECKING:
    from ..schema.config import ModelConfig
    from ..schema.label_alignment import LabelAlignment


def labels_command(
    name: Name,
    find: Annotated[
        str | None, typer.Option("--find", "-f", help="List only classes whose name or WordNet id contains this.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """List the classes of a model: index, name, WordNet id, and the label that draws each.

    zoo labels contragan/tiny-imagenet --find fish

    `zoo sample --label` takes the index, the name or the id of a class. The label is that of the generator's training;
    it is shown where `zoo align` has measured the model.
    """
    import zoo

    config = zoo.info(name)
    if not config.conditional:
        about = f"{config.name} is unconditional: it has no classes, and draws images without a label"
        say(about, to_stderr=as_json)
        return
    alignment = _alignment(name, config)
    rows = [row for row in _rows(config, alignment) if find is None or _fits(row, find)]
    if not rows:
        raise ZooError(f"no class of {config.name} contains {find!r}; `zoo labels {quote(name)}` lists all")
    if as_json:
        for row in rows:
            print(json.dumps(row))
    elif sys.stdout.isatty():
        _print_table(rows, config, name, alignment)
    else:
        for row in rows:
            print("\t".join(visible(str(value)) for value in row.values() if value is not None))


def _alignment(name: str, config: ModelConfig) -> LabelAlignment | None:
    """Return the alignment of the weights that `zoo sample` would use; nothing is fetched."""
    from ..checkpoints import alignments, weights
    from ..schema import registry
    from .info import of_folder

    if found := of_folder(name):
        return found[1]
    tag = registry.split_tag(name)[1]
    if tag == "default" and not config.weights:
        return None
    return alignments.of_tag(config, weights.entry(config, tag).tag)


def _rows(config: ModelConfig, alignment: LabelAlignment | None) -> list[dict[str, Any]]:
    from ..schema import labels

    names, ids = labels.class_names(config), labels.class_ids(config)
    return [
        {
            "index": i,
            "name": name,
            "id": ids[i] if len(ids) == len(names) else None,
            "label": alignment.label_of[i] if alignment else None,
        }
        for i, name in enumerate(names)
    ]


def _fits(row: dict[str, Any], text: str) -> bool:
    from ..schema.labels import plain as letters

    return letters(text) in letters(row["name"]) or text.strip().lower() == row["id"]


def _print_table(rows: list[dict], config: ModelConfig, name: str, alignment: LabelAlignment | None) -> None:
    from ..common.tables import columns
    from .describe import labels_of

    titles = {"index": "index", "name": "name", "id": "WordNet id", "label": "drawn by label"}
    shown = [key for key in titles if rows[0][key] is not None]
    table = columns(*(titles[key] for key in shown), right=(titles["index"], titles["label"]))
    for row in rows:
        table.add_row(*(plain(str(row[key])) for key in shown))
    show(table, plain(labels_of(config, name, alignment), style="dim"))
