"""One worker per device, with a queue: requests are computed one after the other, each within a time limit.

A long job (an evaluation) lets short ones run first whenever it reports progress, on the same thread, so that the
device still does one thing at a time and no picture waits minutes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ..common.errors import ZooError
from .models import ModelCache, ModelsOnDevice
from .process import Process


class BusyError(ZooError):
    """Too many requests are waiting."""


class TooSlowError(ZooError):
    """A request has used up its time limit."""


class CancelledError(ZooError):
    """The caller cancelled the request."""


@dataclass(frozen=True)
class JobProgress:
    """The progress of a job: images or steps done, the total, and a text; `left` in seconds, if known."""

    done: int = 0
    total: int = 0
    text: str = ""
    left: float | None = None


class Job:
    """A piece of work for a device, and its outcome.

    Attributes:
        work: called with the job, and with the models on the device.
        limit: seconds of computing time.
        outcome: a Future with the result or the exception.
        progress: the latest Progress.
    """

    def __init__(self, work: Callable[[Job, ModelsOnDevice], Any], seconds: float, long: bool = False):
        self.work, self.limit, self.long = work, seconds, long
        self.outcome: Future = Future()
        self.progress = JobProgress()
        self.queued, self.started = time.monotonic(), 0.0
        self._worker: Worker | None = None
        self._cancelled = threading.Event()
        self._others = 0.0  # seconds that short jobs took in between

    def cancel(self) -> None:
        """Stop at the next report; a job that still waits is never started."""
        self._cancelled.set()
        if self._worker:
            self._worker.forget(self)

    def report(self, done: int, total: int, text: str = "") -> None:
        """Report progress from within the work; raises if the job was cancelled or is too slow."""
        if self._cancelled.is_set():
            raise CancelledError("cancelled; nothing is kept of it")
        if self.seconds > self.limit:
            raise TooSlowError(
                f"this took longer than the {self.limit:g} s that a request may take; ask for fewer images, or run "
                f"it with the Python lines"
            )
        left = self.seconds / done * (total - done) if done and self.seconds > 1 else None
        self.progress = JobProgress(done, total, text, left)
        if self.long and self._worker:
            before = time.monotonic()
            self._worker.run_waiting()
            self._others += time.monotonic() - before

    @property
    def seconds(self) -> float:
        """Return the computing time so far, without that of jobs in between."""
        return time.monotonic() - self.started - self._others if self.started else 0.0

    @property
    def position(self) -> int:
        """Return the number of jobs before it; 0 once it runs."""
        return self._worker.position(self) if self._worker and not self.started else 0

    def run(self, worker: Worker) -> None:
        if self._cancelled.is_set():
            self.outcome.cancel()
        if not self.outcome.set_running_or_notify_cancel():
            return
        self.started = time.monotonic()
        try:
            result = worker.compute(self)
        except BaseException as error:  # for the caller; the worker continues
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(result)


class Worker:
    """A thread that owns one device and the models on it.

    Args:
        models: a cache, for computing on the thread itself, or a process that computes.
        max_waiting: maximum number of waiting jobs.
    """

    def __init__(self, device: str, models: ModelCache | Process, max_waiting: int):
        self.device, self.models = device, models
        self._max_waiting = max_waiting
        self._short: deque[Job] = deque()
        self._long: deque[Job] = deque()
        self._changed = threading.Condition()
        self._running: list[Job] = []
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name=f"zoo-{device}", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> Job:
        """Queue a job.

        Raises:
            BusyError: too many jobs wait.
        """
        with self._changed:
            queue, most = (
                (self._long, max(1, self._max_waiting // 16)) if job.long else (self._short, self._max_waiting)
            )
            if len(queue) >= most:
                raise BusyError(f"{len(queue)} requests are waiting already; try again in a moment")
            job._worker = self
            queue.append(job)
            self._changed.notify()
        return job

    def forget(self, job: Job) -> None:
        with self._changed:
            queue = self._long if job.long else self._short
            if job in queue:
                queue.remove(job)
                job.outcome.cancel()

    def position(self, job: Job) -> int:
        with self._changed:
            queue = self._long if job.long else self._short
            return queue.index(job) + len(self._running) if job in queue else 0

    def run_waiting(self) -> None:
        """Run the short jobs that wait; called by a long one on the worker's own thread."""
        while job := self._next(self._short):
            self._run(job)

    def compute(self, job: Job) -> Any:
        """Return the result of a job's work."""
        return (
            self.models.run(job)
            if isinstance(self.models, Process)
            else job.work(job, ModelsOnDevice(self.device, self.models))
        )

    def close(self) -> None:
        """Stop after the running job; waiting jobs are cancelled."""
        with self._changed:
            self._closed = True
            waiting = [*self._short, *self._long]
            self._changed.notify_all()
        for job in waiting:
            job.cancel()
        for job in list(self._running):
            job.cancel()
        self._thread.join(timeout=10)
        if isinstance(self.models, Process):
            self.models.close()

    @property
    def waiting(self) -> int:
        return len(self._short) + len(self._long)

    def health(self) -> dict[str, Any]:
        """Return the state for the health endpoint; stuck: the running job is a minute beyond its limit."""
        running = list(self._running)
        stuck = any(job.seconds > job.limit + 60 for job in running)
        return {
            "device": self.device,
            "alive": self._thread.is_alive(),
            "stuck": stuck,
            "running": len(running),
            "waiting": self.waiting,
            "models": list(self.models.names),
        }

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._short or self._long)
                if self._closed:
                    return
            job = self._next(self._short) or self._next(self._long)
            if job:
                self._run(job)

    def _next(self, queue: deque[Job]) -> Job | None:
        with self._changed:
            return queue.popleft() if queue else None

    def _run(self, job: Job) -> None:
        self._running.append(job)
        try:
            job.run(self)
        finally:
            self._running.remove(job)


class Workers:
    """The workers of all devices; a job goes to the device that holds its model, else to the shortest queue."""

    def __init__(self, workers: list[Worker]):
        self._workers = workers

    def submit(self, job: Job, model: str) -> Job:
        return min(self._workers, key=lambda worker: worker.waiting - (model in worker.models)).submit(job)

    def health(self) -> list[dict[str, Any]]:
        return [worker.health() for worker in self._workers]

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
