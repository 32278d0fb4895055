"""`zoo demo`: the web demo."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from . import panels
from .printing import say


def demo(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on, such as 0.0.0.0; default: this machine only.", rich_help_panel=panels.SERVER
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port to listen on; default: the first free port from 7860.",
            rich_help_panel=panels.SERVER,
        ),
    ] = None,
    share: Annotated[
        bool,
        typer.Option("--share", help="Also open a public address through gradio.live.", rich_help_panel=panels.SERVER),
    ] = False,
    root_path: Annotated[
        str | None,
        typer.Option(help="Path at which a proxy serves the demo, such as /zoo.", rich_help_panel=panels.SERVER),
    ] = None,
    downloads: Annotated[
        bool | None,
        typer.Option(
            "--downloads/--no-downloads",
            help="Let visitors download published weights. Default: if the demo listens on this machine alone.",
            rich_help_panel=panels.SERVER,
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(help="auto (all CUDA devices, else the CPU), cpu, cuda:1, mps.", rich_help_panel=panels.COMPUTE),
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; default: all cores but one.", rich_help_panel=panels.COMPUTE)
    ] = None,
    max_images: Annotated[int, typer.Option(min=1, help="Images per request.", rich_help_panel=panels.LIMITS)] = 256,
    max_steps: Annotated[
        int, typer.Option(min=2, help="Images per interpolation.", rich_help_panel=panels.LIMITS)
    ] = 64,
    max_seconds: Annotated[
        float,
        typer.Option(min=1, metavar="SECONDS", help="Computing per request.", rich_help_panel=panels.LIMITS),
    ] = 60,
    max_models: Annotated[
        int, typer.Option(min=1, help="Models in memory per device.", rich_help_panel=panels.LIMITS)
    ] = 4,
    max_waiting: Annotated[
        int, typer.Option(min=1, help="Requests that wait for a device.", rich_help_panel=panels.LIMITS)
    ] = 64,
    max_evaluation_images: Annotated[
        int, typer.Option(min=2, help="Generated images per evaluation.", rich_help_panel=panels.LIMITS)
    ] = 2000,
    max_evaluation_seconds: Annotated[
        float,
        typer.Option(min=1, metavar="SECONDS", help="Computing per evaluation.", rich_help_panel=panels.LIMITS),
    ] = 900,
    max_connections: Annotated[
        int,
        typer.Option(
            min=1,
            help="Open connections per address, at most half of all; the oldest are closed.",
            rich_help_panel=panels.LIMITS,
        ),
    ] = 128,
    max_megabytes: Annotated[
        int,
        typer.Option(
            min=1, help="Megabytes of result files to keep; the oldest are removed.", rich_help_panel=panels.LIMITS
        ),
    ] = 1000,
    proxies: Annotated[
        str | None,
        typer.Option(
            help="Reverse proxies in front of the demo: addresses or networks, separated by commas, or *. Their "
            "X-Forwarded-For names the client of a request. Default: $FORWARDED_ALLOW_IPS, else this machine; on a "
            "Space, its private network.",
            rich_help_panel=panels.SERVER,
        ),
    ] = None,
) -> None:
    """Open the web demo: sample, explore, compare and evaluate models in a browser.

    zoo demo --host 0.0.0.0 --port 7860
    """
    if sys.stderr.isatty():
        say("starting the demo, which takes some seconds ...", to_stderr=True)
    from ..demo import Settings, serve

    settings = Settings(
        max_images=max_images,
        max_steps=max_steps,
        max_seconds=max_seconds,
        max_models=max_models,
        max_waiting=max_waiting,
        max_evaluation_images=max_evaluation_images,
        max_evaluation_seconds=max_evaluation_seconds,
        max_connections=max_connections,
        max_megabytes=max_megabytes,
        proxies=proxies,
        downloads=downloads,
        device=device,
        threads=threads,
    )
    serve(settings, host=host, port=port, share=share, root_path=root_path)
