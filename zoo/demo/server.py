"""The server: Gradio's own, with a gate before it, a health endpoint beside it, and no telemetry."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..common import extras, network_settings, signals
from ..common.downloads import is_offline
from ..common.errors import ZooError
from ..common.text import short
from . import logs
from .sessions import Sessions
from .settings import Settings
from .store import Store

if TYPE_CHECKING:
    import gradio as gr

    from .service import Service


_EXPIRE, _LEFT, _LOOK = 3600.0, 60.0, 30.0  # seconds that files are kept, that results wait, between two checks
_SHUTDOWN = 1  # seconds that running requests have when the server ends


@dataclass
class Running:
    """A server that has been started."""

    url: str
    share_url: str | None
    service: Service
    blocks: gr.Blocks

    def close(self) -> None:
        self.blocks.close(verbose=False)
        self.service.close()

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
        settings: the bounds; None for the defaults.
        host: address to listen on; None for $GRADIO_SERVER_NAME, else this machine alone.
        port: None for $GRADIO_SERVER_PORT, else the first free one from 7860.
        share: also open a public tunnel through gradio.live.
        root_path: the path at which a proxy serves it.

    Raises:
        ZooError: gradio is not installed, the device cannot be used, the port is taken, or there is no tunnel.
    """
    settings = settings or Settings()
    logs.configure()
    store = Store(settings.max_megabytes * 10**6)
    with ExitStack() as undo:  # Ctrl-C while it starts leaves no files and no processes
        undo.callback(store.close)
        _quiet_environment(store)
        _check_host(host)
        _reach_without_proxy("localhost", "127.0.0.1", host)
        with _connections(share):
            _require_gradio()
        service = _service(settings, store)
        listens_on = host or os.environ.get("GRADIO_SERVER_NAME")
        is_public = share or bool(root_path) or bool(os.environ.get("SPACE_ID"))
        service.downloads = not is_offline() and settings.may_download(listens_on, is_public)
        undo.callback(service.close)
        with _connections(share):
            running = _launched(service, host=host, port=port, share=share, root_path=root_path)
        undo.pop_all()
    found = [worker["device"] for worker in service.health()["workers"]]
    logs.event("started", url=running.url, share_url=running.share_url, device=found)
    return running


def _check_host(host: str | None) -> None:
    """Raise ZooError for an address that is none of this machine's, for which Gradio would wait."""
    if host is None:
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no name of a machine"
        raise ZooError(
            f"the demo cannot listen on {short(host)} ({reason}); give an address of this machine, such as 0.0.0.0"
        ) from None


def _service(settings: Settings, store: Store) -> Service:
    import torch

    from .service import Service

    torch.set_num_threads(settings.cpu_threads())
    sys.setswitchinterval(0.0005)  # a worker that comes back from a convolution does not wait 5 ms for its turn
    return Service(settings, store)


def _launched(service: Service, *, share: bool, host: str | None, port: int | None, root_path: str | None) -> Running:
    from starlette.routing import Route

    from . import page

    blocks = page.build(service)
    sessions = Sessions(blocks._queue)
    health = Route("/health", _health(service), methods=["GET", "HEAD"])
    try:
        with _served_by(_server_class(service, blocks, sessions)):
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
                max_threads=service.settings.max_waiting + 16,
                state_session_capacity=64,  # sessions of Gradio, which hold a copy of the page and nothing of ours
                app_kwargs={"routes": [health], "lifespan": _tidying(service.store, sessions)},
                _frontend=False,  # Gradio would ask for the page, and fail if a busy machine takes 3 s to answer
                **page.launch_options(),
            )
    except OSError as error:
        raise ZooError(f"{error}; give another --port") from None
    if share and not share_url:
        blocks.close(verbose=False)
        raise ZooError("Gradio could not open a public tunnel, as it says above; start without --share")
    return Running(url, share_url, service, blocks)


@contextmanager
def _served_by(server: type) -> Iterator[None]:
    """Inside, what is launched runs on this class of server, for which Gradio has no argument."""
    from gradio import http_server

    before, http_server.Server = http_server.Server, server
    try:
        yield
    finally:
        http_server.Server = before


