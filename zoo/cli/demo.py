"""`zoo demo`: the web demo."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, such as 0.0.0.0; default: this machine alone.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Default: the first free one from 7860.")] = None,
    share: Annotated[bool, typer.Option("--share", help="Also a public address, through gradio.live.")] = False,
    root_path: Annotated[str | None, typer.Option(help="The path at which a proxy serves it, such as /zoo.")] = None,
    device: Annotated[str, typer.Option(help="auto (all CUDA devices, else the CPU), cpu, cuda:1, mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores but one.")] = None,
    max_images: Annotated[int, typer.Option(min=1, help="Images a request.")] = 256,
    max_steps: Annotated[int, typer.Option(min=2, help="Images an interpolation.")] = 64,
    max_seconds: Annotated[float, typer.Option(min=1, help="A request may compute.")] = 60,
    max_models: Annotated[int, typer.Option(min=1, help="Models kept in memory on each device.")] = 4,
    max_waiting: Annotated[int, typer.Option(min=1, help="Requests that wait for a device.")] = 64,
    max_evaluation_images: Annotated[int, typer.Option(min=2, help="Generated images an evaluation.")] = 2000,
    max_evaluation_seconds: Annotated[float, typer.Option(min=1, help="An evaluation may compute.")] = 900,
    max_connections: Annotated[
        int, typer.Option(min=1, help="Connections of one address at once, half of all at most; the oldest go.")
    ] = 128,
    max_megabytes: Annotated[int, typer.Option(min=1, help="Files of results that are kept; the oldest go.")] = 1000,
    proxies: Annotated[
        str | None,
        typer.Option(
            help="Reverse proxies in front of it: addresses or networks, with commas, or *. Their X-Forwarded-For says "
            "whose a request is. Default: $FORWARDED_ALLOW_IPS, else this machine; on a Space, its private network."
        ),
    ] = None,
) -> None:
    """Open the web demo: sample, explore, compare and evaluate models in a browser.

    zoo demo --host 0.0.0.0 --port 7860
    """
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
        device=device,
        threads=threads,
    )
    serve(settings, host=host, port=port, share=share, root_path=root_path)
