"""Deep links: the state of the page as a query that restores it: `?model=contragan/digits&seed=7&label=3`."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from ..common.errors import ZooError
from ..schema.config import ModelConfig
from . import validation
from .settings import Settings
from .validation import Sample

TABS = (
    "models", "sample", "explore", "labels", "discriminator", "training", "nearest", "compare", "evaluate", "about",
)  # fmt: skip
OF_PICTURES = {"model", "n", "seed", "label", "truncation", "columns"}  # the keys that say what is shown
_LONGEST = 2000


@dataclass(frozen=True)
class View:
    """The values of a link; None where it leaves the choice to the page."""

    model: str | None = None
    config: ModelConfig | None = None
    tab: str | None = None  # None: pictures for a link to pictures, else the models
    n: int | None = None
    seed: int | None = None
    label: tuple[int, ...] | str | None = None
    truncation: float | None = None
    columns: int | None = None


def parse(query: Mapping[str, str], settings: Settings) -> tuple[View, list[str]]:
    """Parse a query to a view and a line per refused value: a link that is partly wrong shows the rest."""
    view, problems = View(), []
    if sum(len(key) + len(value) for key, value in query.items()) > _LONGEST:
        return view, ["the link is too long and was ignored; use a shorter one"]

    def label(text: str) -> dict[str, Any]:
        return {"label": _classes(view.config, text, settings)} if view.config else {}

    readers = {
        "model": lambda text: dict(zip(("config", "model"), validation.model(text), strict=True)),
        "tab": lambda text: {"tab": validation.choice("tab", text, TABS)},
        "n": lambda text: {"n": validation.count("n", _number(text), 1, settings.max_images)},
        "seed": lambda text: {"seed": validation.seed(_number(text))},
        "truncation": lambda text: {"truncation": validation.truncation(_number(text))},
        "columns": lambda text: {"columns": validation.count("columns", _number(text), 1, settings.max_images)},
        "label": label,  # after the model, whose classes it names
    }
    for key, read in readers.items():
        try:
            view = replace(view, **read(query[key])) if query.get(key) else view
        except ZooError as error:
            problems.append(str(error))
    return view, problems


def query(request: Sample, columns: int | None = None, tab: str = "sample") -> str:
    """Return the query that restores a request."""
    pairs: dict[str, Any] = {"model": request.model, "n": request.n, "seed": request.seed}
    if request.classes is not None:
        pairs["label"] = ",".join(request.words)
    if request.truncation is not None:
        pairs["truncation"] = f"{request.truncation:g}"
    if columns:
        pairs["columns"] = columns
    if tab != "sample":
        pairs["tab"] = tab
    return "?" + urlencode(pairs, safe="/@,")


def _classes(config: ModelConfig, text: str, settings: Settings):
    """Parse one class, or several with commas; a name may contain a comma, so the whole text is tried first."""
    try:
        return validation.classes(config, text, settings.max_images)
    except ZooError:
        words = [word for word in text.split(",") if word.strip()]
        if len(words) < 2:
            raise
        return validation.classes(config, words, settings.max_images)


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def to_tab(names: Sequence[str], tab: str) -> str:
    """Return links to a tab with each of the models, as HTML."""
    queries = [(urlencode({"model": name, "tab": tab}, safe="/"), html.escape(name)) for name in names]
    return ", ".join(f'<a href="?{html.escape(query)}">{name}</a>' for query, name in queries)