def _server_class(service: Service, blocks: gr.Blocks, sessions: Sessions) -> type:
    """Return Gradio's server class, with limited connections and the gate before the application."""
    from functools import partial

    from gradio import http_server

    from .connections import Connection, Connections, log_loop_error, queue_in_kernel
    from .gate import Gate

    connections = Connections(service.settings.max_connections)

    class Server(http_server.Server):
        def __init__(self, config: Any, *arguments: Any, **named: Any):
            config.http = partial(Connection, connections)
            config.ws = "none"
            config.backlog = connections.backlog
            config.timeout_graceful_shutdown = _SHUTDOWN
            config.forwarded_allow_ips = service.settings.trusted_proxies()
            root_path = config.app.root_path
            super().__init__(config, *arguments, **named)
            config.app = Gate(config.app, blocks, service.store, sessions, connections, root_path)
            for name in ("uvicorn", "uvicorn.error"):
                logger = logging.getLogger(name)
                logger.handlers, logger.propagate = [logs.Handler()], False
                logger.setLevel(logging.ERROR)  # its other messages are caused by malformed requests

        async def startup(self, sockets: Any = None) -> None:
            asyncio.get_running_loop().set_exception_handler(log_loop_error)
            await super().startup(sockets)
            for server in self.servers:
                queue_in_kernel(server)

    return Server


def _tidying(store: Store, sessions: Sessions) -> Any:
    """Make a lifespan of the application that removes old files and results."""

    async def tidy() -> None:
        while True:
            await asyncio.sleep(_LOOK)
            sessions.forget_left(_LEFT)
            await asyncio.to_thread(store.expire, _EXPIRE)

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(tidy())
        try:
            yield
        finally:
            task.cancel()

    return lifespan


def serve(settings: Settings | None = None, **options) -> None:
    """Run the demo until Ctrl-C, SIGTERM or SIGHUP, and leave no files behind; arguments as for `start`."""
    with _stopping() as ignore_signals, start(settings, **options) as running:
        try:
            print(f"The zoo is at {running.share_url or running.url} (Ctrl-C ends it)", flush=True)
            threading.Event().wait()
        except KeyboardInterrupt:
            ignore_signals()  # shutting down takes a few seconds at most and must not be interrupted
            print("", file=sys.stderr)


@contextmanager
def _stopping() -> Iterator[Any]:
    """Inside, SIGTERM and SIGHUP act as Ctrl-C, unless nohup ignores SIGHUP; yields a function to ignore all three."""
    with signals.handled(signal.default_int_handler):
        yield lambda: [signal.signal(number, signal.SIG_IGN) for number in signals.ending()]


def _quiet_environment(store: Store) -> None:
    """Set Gradio's environment: no analytics, no statistics of calls, our own folder for files."""
    os.environ["GRADIO_TEMP_DIR"] = str(store.root)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # Otherwise every failed call sends all earlier ones through pandas.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(1 << 62)


@contextmanager
def _connections(share: bool) -> Iterator[None]:
    """Inside, Gradio makes its clients of HTTP: to reach its own server alone, or for a public tunnel too."""
    if not share:
        with network_settings.hidden():
            yield
        return
    _require_settings()
    try:
        yield
    except Exception as error:
        _require_settings(error)
        raise


def _require_settings(error: Exception | None = None) -> None:
    if wrong := network_settings.fault(network_settings.HTTPX, "https://api.gradio.app", error):
        raise ZooError(f"there is no public tunnel: {wrong}; or start without --share") from error


def _reach_without_proxy(*hosts: str | None) -> None:
    """Let Gradio reach its own server without the proxy for outside addresses, which would not find it."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = ",".join(dict.fromkeys(name for name in (*known.split(","), *hosts) if name))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = names


def _require_gradio() -> None:
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise ZooError(f"the demo needs Gradio ({error}); run: {extras.install('demo')}") from None


def _health(service: Service):
    from starlette.responses import JSONResponse

    async def health(_request) -> JSONResponse:
        found = service.health()
        return JSONResponse(found, status_code=200 if found["status"] == "ok" else 503)

    return health
