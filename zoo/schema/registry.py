"""Resolve names to configs: a name in any spelling, a tag (`name@tag`), or a user's own model.

Two spellings are the same name if they agree without case and punctuation: `ContraGAN-TinyImageNet` is
`contragan/tiny-imagenet`. Only the requested config is read. A registered name is that model, whatever the working
directory holds: a folder of the same name is written `./name`.
"""

from __future__ import annotations

import difflib
import fnmatch
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from shlex import quote
from typing import Any

from ..common.errors import ConfigError, UnknownModelError, UsageError, ZooError
from ..common.text import short
from . import config_files, tags
from .config import ModelConfig
from .labels import plain

_registered: dict[str, ModelConfig] = {}  # a user's models by name
_LONGEST_NAME = 200  # characters; the longest name in the registry has 40
_announced_names: set[str] = set()  # names for which the note about a folder was printed


@cache
def _builtin(name: str) -> ModelConfig:
    config = ModelConfig.from_file(config_files.paths()[name])
    if config.name != name:
        raise ConfigError(
            f"{config_files.paths()[name]}: name is {config.name}, but the file is that of {name}; correct it"
        )
    return config


def names() -> list[str]:
    """Return all model names, sorted."""
    return sorted({*config_files.paths(), *_registered})


def split_tag(name: str) -> tuple[str, str]:
    """Split "name@tag" into name and tag; without @ the tag is "default"."""
    if len(name) > _LONGEST_NAME:
        raise UnknownModelError(f"no model has a name of {len(name):,d} characters; `zoo list` shows all names")
    base, at, tag = name.partition("@")
    if at and not tag:
        raise UnknownModelError(
            f'"{name}" ends in @ without a tag; write {base} or {base}@TAG (zoo info {base} lists them)'
        )
    return base, tag or "default"


def resolve(name: str) -> str:
    """Return the canonical name for any spelling (without tag).

    Raises:
        UnknownModelError: no model has this name; the message names the nearest.
    """
    if not isinstance(name, str):
        raise UnknownModelError(f"a model is named by a string such as contragan/cifar10, not by {_kind_of(name)}")
    if len(name) > _LONGEST_NAME:
        raise UnknownModelError(f"no model has a name of {len(name):,d} characters; `zoo list` shows all names")
    if "://" in name:
        raise UnknownModelError(
            f"{short(name)} is not the name of a model of the registry; give one such as contragan/digits, or, where "
            f"folders are taken too, hf://user/repo"
        )
    if _is_path(name):
        raise UnknownModelError(
            _of_path(name) or f"there is no folder {name!r} with a model; check the path, or give the name of a model"
        )
    wanted = plain(name)
    known = {plain(known): known for known in names()}
    if wanted in known:
        return known[wanted]
    if not wanted:
        raise UnknownModelError(f"{name!r} names no model; give a name such as contragan/digits (`zoo list` shows all)")
    close = [known[key] for key in _nearest(wanted, known)]
    shown = name if name.isprintable() else repr(name)[1:-1]
    if close:
        raise UnknownModelError(f'no model is called "{shown}"; did you mean {" or ".join(close)}?')
    raise UnknownModelError(
        _of_path(name)
        or f'no model is called "{shown}", and no folder of this name here holds one; `zoo list` shows all names'
    )


def _of_path(name: str) -> str | None:
    """Return what to say of a path where only the name of a model will do; None if nothing is there."""
    with suppress(OSError):  # the text is too long for a path
        if Path(name).is_dir():
            return f"{short(name)} is a folder, not a model of the registry; give the name of a model"
        if Path(name).is_file():
            return f"{short(name)} is a file, not a model; give a name, a folder, or a file by the option for it"
    return None


def _nearest(wanted: str, known: dict[str, str]) -> list[str]:
    """Return up to three keys: first those with exactly this method or data set, then the most similar ones."""
    of_half = [key for key, name in known.items() if wanted in map(plain, name.split("/"))]
    if of_half:
        return sorted(of_half, key=lambda key: (len(key), key))[:3]
    return difflib.get_close_matches(wanted, known, n=3, cutoff=0.6)


def is_name(text: str) -> bool:
    """Return True if a text, with or without a tag, names a model."""
    try:
        resolve(split_tag(text)[0])
    except ZooError:
        return False
    return True


