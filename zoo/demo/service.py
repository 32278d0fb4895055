"""From a checked request to its result: queue it on a device, wait, report its progress, log its outcome."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from ..common.errors import ZooError
from . import logs
from .models import ModelsOnDevice
from .process import Process
from .settings import Settings
from .store import Store
from .workers import Job, JobProgress, Worker, Workers

_LOOK = 0.1  # seconds between two checks of the progress of a job


class Service:
    """Settings, workers and files of a running demo. Between requests it keeps only the models.

    Attributes:
        downloads: visitors may download published weights.
    """

    downloads = False

    def __init__(self, settings: Settings, store: Store):
        from ..common.devices import all_devices

        self.settings, self.store = settings, store
        self.started = time.time()
        self.workers = Workers([_worker(device, settings) for device in all_devices(settings.device)])

    async def run(
        self,
        kind: str,
        model: str,
        work: Callable[[Job, ModelsOnDevice], Any],
        on_progress: Callable[[JobProgress, int], None] | None = None,
        long: bool = False,
        **facts: Any,
    ) -> Any:
        """Return the result of `work(job, worker)` on a device.

        Args:
            kind, facts: for the log.
            model: canonical name of the model it needs.
            on_progress: called from time to time with the progress and the number of jobs before it.
            long: an evaluation, which lets short jobs run first and has more time.
        """
        seconds = self.settings.max_evaluation_seconds if long else self.settings.max_seconds
        job = Job(work, seconds, long)
        outcome, facts = "done", {"kind": kind, "model": model, **facts}
        try:
            self.workers.submit(job, model)
            waiting = asyncio.wrap_future(job.outcome)
            while on_progress:
                done, _ = await asyncio.wait([waiting], timeout=_LOOK)
                if done:
                    break
                on_progress(job.progress, job.position)
            return await waiting
        except asyncio.CancelledError:
            job.cancel()
            outcome = "cancelled"
            raise
        except ZooError as error:
            outcome = f"refused: {error}"
            raise
        except Exception:
            outcome = "failed"
            raise
        finally:
            waited = (job.started or time.monotonic()) - job.queued
            logs.event("request", outcome=outcome, waited=waited, seconds=job.seconds, **facts)

    async def keep(self, make: Callable[[], Mapping[str, bytes]]) -> list[str]:
        """Make and write files by name on another thread; returns their paths.

        Raises:
            ZooError: there is no room for them.
        """
        return await asyncio.to_thread(lambda: self.store.keep(make()))

    def close(self) -> None:
        """End the workers and remove the files."""
        self.workers.close()
        self.store.close()

    def health(self) -> dict[str, Any]:
        from ..common.version import __version__

        workers = self.workers.health()
        ok = all(worker["alive"] and not worker["stuck"] for worker in workers)
        up = round(time.time() - self.started)
        return {"status": "ok" if ok else "failing", "version": __version__, "uptime": up, "workers": workers}


def _worker(device: str, settings: Settings) -> Worker:
    return Worker(device, Process(device, settings.max_models, settings.cpu_threads()), settings.max_waiting)


def guarded(function: Callable) -> Callable:
    """Wrap an endpoint so that an error is one line for the caller: a ZooError's own, or a reference into the log."""

    @wraps(function)
    async def handler(*arguments, **named):
        import gradio as gr

        try:
            return await function(*arguments, **named)
        except ZooError as error:
            message = " ".join(str(error).split())
        except Exception as error:
            raise internal_error(error, function.__name__) from None
        raise gr.Error(message, print_exception=False)

    return handler


def internal_error(error: Exception, handler: str) -> Exception:
    """Log an unexpected error; returns the error for the caller."""
    import gradio as gr

    reference = secrets.token_hex(4)
    logs.failure("internal error", error, reference=reference, handler=handler)
    return gr.Error(f"something went wrong here; the server's log has it under {reference}", print_exception=False)
