"""Arguments and options that commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from . import completion, panels


def _check_dtype(given: str | None) -> str | None:
    from ..common import dtypes
    from ..common.errors import ZooError

    try:
        dtypes.named(given)
    except ZooError as error:
        raise typer.BadParameter(str(error)) from None
    return given


class LabelKind(str, Enum):
    ALIGNED = "aligned"
    TRAINED = "trained"


Name = Annotated[
    str,
    typer.Argument(
        autocompletion=completion.model,
        help="Model name in any spelling, name@tag, an exported folder, or hf://user/repo.",
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        autocompletion=completion.weights, help='Tag, .safetensors file, or "random".', rich_help_panel=panels.MODEL
    ),
]
Device = Annotated[
    str,
    typer.Option(
        autocompletion=completion.device, help="auto, cpu, cuda, cuda:1, mps.", rich_help_panel=panels.COMPUTE
    ),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        autocompletion=completion.offering("float32", "tf32", "bfloat16", "float16"),
        callback=_check_dtype,
        help="float32 (default), tf32, bfloat16 (bf16) or float16 (fp16).",
        rich_help_panel=panels.COMPUTE,
    ),
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
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
NoProgress = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.", rich_help_panel=panels.OUTPUT)]