def folder_of(name_or_folder: str | os.PathLike) -> Path | None:
    """Return the folder that is meant; None for the name of a model, or if there is no such folder.

    A folder with the name of a registered model needs `./name` or a Path; if both exist, a note is printed once.
    """
    if not isinstance(name_or_folder, (str, os.PathLike)):
        raise UnknownModelError(
            f"a model is named by a string such as contragan/cifar10, not by {_kind_of(name_or_folder)}"
        )
    folder, text = Path(name_or_folder), os.fspath(name_or_folder)
    try:
        if not text or not folder.is_dir():
            return None
    except OSError:  # the text is too long for a path
        return None
    if not isinstance(name_or_folder, str) or _is_path(text) or not is_name(text):
        return folder
    if text not in _announced_names:
        _announced_names.add(text)
        model = resolve(split_tag(text)[0])
        print(f"zoo: {text} is read as the name of the model {model}; the folder is ./{text}", file=sys.stderr)
    return None


def argument_for(folder: str | os.PathLike) -> str:
    """Return how a folder is written as an argument that may also be a name."""
    text = os.fspath(folder)
    return f"./{text}" if is_name(text) else text


def refuse_unknown(pattern: str) -> None:
    """Raise as `config` does for a pattern that fits nothing and has no wildcard: it is a name, or `name@tag`."""
    if not any(mark in pattern for mark in "*?["):
        config(pattern)


def fitting(pattern: str) -> list[str]:
    """Return the names that fit a glob, ignoring case, sorted."""
    return [name for name in names() if fnmatch.fnmatch(name, pattern.lower())]


def nothing_fits(pattern: str) -> str:
    """Return what to say of a pattern that no name fits, with the nearest pattern that some do."""
    words = sorted({word for name in names() for word in name.split("/")})
    near = [pattern.replace(word, close) for word, close in _closest(re.findall(r"[\w.-]+", pattern), words)]
    tried = next((p for text in (pattern, *near) for p in (text, f"*{text.strip('*')}*") if fitting(p)), None)
    hint = f"did you mean {quote(tried)}?" if tried else "`zoo list --all` shows all models"
    return f"no model fits {short(pattern)}; {hint}"


def _closest(words: list[str], known: list[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        for close in difflib.get_close_matches(word[:200].lower(), known, n=1):
            yield word, close


def _kind_of(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _is_path(text: str) -> bool:
    """Return True if a text can only be a path."""
    return text.startswith((".", "/", "~")) or text.endswith("/") or Path(text).is_absolute()


def exported(name_or_folder: str | os.PathLike) -> ModelConfig | None:
    """Return the config of an exported folder; None if this is not a folder with a config.json."""
    folder = folder_of(name_or_folder)
    path = folder / "config.json" if folder else None
    return ModelConfig.from_file(path) if path and path.is_file() else None


def config(name: str) -> ModelConfig:
    """Return the config of a model, by name in any spelling, with or without the tag of one of its weights.

    Raises:
        UnknownModelError: no model has this name.
        UnknownTagError: it has no weights with this tag.
    """
    base, tag = split_tag(name)
    canonical = resolve(base)
    found = _registered.get(canonical) or _builtin(canonical)
    if tag != "default":
        tags.entry(found, tag)
    return found


def recipe_of(name: str) -> ModelConfig:
    """Return the config of a model that is to be trained; raises UsageError for a tag, as weights have no recipe."""
    found, (base, tag) = config(name), split_tag(name)
    if tag != "default":
        raise UsageError(
            f"{name} names weights, and training starts from none: write {base}, or zoo train {base} --from {name} to "
            f"begin with these"
        )
    return found


def register(path_or_config: str | os.PathLike | ModelConfig, replace: bool = False) -> str:
    """Add a user's own model for this process; returns its name.

    Args:
        path_or_config: a config file, an exported folder with a config.json, or a ModelConfig.
        replace: allow an existing name.

    Raises:
        ConfigError: the config is refused.
        ZooError: a model already has this name, in this or another spelling.
    """
    if isinstance(path_or_config, ModelConfig):
        new = path_or_config
    else:
        path = Path(path_or_config)
        new = ModelConfig.from_file(path / "config.json" if path.is_dir() else path)
    taken = {plain(name): name for name in names()}.get(plain(new.name))
    if taken and not replace:
        raise ZooError(f"a model named {taken} exists; give another name, or replace=True")
    if taken and taken != new.name:
        _registered.pop(taken, None)
    _registered[new.name] = new
    return new.name
