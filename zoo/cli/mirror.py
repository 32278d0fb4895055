"""`zoo mirror`: write a folder of converted weights that other machines load from."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from . import places
from .printing import say


def mirror_command(
    folder: Annotated[Path, typer.Argument(callback=places.folder, help="New folder, or a mirror to be continued.")],
    names: Annotated[
        list[str] | None, typer.Argument(help='Names, name@tag, or globs such as "sngan/*"; default: all weights here.')
    ] = None,
) -> None:
    """Write a mirror: the weights that are bundled or in the cache, with a manifest of checksums and licences.

    Others load from it with ZOO_MIRROR=FOLDER, or, if a web server offers the folder, with ZOO_MIRROR=https://...

    zoo mirror /shared/zoo "contragan/*"
    """
    from ..checkpoints import mirror
    from ..common.files import as_size
    from ..schema.licenses import is_noncommercial

    wanted = mirror.items(names or ())
    for entry, was_there in mirror.write(folder, wanted):
        terms = entry.license + (", no commercial use" if is_noncommercial(entry.license) else "")
        say(f"{entry.name}@{entry.tag}  {as_size(entry.size)}  {terms}{'  (there already)' if was_there else ''}")
    count = "one file" if len(wanted) == 1 else f"{len(wanted)} files"
    say(f"{folder}: {count}; use it with ZOO_MIRROR={quote(str(folder.resolve()))}")
