"""A process per device, which holds the models and computes the requests of the device's worker.

It does not share the web server's interpreter lock, and if the system ends it, for example when memory runs out, only
the running request is lost: the next request starts another process. The two communicate through a pipe:

worker to process   (run, id, work, long)   (go, id)   (stop, id, error)
process to worker   (progress, id, done, total, text)   (ended, id, result, error, names of models)

A long job waits after each report for `go`, and may be sent a short one to run first; a short one does not wait.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from ..common.errors import ZooError
from . import logs
from .models import ModelCache, ModelsOnDevice, load

if TYPE_CHECKING:
    from .workers import Job

# glibc keeps freed memory: each layer's output comes from what the last one took, not from fresh pages (8 % faster).
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(512 << 20)}
_OFFLINE = {"ZOO_OFFLINE": "1"}  # a download would hold the device; the server fetches what a visitor asks for
_GRACE = 60.0  # seconds beyond its time after which a request that does not report is ended with its process


class EndedError(ZooError):
    """The process ended while it computed."""


class Process:
    """The worker's side.

    Attributes:
        names: the models that the process held after its last job.
    """

    def __init__(self, device: str, max_models: int, threads: int):
        self._arguments = (device, max_models, threads)
        self.names: tuple[str, ...] = ()
        self._jobs = 0
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # CUDA and threads do not survive a fork
        self._pipe, theirs = context.Pipe()
        self._child = context.Process(target=_serve, args=(theirs, *self._arguments), name="zoo-device", daemon=True)
        own = _MEMORY | _OFFLINE
        before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)  # read when the process begins
        try:
            self._child.start()
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
        theirs.close()
        self.names = ()

    def run(self, job: Job) -> Any:
        """Return the result of the job's work, or raise its error.

        Raises:
            EndedError: the process ended, by itself or because it did not report in time.
        """
        if not self._child.is_alive():
            self._start()
        self._jobs += 1
        number, child, stopped = self._jobs, self._child, False
        try:
            _send(self._pipe, "run", number, job.work, job.long)
            while True:
                kind, about, *content = self._receive(job)
                if kind == "ended" and about == number:
                    result, error, self.names = content
                    if error is not None:
                        raise error
                    return result
                if kind == "progress" and about == number and not stopped:
                    stopped = not self._report(job, number, content, child)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            child.join(5)
            self.names = ()
            logs.event("process ended", status=child.exitcode)
            raise EndedError(
                f"the process that computes has ended (status {child.exitcode}), perhaps out of memory; ask for "
                f"fewer images"
            ) from None

    def _report(self, job: Job, number: int, content: list, child) -> bool:
        """Pass on the progress; returns True if the job continues."""
        try:
            job.report(*content)
        except ZooError as error:
            _send(self._pipe, "stop", number, error)
            return False
        if self._child is not child:  # it ended while it ran a short job in between
            raise EOFError
        if job.long:
            _send(self._pipe, "go", number)
        return True

    def _receive(self, job: Job) -> tuple:
        while not self._pipe.poll(1):
            if job.seconds > job.limit + _GRACE:
                self._child.kill()
                self._child.join(5)
                raise EndedError("the computation did not report for a minute beyond its time, and was ended")
        return _receive(self._pipe)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def close(self) -> None:
        self._child.terminate()
        self._child.join(5)
        self._pipe.close()


class Remote:
    """The process's side."""

    def __init__(self, pipe: Connection, held: ModelsOnDevice):
        self._pipe, self._held = pipe, held

    def serve(self) -> None:
        """Run the jobs that arrive until the other side is gone."""
        while True:
            try:
                kind, number, *content = _receive(self._pipe)
            except (EOFError, ConnectionError):
                return
            if kind == "run":  # else late, for a job that has ended
                self.run(number, *content)

    def run(self, number: int, work: Callable, long: bool) -> None:
        result = error = None
        try:
            result = work(RemoteJob(self, self._pipe, number, long), self._held)
        except Exception as raised:
            error = _portable(raised)
        _send(self._pipe, "ended", number, result, error, tuple(self._held.models.names))


class RemoteJob:
    """The job as its work in the process sees it."""

    def __init__(self, remote: Remote, pipe: Connection, number: int, long: bool):
        self._remote, self._pipe, self._number, self._long = remote, pipe, number, long

    def report(self, done: int, total: int, text: str = "") -> None:
        """Report as `workers.Job.report` does."""
        _send(self._pipe, "progress", self._number, done, total, text)
        while self._long or self._pipe.poll():
            kind, number, *content = _receive(self._pipe)
            if kind == "run":
                self._remote.run(number, *content)
            elif number == self._number:  # else late, for a job that has ended
                if kind == "stop":
                    raise content[0]
                return


def _serve(pipe: Connection, device: str, max_models: int, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server ends this process
    logs.configure()
    import torch

    torch.set_num_threads(threads)
    try:
        models = ModelCache(partial(_load, device=device), max_models)
        Remote(pipe, ModelsOnDevice(device, models)).serve()
    except (EOFError, ConnectionError):  # the server is gone, without a word if it was killed
        return
    except Exception as error:
        logs.failure("process failed", error)
        sys.exit(1)


def _load(name: str, device: str):
    start = time.monotonic()
    model = load(name, device)
    logs.event("loaded", model=name, device=device, seconds=time.monotonic() - start)
    return model


def _portable(error: Exception) -> Exception:
    """Return the error itself if callers may see it, else its text and origin, for the server's log."""
    if isinstance(error, ZooError):
        try:
            return pickle.loads(pickle.dumps(error))
        except Exception:  # an error with more than its message
            return ZooError(str(error))
    return RuntimeError(f"{logs.message(error)} ({', '.join(logs.where(error))})")


# Plain pickles: what torch registers with multiprocessing passes tensors as shared memory, at a cost for each.


def _send(pipe: Connection, *message: Any) -> None:
    pipe.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


def _receive(pipe: Connection) -> tuple:
    return pickle.loads(pipe.recv_bytes())
