"""Commands that installed packages add to `zoo`, by entry points of the group `zoo.commands`.

    [project.entry-points."zoo.commands"]
    train = "training.command:train"

The object is a function, as typer takes one, or a Typer of several commands. Its module is imported when the command is
called; until then the first line of the module's docstring stands for it.
"""

from __future__ import annotations

import ast
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from ..common.errors import ZooError

GROUP = "zoo.commands"


class Commands(TyperGroup):
    """The commands of this package, and those that are installed beside them."""

    def list_commands(self, ctx) -> list[str]:
        self._announce()
        return super().list_commands(ctx)

    def get_command(self, ctx, cmd_name: str):
        if cmd_name not in self.commands:
            self._announce()
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx, args):
        if self.get_command(ctx, args[0]) is None and not entry_points(group=GROUP):
            raise ZooError(f"no command {args[0]!r}; if it is one of an installed package, install that package again")
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Announced) else command, rest

    def _announce(self) -> None:
        for entry in entry_points(group=GROUP):
            self.commands.setdefault(entry.name, Announced(entry))


class Announced(TyperCommand):
    """A command of which nothing but the name and a line of help is known yet."""

    def __init__(self, entry: EntryPoint):
        super().__init__(entry.name, help=_summary(entry.module))
        self.entry = entry

    def load(self) -> Any:
        """The command itself; raises ZooError where something else is found by the name of its package."""
        if _find(self.entry.module) is None:
            raise ZooError(_hidden(self.entry))
        found, group = self.entry.load(), typer.Typer()
        if isinstance(found, typer.Typer):
            group.add_typer(found, name=self.entry.name)
        else:
            group.command(self.entry.name)(found)
        return typer.main.get_group(group).commands[self.entry.name]


def _find(module: str) -> ModuleSpec | None:
    """Where a module is, without importing the packages that it is in."""
    parent, _, _ = module.rpartition(".")
    if not parent:
        return find_spec(module)
    package = _find(parent)
    if package is None or package.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(module, package.submodule_search_locations)


def _summary(module: str) -> str:
    """The first line of a module's docstring; the module is not imported."""
    spec = _find(module)
    loader = spec.loader if spec else None
    source = loader.get_source(module) if isinstance(loader, InspectLoader) else None
    return ((source and ast.get_docstring(ast.parse(source))) or "").partition("\n")[0]


def _hidden(entry: EntryPoint) -> str:
    """What is found in place of the package of a command."""
    package = entry.module.partition(".")[0]
    spec = _find(package)
    if spec is None:
        return f"the package {package}, which has the command {entry.name}, is not there; install it again"
    place = next(iter(spec.submodule_search_locations or [spec.origin]))
    return f"{place} hides the package {package}, which has the command {entry.name}; work in another folder"
