"""What a shell completes, and options that take one of a few words. A completion downloads nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import typer

from ..common import choices
from ..common.text import short


def among(words: Iterable[str], several: bool = False) -> dict[str, Any]:
    """Return arguments of `typer.Option` for an option that takes one of these words, or several with commas."""
    known = list(words)

    def check(given: str | None) -> str | None:
        for word in (given or "").split(",") if several else [] if given is None else [given]:
            if word.strip() not in known and (word.strip() or not several):
                hint = choices.hint(word.strip(), known, "give one of")
                raise typer.BadParameter(f"{short(word.strip())} is unknown; {hint}")
        return given

    return {"callback": check, "autocompletion": offering(*known)}


def offering(*words: str) -> Callable[[str], list[str]]:
    """Return a completion of these words; with commas, of the last one."""

    def complete(incomplete: str) -> list[str]:
        before, comma, begun = incomplete.rpartition(",")
        return [f"{before}{comma}{word}" for word in words if word.startswith(begun)]

    return complete


device = offering("auto", "cpu", "cuda", "mps")


def model(incomplete: str) -> list[str]:
    """Complete a name of the registry, the tag of one, or a folder that holds a model: a run or an export."""
    from ..schema import registry

    base, at, tag = incomplete.partition("@")
    if at and registry.is_name(base):
        return [f"{base}@{known}" for known in registry.config(base).tags if known.startswith(tag)]
    return [name for name in registry.names() if name.startswith(incomplete.lower())] + folder(incomplete)


def folder(incomplete: str) -> list[str]:
    """Complete the path of a run or of an exported folder, and of folders that hold such."""
    found, start = [], Path(incomplete)
    above, begun = (start, "") if incomplete.endswith("/") else (start.parent, start.name)
    prefix = incomplete[: len(incomplete) - len(begun)]
    try:
        inside = sorted(above.iterdir())
    except OSError:
        return []
    for path in inside:
        if path.name.startswith(begun) and (begun or not path.name.startswith(".")) and path.is_dir():
            if (path / "config.json").is_file():
                found.append(f"{prefix}{path.name}")
            elif any(path.glob("*/config.json")):
                found.append(f"{prefix}{path.name}/")
    return found


def data_set(incomplete: str) -> list[str]:
    from ..datasets.catalogue import CATALOGUE

    return [name for name in CATALOGUE if name.startswith(incomplete.lower())]


def data_set_or_model(incomplete: str) -> list[str]:
    return data_set(incomplete) + model(incomplete)


def cached(incomplete: str) -> list[str]:
    """Complete name@tag of a converted checkpoint."""
    from ..checkpoints import cache

    return [entry.name for entry in cache.entries("*") if entry.name.startswith(incomplete)]


def weights(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete a tag of the model that the command line names."""
    from ..schema import registry

    name = ctx.params.get("name") or next(iter(ctx.args), "")
    tags = registry.config(registry.split_tag(name)[0]).tags if name and registry.is_name(name) else ()
    return [tag for tag in (*tags, "random") if tag.startswith(incomplete)]


def label(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete a class of the model that the command line names: by name, or by index where a name is no word."""
    import zoo

    from ..checkpoints import hub
    from ..schema import labels

    name = ctx.params.get("name") or next(iter(ctx.args), "")  # parsing stops at an option that has no value yet
    if not name or name.startswith(hub.PREFIX):
        return []
    try:
        names = labels.class_names(zoo.info(name))
    except zoo.ZooError:
        return []
    before, comma, begun = incomplete.rpartition(",")
    words = [word if "," not in word and names.count(word) == 1 else str(i) for i, word in enumerate(names)]
    return [f"{before}{comma}{word}" for word in words if word.startswith(begun)]
