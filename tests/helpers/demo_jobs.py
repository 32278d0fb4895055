"""Work for the demo's processes, which import it by name."""

import os
import signal
import sys
import time
from pathlib import Path


def until(job, worker, file: Path) -> str:
    """Reports until a file appears."""
    while not file.exists():
        job.report(1, 2, "waiting")
        time.sleep(0.005)
    return file.name


def answer(job, worker, value):
    return value


def device_and_models(job, worker):
    worker.models.get("contragan/digits")
    return worker.device, worker.models.names


def fail(job, worker, error: Exception):
    raise error


def die(job, worker):
    os.kill(os.getpid(), signal.SIGKILL)


def silent(job, worker):
    time.sleep(600)


def torch_threads(job, worker) -> int:
    return sys.modules["torch"].get_num_threads()
