"""Arguments that commands share."""

from __future__ import annotations

from typing import Annotated

import typer


def complete_name(incomplete: str) -> list[str]:
    from ..schema import registry

    return [name for name in registry.names() if name.startswith(incomplete.lower())]


Name = Annotated[
    str,
    typer.Argument(
        autocompletion=complete_name,
        help="Model name in any spelling, name@tag, an exported folder, or hf://user/repo.",
    ),
]
