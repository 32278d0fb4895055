"""Processes of their own for tests: the clients read their settings when they are imported, and some are killed."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
from dataclasses import dataclass
from multiprocessing.connection import Connection

from ports import free_port

_CONTEXT = multiprocessing.get_context("forkserver")
_OURS = ["torch", "safetensors.torch", "zoo.sampling.loading", "zoo.checkpoints.upstream.importer", "filelock"]
# What huggingface_hub and gdown import, which read their settings later; each child would do that again.
_THEIRS = ["anyio", "bs4", "httpx", "httpx2", "requests", "tqdm.auto", "tqdm.contrib.concurrent", "trio", "yaml"]
_CONTEXT.set_forkserver_preload([*_OURS, *_THEIRS])
_OFFLINE = ("HF_HUB_OFFLINE", "ZOO_OFFLINE", "TRANSFORMERS_OFFLINE")
_UNSET = (*_OFFLINE, "HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


@dataclass
class Outcome:
    """What a function in another process came to."""

    value: object = None
    error: str | None = None  # class of the exception
    message: str = ""
    stderr: str = ""


class Child:
    """A function that runs in another process, with an environment of its own."""

    def __init__(self, function, *arguments, environment: dict[str, str]):
        self._receiver, sender = _CONTEXT.Pipe(duplex=False)
        # HF_HUB_DISABLE_XET: the stand-in speaks HTTP. No bars, no questions about the terminal.
        settings = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", **environment}
        self.process = _CONTEXT.Process(target=_run, args=(sender, settings, function, arguments), daemon=True)
        self.process.start()
        sender.close()

    def result(self, timeout: float = 120) -> Outcome:
        if not self._receiver.poll(timeout):
            self.kill()
            raise TimeoutError(f"no result after {timeout} s")
        try:
            return self._receiver.recv()
        except EOFError:
            return Outcome(error="killed")
        finally:
            self.process.join()
            self._receiver.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


def run(function, *arguments, environment: dict[str, str]) -> Outcome:
    return Child(function, *arguments, environment=environment).result()


def run_two_ranks(function, *arguments, environment: dict[str, str] | None = None) -> list[Outcome]:
    """The outcomes of two processes with the environment that torchrun gives, without its imports of torch."""
    group = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    group |= {"HF_HUB_OFFLINE": "1", **(environment or {})}
    ranks = [{"RANK": str(i), "LOCAL_RANK": str(i)} for i in range(2)]
    running = [Child(function, *arguments, environment={**group, **rank}) for rank in ranks]
    return [child.result(300) for child in running]


def _run(sender: Connection, settings: dict[str, str], function, arguments) -> None:
    for name in _UNSET:
        os.environ.pop(name, None)
    os.environ.update(settings)
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr):
        try:
            outcome = Outcome(value=function(*arguments))
        except BaseException as error:
            outcome = Outcome(error=type(error).__name__, message=str(error))
    outcome.stderr = stderr.getvalue()
    sender.send(outcome)
    sender.close()
