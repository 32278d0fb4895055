"""Read the config files of the package, and resolve `base` in a config.

    {"name": "contragan/mine", "base": "contragan/cifar10", "title": "...", "training": {"batch_size": 256}}

CONTRIBUTING.md has the rules ("Add a model in ten minutes"). `base` exists only in files: it is resolved when a
config is read, so exports, runs, cards and `zoo info --json` spell everything out.
"""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path
from typing import Any

from ..common.errors import ConfigError
from ..common.json_files import read_json, reason
from ..common.package_data import top_folder
from ..common.text import short

_INHERITED = ("generator", "discriminator", "data", "training")
_OF_ONE_RUN = ("as_paper", "notes")  # of `training`; not inherited
_KINDS = ("type", "architecture")  # keys that define the meaning of the other keys of an object

Json = dict[str, Any]


def hub_configs_dir() -> Path:
    """Return the folder of configs: inside the installed package, or beside it in a checkout."""
    return top_folder("hub_configs")


@cache
def paths() -> dict[str, Path]:
    """Return the files of the registry by model name."""
    root = hub_configs_dir()
    found = {f"{path.parent.name}/{path.stem}": path for path in sorted(root.glob("*/*.json"))}
    if not found:
        raise ConfigError(f"no model configs in {root}; install the package again")
    return found


def read(path: str | Path) -> Any:
    """Return the content of a config file with `base` unresolved; raises ConfigError with the file and the reason."""
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {reason(error)}; correct it") from None


def base_of(path: str | Path) -> str | None:
    """Return the base that a config file names; None if it spells everything out."""
    return read(path).get("base")


# ------------------------------------------------------------------------------------------------------- resolving


def resolved(data: Any, origin: str) -> Any:
    """Return a config with its base merged in; data without a base are returned unchanged.

    Args:
        data: parsed JSON; only its base is checked.
        origin: names the config in errors.

    Raises:
        ConfigError: the base is unknown or circular, or null resets a key that the base does not have.
    """
    if not isinstance(data, dict) or "base" not in data:
        return data
    own = {key: value for key, value in data.items() if key not in ("base", *_INHERITED)}
    return own | _without_nulls(_merged(_sections(data), inherited(data["base"], origin), origin))


def inherited(base: Any, origin: str, below: tuple[str, ...] = ()) -> Json:
    """Return the resolved sections that a config inherits from its base; `below` are the bases that led here.

    Raises:
        ConfigError: as in `resolved`.
    """
    _check_base(base, below, origin)
    data = _file(base)
    sections = _sections(data)
    if "base" in data:
        sections = _merged(sections, inherited(data["base"], origin, (*below, base)), str(paths()[base]))
    training = {key: value for key, value in sections["training"].items() if key not in _OF_ONE_RUN}
    return sections | {"training": training}


def _check_base(base: Any, below: tuple[str, ...], origin: str) -> None:
    if not isinstance(base, str):
        raise ConfigError(f"{origin}: base: give the name of a model of the registry, such as contragan/cifar10")
    if base in below:
        raise ConfigError(f"{origin}: base: {' -> '.join((*below, base))} is circular; remove one of these bases")
    if base not in paths():
        close = difflib.get_close_matches(base[:200], paths(), n=2, cutoff=0.6)
        hint = f"did you mean {' or '.join(close)}?" if close else "`zoo list` shows all names"
        raise ConfigError(f"{origin}: base: no model of the registry is called {short(base)}; {hint}")


@cache
def _file(name: str) -> Json:
    data = read(paths()[name])
    if not isinstance(data, dict) or ("base" not in data and not data.keys() >= set(_INHERITED)):
        raise ConfigError(f"{paths()[name]}: a base needs {', '.join(_INHERITED)}, or its own base; correct it")
    return data


def _sections(data: Json) -> Json:
    return {key: data[key] for key in _INHERITED if key in data}


def _merged(own: Json, base: Json, origin: str, where: str = "") -> Json:
    """Merge the keys of a config into its base; `where` is the prefix of field names in errors."""
    merged = dict(base)
    for key, value in own.items():
        if value is None and key not in base:
            raise ConfigError(
                f"{origin}: {where}{key}: null resets a key of the base, but the base does not have this key"
            )
        if value is not None and _of_one_kind(value, base.get(key)):
            merged[key] = _merged(value, base[key], origin, f"{where}{key}.")
        else:
            merged[key] = value
    return merged


def _without_nulls(data: Json) -> Json:
    """Remove null values: null is the default of every key that may be null."""
    return {
        key: _without_nulls(value) if isinstance(value, dict) and key not in _OF_ONE_RUN else value
        for key, value in data.items()
        if value is not None
    }


def _of_one_kind(own: Any, base: Any) -> bool:
    """Return True if two values are merged key by key: objects whose type or architecture, if any, is the same."""
    both = isinstance(own, dict) and isinstance(base, dict)
    return both and all(key not in own or own[key] == base.get(key) for key in _KINDS)


# ------------------------------------------------------------------------------------------------------ differences


def difference(config: Json, base: str) -> Json:
    """Return the config as differences from this base; `resolved` turns them back into an equal config.

    Args:
        config: spelled out, as `ModelConfig.to_dict` returns it.

    Raises:
        ConfigError: as in `resolved`.
    """
    sections = inherited(base, config["name"])
    own = {key: _changes(value, sections[key]) if key in sections else value for key, value in config.items()}
    own = {key: value for key, value in own.items() if value or key not in sections}
    return {"name": own.pop("name"), "base": base, **own}


def _changes(new: Json, old: Json) -> Json:
    if not _of_one_kind(new, old):
        return new
    changes: Json = dict.fromkeys(key for key in old if key not in new)
    for key, value in new.items():
        if key in old and value != old[key]:
            changes[key] = _changes(value, old[key]) if isinstance(value, dict) else value
        elif key not in old and (value or key not in _OF_ONE_RUN):
            changes[key] = value
    return changes
