"""Kill a run with SIGKILL again and again, resume it each time, and compare it with one that nobody disturbed.

    python tests/programs/kill_and_resume.py FOLDER [--kills 5] [--seed 0] [--name infomax-gan/digits]

Half of the kills come at a random moment, half inside the writing of a file: before its data is on disk, or between
that and its rename. Prints one JSON object; exit status 1 if anything differs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from narrow import tiny

from training.networks import Networks
from training.run import checkpoint
from training.run.trainer import Options, train
from zoo import datasets
from zoo.checkpoints import weights
from zoo.release import run_plots
from zoo.schema import registry

STEPS, SAVE_EVERY = 8, 2


def run(config, out: Path) -> None:
    train(config, Options(out, device="cpu", resume=(out / "config.json").exists(), log_every=1, save_every=SAVE_EVERY))


def import_all(config) -> None:
    """Once for all children, what a run imports on its way; no backward pass, after which a process cannot fork."""
    datasets.load_for(config)
    Networks.build(config)
    run_plots.losses([{"step": 1, "d/adversarial": 1.0}])
    importlib.import_module("torch.utils.tensorboard")


def in_child(config, out: Path, sabotage=None) -> int:
    """Run in a forked process; returns its pid. `sabotage` is called in the child first."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            if sabotage:
                sabotage()
            run(config, out)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(3)
        os._exit(0)
    return pid


def die_in_call(owner, name: str, number: int):
    """SIGKILL to oneself in the number-th call of a function, before it does anything."""

    def sabotage():
        original, calls = getattr(owner, name), 0

        def dying(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        setattr(owner, name, dying)

    return sabotage


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="infomax-gan/digits")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    chance = random.Random(arguments.seed)
    changes = {"training.steps": STEPS, "training.batch_size": 8}
    config = tiny(registry.config(arguments.name)).updated(changes)

    import_all(config)
    calm, disturbed = arguments.folder / "calm", arguments.folder / "disturbed"
    started = time.monotonic()
    assert os.waitpid(in_child(config, calm), 0)[1] == 0
    duration = time.monotonic() - started

    kills, finished, leftovers = {"moment": 0, "write": 0}, 0, []
    while sum(kills.values()) < arguments.kills:
        kind = "moment" if sum(kills.values()) % 2 else "write"
        sabotage = None
        if kind == "write":
            sabotage = die_in_call(*chance.choice([(os, "fsync"), (Path, "replace")]), chance.randint(1, 7))
        pid = in_child(config, disturbed, sabotage)
        if kind == "moment":
            time.sleep(chance.uniform(0, duration))
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            kills[kind] += 1
        else:
            assert status == 0, "a resumed run failed"
            finished += 1
            compare(calm, disturbed)
            os.system(f"rm -rf '{disturbed}'")  # killed too late; again from the start
    if disturbed.exists():
        leftovers = sorted(path.name for path in (disturbed / "checkpoints").glob(".*"))
    assert os.waitpid(in_child(config, disturbed), 0)[1] == 0
    compare(calm, disturbed)
    print(json.dumps({"kills": kills, "finished meanwhile": finished, "temporary files left": leftovers}))
    return 0


def compare(calm: Path, disturbed: Path) -> None:
    """Every tensor of the last checkpoint and of the export, and every logged loss."""
    name = f"checkpoints/step-{STEPS:07d}.safetensors"
    for file in (name, "model.safetensors", "discriminator.safetensors"):
        a, b = weights.read(calm / file), weights.read(disturbed / file)
        assert a.keys() == b.keys()
        different = [key for key in a if not torch.equal(a[key], b[key])]
        assert not different, f"{file}: {different[:3]}"
    logs = []
    for folder in (calm, disturbed):
        records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        logs.append([{key: value for key, value in record.items() if key != "seconds"} for record in records])
    assert logs[0] == logs[1], "the logs differ"
    assert checkpoint.steps(calm / "checkpoints") == checkpoint.steps(disturbed / "checkpoints")


if __name__ == "__main__":
    sys.exit(main())
