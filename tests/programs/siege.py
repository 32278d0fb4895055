"""The siege: everything that is done to the project to make it lose or leak something, as one program.

    python tests/programs/siege.py [--minutes 10] [--seed 0] [--only bulk,demo,...]

Each part gets an equal share of the time, in an interpreter of its own, and returns its figures: what was tried, what
survived, what grew. `faults` must be empty; the exit status is 1 where it is not.

    bulk       random sampling commands into one output, killed at random (siege_bulk.py)
    training   runs of two processes, killed and resumed (siege_training.py)
    process    commands that load, download, import, train and export, ended by signals (siege_process.py)
    inputs     configs, weights and data that somebody has changed at random (siege_inputs.py)
    demo       malformed, slow and half-sent requests beside honest ones (siege_demo.py)
    leaks      loads, samples, switches and threads without end (siege_leaks.py)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

PARTS = ("bulk", "training", "process", "inputs", "demo", "leaks")
_GRACE = 300  # seconds for what is under way when a part's time is up
_CALL = "import json, sys, siege_{0}; print(json.dumps(siege_{0}.besiege(float(sys.argv[1]), int(sys.argv[2]))))"


def besiege(part: str, seconds: float, seed: int) -> dict:
    """The figures of one part; a part that fails or hangs is a fault."""
    here = Path(__file__).parent
    paths = [str(here), str(here.parent / "helpers"), str(here.parent.parent), *sys.path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _CALL.format(part), str(seconds), str(seed)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=seconds + _GRACE)
    except subprocess.TimeoutExpired:
        return {"faults": [f"not done {_GRACE} s after its time"]}
    if done.returncode:
        return {"faults": [f"status {done.returncode}: {done.stderr.strip()[-500:]}"]}
    return json.loads(done.stdout.splitlines()[-1])


def table(figures: dict[str, dict]) -> str:
    """The figures of all parts in Markdown."""
    rows = [
        (part, name, str(len(value) if isinstance(value, list) else value))
        for part, found in figures.items()
        for name, value in found.items()
    ]
    widths = [max(map(len, column)) for column in zip(("part", "figure", "value"), *rows, strict=True)]
    head = [("part", "figure", "value"), tuple("-" * width for width in widths)]
    return "\n".join(
        f"| {part:{widths[0]}} | {name:{widths[1]}} | {value:>{widths[2]}} |" for part, name, value in (*head, *rows)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    figures = {}
    for part in chosen:
        began = time.monotonic()
        figures[part] = besiege(part, options.minutes * 60 / len(chosen), options.seed)
        print(f"{part}: {time.monotonic() - began:.0f} s, {len(figures[part]['faults'])} faults", file=sys.stderr)
        for fault in figures[part]["faults"]:
            print(f"  {fault}", file=sys.stderr)
    print(table(figures))
    return any(found["faults"] for found in figures.values())


if __name__ == "__main__":
    sys.exit(main())
