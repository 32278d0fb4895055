"""Arguments and options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import panels


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
Weights = Annotated[str, typer.Option(help='Tag, .safetensors file, or "random".', rich_help_panel=panels.MODEL)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.", rich_help_panel=panels.COMPUTE)]
Dtype = Annotated[
    str | None, typer.Option(help="float32 (default), bfloat16, float16.", rich_help_panel=panels.COMPUTE)
]
CacheDir = Annotated[
    Path | None,
    typer.Option("--cache-dir", help="Folder of converted weights.", rich_help_panel=panels.COMPUTE),
]
ReplaceReport = Annotated[
    bool, typer.Option("--force", help="Replace an earlier report.", rich_help_panel=panels.OUTPUT)
]
ReportAsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.", rich_help_panel=panels.OUTPUT)]
NoProgress = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.", rich_help_panel=panels.OUTPUT)]
