"""The server: Gradio's own, with a gate before it, a health endpoint beside it, and nothing that calls home."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..bulk import stopping_on_sigterm
from ..errors import ZooError
from . import logs
from .settings import Settings

if TYPE_CHECKING:
    import gradio as gr

    from .service import Service


@dataclass
class Running:
    """A server that has been started."""

    url: str
    share_url: str | None
    service: Service
    blocks: gr.Blocks
    files: Path

    def close(self) -> None:
        self.blocks.close(verbose=False)
        self.service.workers.close()
        shutil.rmtree(self.files, ignore_errors=True)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def start(
    settings: Settings | None = None,
    *,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
    root_path: str | None = None,
) -> Running:
    """Start the demo in the background.

    Args:
        settings: the bounds; None for the usual ones.
        host: address to listen on; None for $GRADIO_SERVER_NAME, else this machine alone.
        port: None for $GRADIO_SERVER_PORT, else the first free one from 7860.
        share: also open a public tunnel through gradio.live.
        root_path: the path at which a proxy serves it.

    Raises:
        ZooError: gradio is not installed, the device cannot be used, the port is taken, or there is no tunnel.
    """
    settings = settings or Settings()
    files = _quiet_environment()
    _reach_without_proxy("localhost", "127.0.0.1", host)
    _require_gradio()
    import torch
    from starlette.middleware import Middleware
    from starlette.routing import Route

    from . import page
    from .gate import Gate
    from .service import Service

    logs.configure()
    torch.set_num_threads(settings.cpu_threads())
    sys.setswitchinterval(0.0005)  # a worker that comes back from a convolution does not wait 5 ms for its turn
    service = Service(settings)
    blocks = page.build(service)
    health = Route("/health", _health(service), methods=["GET", "HEAD"])
    try:
        _, url, share_url = blocks.launch(
            server_name=host,
            server_port=port,
            share=share,
            root_path=root_path,
            quiet=True,
            show_error=True,
            prevent_thread_lock=True,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            enable_monitoring=False,
            run_history=False,
            footer_links=["api", "settings"],
            max_threads=settings.max_waiting + 16,
            state_session_capacity=500,
            app_kwargs={"middleware": [Middleware(Gate, blocks=blocks)], "routes": [health]},
            **page.look(),
        )
    except OSError as error:
        service.workers.close()
        raise ZooError(f"{error}; give another --port") from None
    running = Running(url, share_url, service, blocks, files)
    if share and not share_url:
        running.close()
        raise ZooError("Gradio could not open a public tunnel, as it says above; start without --share")
    logs.event("started", url=url, share_url=share_url, device=[w["device"] for w in service.health()["workers"]])
    return running


def serve(settings: Settings | None = None, **options) -> None:
    """Run the demo until Ctrl-C or SIGTERM, and leave no files behind; arguments as for `start`."""
    with stopping_on_sigterm(), start(settings, **options) as running:
        print(f"The zoo is at {running.share_url or running.url} (Ctrl-C ends it)", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("", file=sys.stderr)


def _quiet_environment() -> Path:
    """What Gradio reads from the environment: no analytics, no statistics of calls, a folder of our own for files."""
    files = Path(tempfile.mkdtemp(prefix="zoo-demo-"))
    os.environ["GRADIO_TEMP_DIR"] = str(files)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # Otherwise every failed call sends all earlier ones through pandas.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(1 << 62)
    return files


def _reach_without_proxy(*hosts: str | None) -> None:
    """Gradio asks its own server whether it is up; a proxy for the world outside would not find it."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = ",".join(dict.fromkeys(name for name in (*known.split(","), *hosts) if name))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = names


def _require_gradio() -> None:
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise ZooError(f"the demo needs Gradio ({error}); run: pip install 'contrastive-gan-zoo[demo]'") from None


def _health(service: Service):
    from starlette.responses import JSONResponse

    async def health(_request) -> JSONResponse:
        found = service.health()
        return JSONResponse(found, status_code=200 if found["status"] == "ok" else 503)

    return health
