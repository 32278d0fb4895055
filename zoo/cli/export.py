"""`zoo export`: write a model as a folder, or as one graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import completion, places
from .arguments import Name
from .publish import HALVES


def export(
    name: Name,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder or file; default: NAME-export in this folder.")
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            **completion.among(("folder", "onnx", "torchscript")),
            help="folder (config, safetensors, card), onnx or torchscript.",
        ),
    ] = "folder",
    dtype: Annotated[
        str,
        typer.Option(
            **completion.among(HALVES), help="Precision of a folder: float32, or float16 (fp16) for half the size."
        ),
    ] = "float32",
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Write a model for use elsewhere: a folder for `zoo.load`, or a graph that needs no Python.

    zoo export contragan/digits --format onnx -o digits.onnx
    """
    import zoo

    from ..release.onnx import FORMATS, export_graph

    stem = f"{zoo.info(name).slug}-export"
    if format == "folder":
        _refuse_graph(out, FORMATS)
        from ..release.export import export_folder

        print(export_folder(name, out or Path(stem), dtype=dtype, force=force))
        return
    if dtype != "float32":
        raise typer.BadParameter(f"{format} graphs compute in float32; leave {dtype} out", param_hint="--dtype")
    print(export_graph(name, out or Path(f"{stem}{FORMATS[format][0]}"), format, force=force))


def _refuse_graph(out: Path | None, graphs: dict[str, tuple[str, ...]]) -> None:
    """Refuse the name of a file for a folder; for that of a graph, the message says how to get one."""
    for graph, suffixes in graphs.items():
        if out is not None and out.suffix.lower() in suffixes and not out.is_dir():
            raise typer.BadParameter(
                f"{out} is the name of a {graph} graph, and what is written is a folder; give --format {graph}",
                param_hint="--out",
            )
    places.folder(out)
