"""Arguments and options that commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from . import panels


def complete_name(incomplete: str) -> list[str]:
    from ..schema import registry

    return [name for name in registry.names() if name.startswith(incomplete.lower())]


def complete_label(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete a class of the model that the command line names: by name, or by index where a name is no word."""
    import zoo

    from ..checkpoints import hub
    from ..schema import labels

    name = ctx.params.get("name") or next(iter(ctx.args), "")  # parsing stops at an option that has no value yet
    if not name or name.startswith(hub.PREFIX):  # a completion downloads nothing
        return []
    try:
        names = labels.class_names(zoo.info(name))
    except zoo.ZooError:
        return []
    before, comma, begun = incomplete.rpartition(",")
    words = [word if "," not in word and names.count(word) == 1 else str(i) for i, word in enumerate(names)]
    return [f"{before}{comma}{word}" for word in words if word.startswith(begun)]


class LabelKind(str, Enum):
    ALIGNED = "aligned"
    TRAINED = "trained"


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
    str | None,
    typer.Option(help="float32 (default), tf32, bfloat16 (bf16) or float16 (fp16).", rich_help_panel=panels.COMPUTE),
]
Labels = Annotated[
    LabelKind,
    typer.Option(
        help='"aligned": --label names a class, drawn by the label that `zoo align` found for it. "trained": '
        "--label names a label of the generator's training.",
        rich_help_panel=panels.IMAGES,
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option("--cache-dir", help="Folder of converted weights.", rich_help_panel=panels.COMPUTE),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.", rich_help_panel=panels.OUTPUT)]
ReplaceReport = Annotated[
    bool, typer.Option("--force", help="Replace an earlier report.", rich_help_panel=panels.OUTPUT)
]
ReportAsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.", rich_help_panel=panels.OUTPUT)]
NoProgress = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.", rich_help_panel=panels.OUTPUT)]
