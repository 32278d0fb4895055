"""Commands that a signal ends at a random moment: is anything left behind, and does the same command then come right?

    python tests/programs/siege_process.py [--seconds 60] [--seed 0]

Each trial runs a command in a process of its own (every fourth in a fresh interpreter, so that imports are met too, the
others in one that has them behind it), sends SIGINT, SIGTERM, SIGHUP or SIGKILL, now and then twice, and runs the same
command again undisturbed. Prints one JSON object; exit status 1 if anything is not as it should be.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

if str(Path(__file__).parents[1] / "helpers") not in sys.path:
    sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

import checkpoints
import children
import stand_in_drive
import stand_in_hub
from safetensors.numpy import load

from zoo.common import files, signals
from zoo.schema import registry

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
LIMIT = 2.0  # seconds from a signal to the end
FILE, REPO = "1C0jzZmx2uSUvBlQpAo3aRay1l8fB4McU", "someone/small-gan"
_HERE = Path(__file__).resolve()


@dataclass(frozen=True)
class Case:
    """A command, in a folder of its own, and what it leaves there."""

    arguments: tuple[str, ...]
    results: tuple[str, ...]  # globs of the files that are compared
    again: tuple[str, ...] = ()  # added where `begun` is there
    begun: str = ""
    keeps: tuple[str, ...] = ()  # globs of what may be left besides: to go on with, or for the next time


CASES = {
    "grid": Case(("sample", "contragan/digits", "-n", "64", "--seed", "3", "-o", "grid.png"), ("grid.png",)),
    "export": Case(("export", "contragan/digits", "-o", "out"), ("out/*",)),
    "import": Case(
        ("import", "sngan/cifar10", "--from", "netG.pth"),
        ("cache/weights/*/*/*.safetensors",),
        keeps=("netG.pth", "cache/*/*"),
    ),
    "drive": Case(
        ("sample", "sngan/cifar10", "-n", "4", "--seed", "3", "-o", "grid.png"),
        ("grid.png", "cache/weights/*/*/*.safetensors"),
        keeps=("cache/*/*", "cache/partial/*/*/*"),
    ),
    "hub": Case(
        ("sample", f"hf://{REPO}", "-n", "4", "--seed", "3", "-o", "grid.png"),
        ("grid.png", "hf/hub/*/snapshots/*/*.safetensors"),
        keeps=("hf/**/*", "cache/*/*"),
    ),
    "data": Case(
        ("data", "prepare", "custom", "--root", "pictures", "--resolution", "16"),
        ("data/prepared/*/*.uint8",),
        keeps=("pictures/*", "data/prepared/.*.lock"),
    ),
    "train": Case(
        (
            *("train", "infomax-gan/digits", "--out", "run", "--width", "8", "--batch-size", "4", "--steps", "6"),
            *("--save-every", "2", "--log-every", "1"),
        ),
        ("run/model.safetensors", "run/discriminator.safetensors", "run/checkpoints/*", "run/metrics.jsonl"),
        again=("--resume",),
        begun="run/config.json",
        keeps=("run/tensorboard/*", "run/samples/*", "run/.lock", "data/prepared/.*.lock"),
    ),
}


@dataclass
class Outcome:
    status: int
    stderr: str
    signalled: float | None = None  # seconds from the signal to the end; None: it had ended before


@dataclass
class Figures:
    trials: int = 0
    survivals: int = 0  # trials after which the same command gave what it gives undisturbed
    leftovers: int = 0  # temporary files that nobody goes on with
    tracebacks: int = 0
    longer_lines: int = 0  # ends with more than a line on standard error
    wrong_statuses: int = 0  # ends with neither 128 + signal nor success
    longest_seconds: float = 0.0  # from a signal that can be answered to the end
    faults: list[str] = field(default_factory=list)


def besiege(seconds: float, seed: int, cases: tuple[str, ...] = tuple(CASES)) -> dict:
    """Trials until the time is over; at least one. `faults` has a line for each thing that is not right."""
    chance, figures, end = random.Random(seed), Figures(), time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="siege-") as name, _servers(Path(name)) as environment:
        reference = functools.cache(lambda case: _undisturbed(Path(name), case, environment))
        order: list[str] = []
        while not figures.trials or time.monotonic() < end:
            order = order or chance.sample(cases, len(cases))
            case = order.pop()
            folder = _prepared(Path(name) / f"trial-{figures.trials}", case)
            _trial(CASES[case], case, folder, environment, chance, *reference(case), figures)
            figures.trials += 1
    return vars(figures) | {"longest_seconds": round(figures.longest_seconds, 2)}


def _trial(case: Case, name: str, folder: Path, environment, chance, expected, duration, figures: Figures) -> None:
    number, fresh = chance.choice(SIGNALS), chance.random() < 0.25
    delay = chance.uniform(0.0, 1.1 * duration) + (chance.uniform(0.0, 1.5) if fresh else 0)
    second = chance.uniform(0.0, 0.3) if chance.random() < 0.3 and number != 9 else None
    outcome = _run(case.arguments, folder, environment, fresh, number, delay, second)
    what = f"{name}: signal {int(number)}{' twice' if second else ''} after {delay:.2f} s, {'fresh' if fresh else ''}"

    def note(problem: str) -> None:
        figures.faults.append(f"{what}: {problem}")

    if outcome.signalled is not None and number != 9:
        figures.longest_seconds = max(figures.longest_seconds, outcome.signalled)
        if outcome.status not in (0, 128 + number, -number):  # the last: with all done, as the interpreter ends
            figures.wrong_statuses += 1
            note(f"exit status {outcome.status}")
        if len(outcome.stderr.splitlines()) > 1 and "recorded and enforced" not in outcome.stderr:
            figures.longer_lines += 1
            note(f"more than a line: {outcome.stderr[-500:]}")
        if left := _others(case, folder, number):
            figures.leftovers += len(left)
            note(f"left behind {left}")
        if outcome.signalled > LIMIT and not case.begun:  # a training run saves first
            note(f"ended after {outcome.signalled:.1f} s")
    if "Traceback" in outcome.stderr:
        figures.tracebacks += 1
        note(outcome.stderr[-1500:])
    arguments, stderr = case.arguments, ""
    if not case.begun or (folder / case.begun).exists():
        arguments += case.again
    if case.begun or _results(case, folder) != expected:
        again = _run(arguments, folder, environment, False)
        stderr = again.stderr
        if left := _others(case, folder, number):
            figures.leftovers += len(left)
            note(f"left behind by both {left}")
    if _results(case, folder) == expected:
        figures.survivals += 1
    else:
        note(f"the same command again: {stderr[-500:]} {_results(case, folder)} instead of {expected}")


def _results(case: Case, folder: Path) -> dict[str, str]:
    """What the command made, by name and content; times, and folders named after the hash of a path, are left out."""
    paths = sorted(path for glob in case.results for path in folder.glob(glob) if path.is_file())
    return {path.name: _digest(path) for path in paths if not path.name.startswith(".")}


def _digest(path: Path) -> str:
    if path.suffix == ".jsonl":
        records = [json.loads(line) for line in path.read_text().splitlines()]
        text = json.dumps([{k: v for k, v in record.items() if k != "seconds"} for record in records])
        return hashlib.sha256(text.encode()).hexdigest()
    if path.suffix == ".safetensors":
        tensors = load(path.read_bytes())
        return hashlib.sha256(b"".join(name.encode() + tensors[name].tobytes() for name in sorted(tensors))).hexdigest()
    return files.sha256(path)


def _others(case: Case, folder: Path, number: int) -> list[str]:
    """Temporary files. SIGKILL leaves those of a path that nobody holds a lock for, beside it."""
    kept = {path for glob in (*case.keeps, *case.results) for path in folder.glob(glob)}
    found = [path for path in folder.rglob("*") if path.is_file() and path not in kept]
    inside = [path.relative_to(folder) for path in found]
    hidden = [path for path in inside if any(part.startswith(".") for part in path.parts)]
    if number == 9:
        hidden = [path for path in hidden if not path.parts[0].startswith((".grid.png.", ".out."))]
    within = [path.relative_to(folder) for path in kept if files._TOKEN.fullmatch(path.name.rpartition(".")[2])]
    return sorted(map(str, [*hidden, *within]))


# ------------------------------------------------------------------------------------------------------ the processes


def _run(arguments, folder: Path, environment, fresh: bool, number=None, delay=0.0, second=None) -> Outcome:
    """A command in a process of its own, which is sent a signal after a while."""
    local = {"ZOO_CACHE": str(folder / "cache"), "HF_HOME": str(folder / "hf"), "ZOO_DATA": str(folder / "data")}
    environment = {"OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_XET": "1", **environment, **local}
    stderr, ready = folder.with_name(f"{folder.name}.stderr"), folder.with_name(f"{folder.name}.ready")
    ready.unlink(missing_ok=True)
    call = (str(folder), list(map(str, arguments)), environment, str(stderr), str(ready))
    wait: Callable[[float], int | None]
    if fresh:
        path = os.pathsep.join([str(_HERE.parent), *sys.path])
        program = [sys.executable, "-c", _PROGRAM, json.dumps(call)]
        process = subprocess.Popen(program, env={**_cleaned(), "PYTHONPATH": path}, stderr=stderr.open("wb"))
        wait, pid = functools.partial(_waited, process), process.pid
    else:
        process = children._CONTEXT.Process(target=child, args=call)
        process.start()
        wait, pid = functools.partial(_joined, process), process.pid
    while number is not None and not ready.exists() and wait(0.002) is None:
        pass
    since = None
    if number is not None and wait(delay) is None:
        since = time.monotonic()
        os.kill(pid, number)
        if second is not None and wait(second) is None:
            os.kill(pid, number)
    if (status := wait(120)) is None:
        process.kill()
        status = wait(10)
    ended = None if since is None else time.monotonic() - since
    return Outcome(status, stderr.read_text(errors="replace") if stderr.exists() else "", ended)


def _waited(process: subprocess.Popen, seconds: float) -> int | None:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def _joined(process, seconds: float) -> int | None:
    process.join(seconds)
    return process.exitcode


def _cleaned() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in children._UNSET}


_PROGRAM = """
import json, sys
from zoo.common import signals

