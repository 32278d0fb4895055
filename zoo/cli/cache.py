"""`zoo cache`: list, verify and clear the converted checkpoints on this machine."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from . import completion
from .pages import Group
from .printing import say

app = typer.Typer(
    cls=Group, no_args_is_help=True, help="List, verify and clear the converted checkpoints on this machine."
)

Pattern = Annotated[
    str,
    typer.Argument(
        autocompletion=completion.cached, help='Name in any spelling, name@tag, or a glob such as "sngan/*".'
    ),
]


@app.command("path")
def path_command() -> None:
    """Print the folder of the cache: $ZOO_CACHE, or ~/.cache/contrastive-gan-zoo.

    zoo cache path
    """
    from ..common.cache_roots import cache_root

    print(cache_root())


@app.command("list")
def list_command(
    pattern: Pattern = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """List converted checkpoints: size, sha256, and where the original came from.

    zoo cache list "sngan/*"
    """
    from dataclasses import asdict

    from ..checkpoints import cache
    from ..common.files import as_size

    entries = cache.entries(pattern)
    if not entries:
        _say_empty(pattern)
    for entry in entries:
        record = entry.record
        if as_json:
            facts = {"name": entry.name, "path": str(entry.path), "size": entry.size}
            print(json.dumps(facts | (asdict(record) if record else {})))
        else:
            origin = f"{record.sha256[:12]}  from {record.original}" if record else "no checksum on record"
            say(f"{entry.name:40s} {as_size(entry.size):>9s}  {origin}")


@app.command("verify")
def verify_command(pattern: Pattern = "*") -> None:
    """Compare every converted checkpoint with its recorded sha256; exit status 1 if one is damaged.

    zoo cache verify
    """
    from ..checkpoints import cache
    from ..common.errors import WeightsCorruptedError

    damaged, entries = [], cache.entries(pattern)
    if not entries:
        _say_empty(pattern)
    for entry in entries:
        problem = entry.problem()
        say(f"{entry.name}: {problem or 'intact'}")
        if problem and entry.record:
            damaged.append(entry.name)
    if damaged:
        raise WeightsCorruptedError(
            f"{', '.join(damaged)} damaged; remove with: zoo cache clear NAME@TAG; the next load converts again"
        )


@app.command("clear")
def clear_command(
    pattern: Pattern = "*",
    forget: Annotated[
        bool, typer.Option("--forget", help="Also forget each sha256, so that the next download may be another file.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
) -> None:
    """Remove converted checkpoints and partial downloads.

    zoo cache clear sngan/cifar10@mimicry
    """
    from ..checkpoints import cache
    from ..common.files import as_size

    entries = cache.entries(pattern)
    found = [entry for entry in entries if entry.record]
    if found and not yes:
        total = as_size(sum(entry.size for entry in found))
        typer.confirm(f"Remove {', '.join(entry.name for entry in found)} ({total})?", abort=True)
    for entry in cache.clear(pattern, forget=forget):
        say(f"removed {entry.path}")
    for entry in entries:
        if not entry.record:
            say(f"left {entry.path}: it was copied there by hand; remove it by hand")
    if not entries:
        _say_empty(pattern)


def _say_empty(pattern: str) -> None:
    """Say on standard error that there is nothing, so that a pipe stays empty; raise for a name that no model has."""
    from ..checkpoints import cache
    from ..common.cache_roots import cache_root
    from ..common.text import visible
    from ..schema import registry

    registry.refuse_unknown(pattern.removesuffix(cache.DISCRIMINATOR))
    what = "no converted checkpoint" if pattern == "*" else f"no converted checkpoint fits {visible(pattern)}"
    say(f"zoo: {what} in {cache_root()}", to_stderr=True)
