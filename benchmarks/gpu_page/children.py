"""Functions of these files in processes of their own, in which nothing has happened yet."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1]
ROOT = BENCHMARKS.parent
_CODE = """
import importlib, json, sys
sys.path[:0] = [{root!r}]
sys.path.append({benchmarks!r})
module, function, arguments = json.loads(sys.argv[1])
getattr(importlib.import_module("gpu_page." + module), function)(*arguments)
"""


class ChildFailedError(RuntimeError):
    """A process ended with an error; its message is the last line that it wrote."""


class TimeUpError(RuntimeError):
    """A process was not done in time."""


class Child:
    """A call of gpu_page.<module>.<function> with JSON arguments; what it prints is kept."""

    def __init__(self, module: str, function: str, *arguments):
        code = _CODE.format(root=str(ROOT), benchmarks=str(BENCHMARKS))
        command = [sys.executable, "-c", code, json.dumps([module, function, arguments])]
        self.what, self.started = f"{module}.{function}", time.monotonic()
        self._out, self._errors = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._errors,
            cwd=ROOT,
            env=environment(),
            start_new_session=True,
        )

    def result(self, seconds: float) -> str:
        """What it printed; raises ChildFailedError, or, where it is not done in so many seconds, TimeUpError."""
        try:
            status = self._process.wait(timeout=max(0.0, seconds))
        except subprocess.TimeoutExpired:
            raise TimeUpError(f"{self.what} was not done after {time.monotonic() - self.started:.0f} s") from None
        else:
            if status:
                raise ChildFailedError(f"{self.what}: {_last_line(self._errors) or f'exit status {status}'}")
            self._out.seek(0)
            return self._out.read()
        finally:
            self.end()

    def end(self) -> None:
        """Stop it, with the processes that it has begun, such as a compiler's."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._out.close()
        self._errors.close()


def environment() -> dict[str, str]:
    """Of processes that see this checkout and no network."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}


def _last_line(file) -> str:
    file.seek(0)
    lines = file.read().strip().splitlines()
    return lines[-1][:300] if lines else ""
