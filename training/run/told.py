"""What the user said on the command line: the classes to use, and the command itself."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

from zoo.common.errors import ZooError

if TYPE_CHECKING:
    import typer

    from zoo.schema.config import ModelConfig

_OF_ONE_START = {"resume", "dry_run", "preview", "minutes"}  # not part of what a run is


def class_changes(config: ModelConfig, classes: str) -> dict[str, Any]:
    """Return the changes of a config for the value of --classes; raises ZooError if it names none."""
    names = [name.strip() for name in classes.split(",") if name.strip()]
    if not names:
        raise ZooError("--classes names no class; give names of folders, separated by commas")
    changes: dict[str, Any] = {"data.class_names": names}
    if config.conditional:
        changes["generator.num_classes"] = len(names)
        if config.discriminator.num_classes:
            changes["discriminator.num_classes"] = len(names)
    return changes


def as_command(context: typer.Context) -> str:
    """Return the command that was given, as it repeats the run: without what belongs to one start alone."""
    words = ["zoo", "train"]
    for parameter in context.command.params:
        name, value = parameter.name or "", context.params.get(parameter.name or "")
        source = context.get_parameter_source(name)
        if name in _OF_ONE_START or source is None or source.name != "COMMANDLINE":
            continue
        if parameter.param_type_name == "argument":
            words.append(_word(value))
        elif isinstance(value, bool):
            words.append(parameter.opts[-1] if value else parameter.secondary_opts[-1])
        else:
            option = max(parameter.opts, key=len)
            for item in value if isinstance(value, list | tuple) else (value,):
                words += [option, _word(item)]
    return shlex.join(words)


def _word(value: Any) -> str:
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
