"""Commands that installed packages add to `zoo`, by entry points of the group `zoo.commands`.

    [project.entry-points."zoo.commands"]
    train = "training.command:train"

The object is a function for typer, or a Typer with several commands. Its module is imported when the command is called.
Until then, `zoo --help` shows the first line of the module's docstring, in the panel that the module names with
`HELP_PANEL = "Train"` (a literal string), else in the panel "Commands".
"""

from __future__ import annotations

import ast
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand

from ..common.errors import UsageError, ZooError
from . import pages, panels

GROUP = "zoo.commands"


class Commands(pages.Group):
    """The commands of this package and those of other installed packages, ordered by panel."""

    def list_commands(self, ctx) -> list[str]:
        self._announce()
        return sorted(super().list_commands(ctx), key=self._panel_number)

    def _panel_number(self, name: str) -> int:
        panel = getattr(self.commands[name], "rich_help_panel", None)
        return panels.COMMANDS.index(panel) if panel in panels.COMMANDS else len(panels.COMMANDS)

    def get_command(self, ctx, cmd_name: str):
        if cmd_name not in self.commands:
            self._announce()
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx, args):
        if self.get_command(ctx, args[0]) is None and not entry_points(group=GROUP):
            raise UsageError(f"no command {args[0]!r}; if another package adds it, install that package again")
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load(self.rich_markup_mode) if isinstance(command, Announced) else command, rest

    def _announce(self) -> None:
        for entry in entry_points(group=GROUP):
            self.commands.setdefault(entry.name, Announced(entry))


class Announced(TyperCommand):
    """A command of which only the name, a line of help and the panel are known yet."""

    def __init__(self, entry: EntryPoint):
        about = _about(entry.module)
        super().__init__(entry.name, help=about.summary, rich_help_panel=about.panel)
        self.entry = entry

    def load(self, markup: Any = None) -> Any:
        """Import the command, for pages in this markup; raises ZooError where something else hides its package."""
        if _find(self.entry.module) is None:
            raise ZooError(_hidden(self.entry))
        found, group = self.entry.load(), typer.Typer(rich_markup_mode=markup)
        if isinstance(found, typer.Typer):
            group.add_typer(found, name=self.entry.name)
        else:
            group.command(self.entry.name)(found)
        return typer.main.get_group(group).commands[self.entry.name]


def _find(module: str) -> ModuleSpec | None:
    """Find a module without importing its packages."""
    parent, _, _ = module.rpartition(".")
    if not parent:
        return find_spec(module)
    package = _find(parent)
    if package is None or package.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(module, package.submodule_search_locations)


class About(NamedTuple):
    """What the source of a module says about its command."""

    summary: str = ""
    panel: str | None = None


def _about(module: str) -> About:
    """Read the first line of a module's docstring and its HELP_PANEL; the module is not imported."""
    spec = _find(module)
    loader = spec.loader if spec else None
    source = loader.get_source(module) if isinstance(loader, InspectLoader) else None
    tree = ast.parse(source or "")
    return About((ast.get_docstring(tree) or "").partition("\n")[0], _help_panel(tree))


def _help_panel(tree: ast.Module) -> str | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "HELP_PANEL" for target in node.targets):
            return str(ast.literal_eval(node.value))
    return None


def _hidden(entry: EntryPoint) -> str:
    """Say what was found in place of the package of a command."""
    package = entry.module.partition(".")[0]
    spec = _find(package)
    if spec is None:
        return f"the package {package}, which adds the command {entry.name}, is missing; install it again"
    place = next(iter(spec.submodule_search_locations or [spec.origin]))
    return f"{place} hides the package {package}, which adds the command {entry.name}; work in another folder"