def command():
    open(call[-1], "x").close()
    import siege_process

    siege_process.command(*call)

call = json.loads(sys.argv[1])
signals.run(command)
"""


def child(*call) -> None:
    """The program `zoo` in a process that has been forked."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in children._UNSET:
        os.environ.pop(name, None)
    signals.run(functools.partial(command, *call))


def command(folder: str, arguments: list[str], environment: dict[str, str], stderr: str, ready: str) -> None:
    """The program `zoo` once it heeds signals, with a narrow model in its registry."""
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in ((1, os.devnull), (2, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), number)
    Path(ready).touch()
    sys.argv = ["zoo", *arguments]
    registry.register(_narrow(), replace=True)
    from zoo.cli.app import main

    main()


# ------------------------------------------------------------------------------------------------- what they work with


@functools.cache
def _narrow():
    upstream = {"source": "mimicry", "google_drive_file": FILE, "path": "netG.pth"}
    return checkpoints.with_weights(checkpoints.narrow("sngan/cifar10", width=64), upstream=upstream)


@functools.cache
def _published() -> bytes:
    return checkpoints.saved({"model_state_dict": checkpoints.foreign_state(_narrow(), "mimicry")})


@contextlib.contextmanager
def _servers(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which Google Drive and the Hub are stand-ins, and slow."""
    with stand_in_drive.drive(folder) as (environment, drive), stand_in_hub.hub() as (address, hub):
        drive.files[FILE] = _published()
        config = _narrow().updated({"weights": [], "default_tag": None})
        files.save(folder / "model.safetensors", checkpoints.random_state(config))
        weights = (folder / "model.safetensors").read_bytes()
        exported = {"config.json": config.to_json().encode(), "model.safetensors": weights}
        hub.repositories[REPO] = stand_in_hub.Repository(exported)
        drive.pace = hub.pace = 0.02
        yield {**environment, "HF_ENDPOINT": address, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def _prepared(folder: Path, case: str) -> Path:
    folder.mkdir()
    if case == "import":
        (folder / "netG.pth").write_bytes(_published())
    if case == "data":
        import numpy as np
        from PIL import Image

        (folder / "pictures").mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / "0.png")
        for i in range(1, 300):
            os.link(folder / "pictures" / "0.png", folder / "pictures" / f"{i}.png")
    return folder


def _undisturbed(root: Path, case: str, environment: dict[str, str]) -> tuple[dict[str, str], float]:
    """(what a command makes, the seconds that it takes)."""
    folder, start = _prepared(root / f"reference-{case}", case), time.monotonic()
    outcome = _run(CASES[case].arguments, folder, environment, False)
    assert outcome.status == 0, outcome.stderr
    results = _results(CASES[case], folder)
    assert results, f"{case} made nothing"
    return results, time.monotonic() - start


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    arguments = parser.parse_args()
    figures = besiege(arguments.seconds, arguments.seed, tuple(arguments.cases))
    print(json.dumps(figures, indent=2))
    return int(bool(figures["faults"]))


if __name__ == "__main__":
    sys.exit(main())
