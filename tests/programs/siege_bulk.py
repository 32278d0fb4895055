"""Random sampling commands, killed at random, into one output: it must be of the last command, or of none.

    python tests/programs/siege_bulk.py [--seconds 10] [--seed 0] [--every 1]

A command has a format, a number of images, a seed, a label, a truncation, a dtype, and sometimes --force. It runs in a
forked process, which a SIGKILL ends in one of its file operations, or at a random moment; then another command, or the
same, until one has ended well. What is there then is compared, byte for byte, with what that command writes undisturbed
into an empty folder. A command that refuses must have changed nothing that was whole.

Prints one JSON object; exit status 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import zoo
from zoo.common.errors import ZooError
from zoo.sampling import bulk

_OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
_KILLED, _WRITTEN, _REFUSED, _FAILED = "killed", "written", "refused", "failed"


@dataclass(frozen=True)
class Command:
    """What `zoo sample` would be called with."""

    out: str
    n: int
    seed: int
    label: int | None = None
    truncation: float | None = None
    dtype: str = "float32"
    force: bool = False

    def run(self, models: dict, folder: Path) -> bulk.Written:
        return bulk.write(
            models[self.dtype], folder / self.out, self.n, self.label, self.seed, self.truncation, force=self.force
        )

    @classmethod
    def random(cls, rng: random.Random, out: str) -> Command:
        return cls(
            out,
            rng.choice((20, 45, 70)),
            rng.choice((1, 2)),
            rng.choice((None, None, 3)),
            rng.choice((None, None, 1.0)),
            rng.choice(("float32", "float32", "bfloat16")),
            rng.random() < 0.6,
        )


def models() -> dict:
    """One small model at the two dtypes, on one thread: what is forked has no other."""
    torch.set_num_threads(1)
    bulk.PART_PIXELS = 16 * 32**2  # parts of 16 images
    made = {dtype: zoo.load("contragan/digits", device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16")}
    for model in made.values():
        model.sample(1, seed=0)
    return made


def run(command: Command, models: dict, folder: Path, kill_at: int | None = None, after: float | None = None) -> str:
    """Run a command in a forked process, which dies in its `kill_at`-th file operation, or after so many seconds."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        if kill_at is not None:
            _die_at(kill_at, folder)
        try:
            command.run(models, folder)
        except ZooError:
            os._exit(1)
        except BaseException:
            os._exit(2)
        os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return _KILLED
    return {0: _WRITTEN, 1: _REFUSED}.get(os.WEXITSTATUS(status), _FAILED)


def _die_at(number: int, folder: Path) -> None:
    left, below = number, os.fsencode(folder)

    def audit(event: str, arguments: tuple) -> None:
        nonlocal left
        if event not in _OPERATIONS or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        left -= os.fsencode(arguments[0]).startswith(below)
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)


def content(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def images(folder: Path) -> dict[str, bytes]:
    """All files but those of the journal."""
    return {name: data for name, data in content(folder).items() if ".zoo-sample" not in name}


class References:
    """What each command writes undisturbed."""

    def __init__(self, models: dict):
        self._models, self._known = models, {}

    def of(self, command: Command) -> dict[str, bytes]:
        command = replace(command, force=False)
        if command not in self._known:
            with tempfile.TemporaryDirectory() as folder:
                command.run(self._models, Path(folder))
                self._known[command] = content(Path(folder))
        return self._known[command]


def history(rng: random.Random, models: dict, references: References) -> tuple[int, int, str | None]:
    """Several commands into one output, killed and repeated; returns (runs, kills, what was wrong)."""
    runs = kills = 0
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name), rng.choice(("d", "x.npz", "x.tar"))
        told: list[str] = []
        for _ in range(rng.randint(2, 4)):
            command, ended = Command.random(rng, out), _KILLED
            before = images(folder)
            for attempt in range(rng.randint(1, 3)):
                at_operation = rng.random() < 0.7
                kill = {"kill_at": rng.randrange(150)} if at_operation else {"after": rng.uniform(0, 0.15)}
                ended = run(command, models, folder, **kill)
                told.append(f"{command} {kill}: {ended}")
                runs, kills = runs + 1, kills + (ended == _KILLED)
                if ended == _REFUSED and attempt == 0 and images(folder) != before:
                    return runs, kills, "a refusal changed files: " + "; ".join(told)
                if ended != _KILLED:
                    break
                if rng.random() < 0.3:  # resumed without --force
                    command = replace(command, force=False)
            if ended == _FAILED:
                return runs, kills, "another error: " + "; ".join(told)
        ended = run(command, models, folder)
        if ended == _REFUSED:
            command = replace(command, force=True)
            ended = run(command, models, folder)
        told.append(f"{command}: {ended}")
        if ended != _WRITTEN or content(folder) != references.of(command):
            return runs, kills, "; ".join(told)
        if run(replace(command, force=False), models, folder) != _WRITTEN or content(folder) != references.of(command):
            return runs, kills, "asked for again: " + "; ".join(told)
    return runs, kills, None


def besiege(seconds: float, seed: int) -> dict:
    """Histories for so many seconds: how many, their runs and kills, and those whose end was wrong."""
    made, rng = models(), random.Random(seed)
    references, end = References(made), time.monotonic() + seconds
    figures: dict = {"histories": 0, "runs": 0, "kills": 0, "faults": []}
    while time.monotonic() < end:
        runs, kills, fault = history(rng, made, references)
        figures["histories"] += 1
        figures["runs"] += runs
        figures["kills"] += kills
        figures["faults"] += [fault] if fault else []
    return figures


def every_kill_point(out: str, every: int = 1) -> dict:
    """--force over another command's images, killed in each file operation in turn, then repeated without it."""
    made = models()
    references, old, new = References(made), Command(out, 40, 1), Command(out, 20, 2, force=True)
    faults, number, points = [], 0, 0
    while True:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            run(old, made, folder)
            if run(new, made, folder, kill_at=number) != _KILLED:
                break
            ended = run(replace(new, force=False), made, folder)
            if ended == _REFUSED:  # killed before it had begun: nothing is changed
                faults += [number] if images(folder) != references.of(old) else []
                ended = run(new, made, folder)
            if ended != _WRITTEN or content(folder) != references.of(new):
                faults.append(number)
        number, points = number + every, points + 1
    return {"kill points": points, "faults": faults}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=1, help="only each so-manieth kill point")
    options = parser.parse_args()
    result = besiege(options.seconds, options.seed)
    result |= {f"every kill point of {out}": every_kill_point(out, options.every) for out in ("d", "x.npz", "x.tar")}
    print(json.dumps(result, indent=2))
    sys.exit(bool(result["faults"]) or any(result[key]["faults"] for key in result if key.startswith("every")))
