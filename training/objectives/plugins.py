"""A user's own losses: registered by name in a file that the run executes, chosen by name in a config."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

from pydantic import JsonValue

from zoo.common.errors import ConfigError

from .term import Term

_HOOKS = ("discriminator_loss", "generator_loss", "augment", "after_discriminator_step", "start")
_factories: dict[str, Callable[..., Term]] = {}


def register(name: str) -> Callable:
    """Decorate a function of keyword arguments, or a class, that makes a `Term`; configs choose it by this name.

    A name that is registered again replaces the older entry.
    """

    def remember(factory: Callable[..., Term]) -> Callable[..., Term]:
        _factories[name] = factory
        return factory

    return remember


def load_plugin(path: str | Path) -> None:
    """Execute a user's Python file, which registers its terms.

    Raises:
        ConfigError: the file does not exist, or running it fails.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{path}: the file does not exist; give --plugin a Python file that registers terms")
    try:
        runpy.run_path(str(path))
    except Exception as error:
        raise ConfigError(f"{path}: {type(error).__name__}: {error}; correct it and try again") from error


def make(name: str, arguments: dict[str, JsonValue]) -> Term:
    """Build the term of a config's custom part; raises ConfigError for an unknown name or wrong arguments."""
    if name not in _factories:
        known = ", ".join(sorted(_factories)) or "none"
        raise ConfigError(
            f'no term is registered as "{name}" (registered: {known}); name the file that registers it with --plugin'
        )
    try:
        term = _factories[name](**arguments)
    except TypeError as error:
        raise ConfigError(f'the term "{name}" does not take these arguments ({error}); see the plugin') from error
    if not isinstance(term, Term):
        raise ConfigError(f'"{name}" made a {type(term).__name__}, not a Term; derive it from training.objectives.Term')
    if not any(getattr(type(term), hook) is not getattr(Term, hook) for hook in _HOOKS):
        raise ConfigError(f'the term "{name}" would change nothing; give it one of the methods {", ".join(_HOOKS)}')
    if not hasattr(term, "name"):
        term.name = name
    return term
