"""Runs of two processes, killed at random and resumed until they end: the run must be the one that nobody disturbed.

python tests/programs/siege.py --only training
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from training.run import checkpoint
from zoo.checkpoints import weights

_STEPS = 120
_TRAIN = ("contragan/digits", "--width", "8", "--batch-size", "8", "--steps", str(_STEPS), "--save-every", "10")


def besiege(seconds: float, seed: int) -> dict:
    """Histories of one run for so many seconds: kills of all its processes or of one, then resumed."""
    rng, end = random.Random(seed), time.monotonic() + seconds
    figures: dict = {"runs": 0, "kills": 0, "bit-equal": 0, "longest end, s": 0.0, "faults": []}
    with tempfile.TemporaryDirectory() as folder:
        calm, began = Path(folder) / "calm", time.monotonic()
        status, told = _launch(calm)
        duration = time.monotonic() - began
        if status:
            return figures | {"faults": [told[-300:]]}
        wanted = _final(calm)
        while time.monotonic() < end or figures["runs"] == 0:
            out = Path(folder) / f"run-{figures['runs']}"
            for _ in range(rng.randint(1, 3)):
                status, told = _launch(out, kill_after=rng.uniform(0.3, 0.95) * duration, one=rng.random() < 0.5)
                figures["kills"] += status != 0
                if status == 0:
                    break
            before = time.monotonic()
            if status:
                status, told = _launch(out)
            figures["runs"] += 1
            figures["longest end, s"] = max(figures["longest end, s"], round(time.monotonic() - before, 1))
            same = status == 0 and _same(_final(out), wanted)
            figures["bit-equal"] += same
            figures["faults"] += [] if same else [f"run {figures['runs']}, status {status}: {told[-300:]}"]
    return figures


def _launch(out: Path, kill_after: float | None = None, one: bool = False) -> tuple[int, str]:
    """Train with two processes, from the newest checkpoint if there is a run; perhaps kill them, or one of them."""
    resume = ["--resume"] if (out / "config.json").exists() else []
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launcher, "-m", "zoo", "train", *_TRAIN, "--device", "cpu", "--out", str(out), *resume]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        if kill_after is not None:
            try:
                process.wait(kill_after)
            except subprocess.TimeoutExpired:
                ranks = _children(process.pid)
                if one and ranks:
                    os.kill(ranks[-1], signal.SIGKILL)
                else:
                    for pid in (process.pid, *ranks):
                        _kill(pid)
        told, _ = process.communicate(timeout=300)
    return process.returncode, told


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _final(out: Path) -> dict[str, torch.Tensor]:
    return weights.read(checkpoint.path_of(out / "checkpoints", _STEPS))


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
