"""Which keys an object of a config may have: for the error of one that it may not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import BaseModel


def keys_beside(path: Sequence[str], models: Iterable[type[BaseModel]]) -> list[str]:
    """Return the keys of the object that holds the last one of a path, of all members where it is a union."""
    for key in path[:-1]:
        if not key.isdigit():
            fields = [model.model_fields[key] for model in models if key in model.model_fields]
            models = [inner for field in fields for inner in _models_in(field.annotation)]
    return sorted({name for model in models for name in model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [inner for part in get_args(annotation) for inner in _models_in(part)]
