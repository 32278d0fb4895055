"""Inputs of others, made wrong at random: configs, alignments, reports, weights, arrays, images and checkpoints.

    python tests/programs/siege_inputs.py 60 --seed 0        # seconds

`besiege` runs the trials in a process of its own under a limit of memory and counts how they end: refused in one clear
line, accepted, or as a fault, which is any other exception, an escape in what is printed, more than five seconds, or
the death of the process. The same seed makes the same inputs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import queue
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "helpers"))  # where the tests' helpers are
from wrong_inputs import as_text, bomb, damaged, lying_npz, mutated, put, wrong_images, wrong_labels

MEMORY = 8 << 30  # bytes of addresses, of which PyTorch takes most without using them
LONGEST = 5.0  # seconds of a trial
_STARTING = 120.0  # seconds until the process has imported what it tests
_ACTS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")

# ------------------------------------------------------------------------------------------------ what is tried


class Siege:
    """Honest inputs, and for each kind of input a trial: it makes one wrong and uses it as a user would."""

    def __init__(self, work: Path):
        import numpy as np
        import torch
        from PIL import Image

        import zoo
        from zoo.checkpoints.weights import bundled_path

        self.zoo, self.work = zoo, work
        whole = zoo.info("contragan/digits")
        self.config = json.loads(whole.to_json())
        self.bare = {key: value for key, value in self.config.items() if key not in ("weights", "default_tag")}
        self.alignment = self.config["weights"][0]["alignment"]
        self.weights = bundled_path(whole.weights[0].bundled).read_bytes()
        self.images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
        self.pictures = {}
        for suffix in ("png", "jpg", "bmp", "gif", "tif", "webp"):
            buffer = io.BytesIO()
            Image.fromarray(self.images[0]).save(buffer, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix))
            self.pictures[suffix] = buffer.getvalue()
        buffer = io.BytesIO()
        torch.save({"state_dict": {"a": torch.ones(4, 4), "b": torch.arange(9)}, "step": 1}, buffer)
        self.checkpoint = buffer.getvalue()
        self.trials: dict[str, Callable[[Path, random.Random], str]] = {
            "config": self.try_config,
            "alignment": self.try_alignment,
            "report": self.try_report,
            "weights": self.try_weights,
            "npz": self.try_npz,
            "folder": self.try_folder,
            "checkpoint": self.try_checkpoint,
        }

    def warm_up(self) -> None:
        """Import whatever is imported late, which is not to count as the time of a trial."""
        for number in range(40):
            with contextlib.suppress(Exception):
                self.run(number, seed=-1)

    def run(self, number: int, seed: int) -> tuple[str, str]:
        """(kind, what was shown) of a trial; raises what it raises."""
        chance = random.Random(f"{seed} {number}")
        kind = chance.choices(list(self.trials), (6, 1, 2, 3, 3, 2, 2))[0]
        folder = Path(tempfile.mkdtemp(dir=self.work))
        os.environ["ZOO_DATA"] = str(folder / "data")
        try:
            return kind, self.trials[kind](folder, chance)
        except Exception as error:
            error.kind = kind
            raise
        finally:
            shutil.rmtree(folder)

    def _folder(self, place: Path, config: bytes, chance: random.Random, weights: bytes | None = None) -> Path:
        place = place / "model"
        place.mkdir()
        put(place / "config.json", config, chance)
        (place / "model.safetensors").write_bytes(self.weights if weights is None else weights)
        return place

    def try_config(self, folder: Path, chance: random.Random) -> str:
        from zoo.release import card

        base = self.config if chance.random() < 0.5 else self.bare
        place = self._folder(folder, as_text(mutated(base, chance), chance), chance)
        config = self.zoo.info(place)
        if self.zoo.ModelConfig.from_dict(json.loads(config.to_json())) != config:
            raise AssertionError("to_json does not read back")
        shown = self._page(config) + card.render(config)
        model = self.zoo.load(place, device="cpu")
        return shown + str(model) + str(model.class_names) + str(len(model.sample(1, seed=0)))

    def _page(self, config) -> str:
        from rich.console import Console

        from zoo.cli.describe import describe

        page = io.StringIO()
        Console(file=page, width=200).print(describe(config))
        return page.getvalue()

    def try_alignment(self, folder: Path, chance: random.Random) -> str:
        place = self._folder(folder, json.dumps(self.bare).encode(), chance)
        put(place / "alignment.json", as_text(mutated(self.alignment, chance), chance), chance)
        return str(self.zoo.load(place, device="cpu").label_map)

    def try_report(self, folder: Path, chance: random.Random) -> str:
        from rich.console import Console

        from zoo.evaluation.report.report import Report
        from zoo.evaluation.report.verdicts import Comparison

        score = {"metric": "FID", "value": 3.5, "num_fake": 10, "protocol": "clean"}
        report = Report.model_validate(
            {
                "subject": {"name": "a", "tag": "b"},
                "results": [{**score, "kind": "fid", "per_seed": [3.5], "note": "none"}],
                "comparisons": [Comparison(metric="FID", published=3, source="paper", verdict="better").model_dump()],
                "protocols": [{"name": "clean", "title": "t", "source": "s", "quirks": ["q"]}],
                "extractor": {"name": "e", "weights": "w", "sha256": "0", "official": True, "preprocessing": ["p"]},
                "warnings": ["w"],
                "references": [
                    {
                        **dict.fromkeys(("dataset", "split", "selection", "checksum", "from"), "text"),
                        **dict.fromkeys(("resolution", "count", "total"), 10),
                    }
                ],
                "classes": {
                    "rows": [{"index": 0, "name": "cat", "num_real": 5, "num_fake": 5, "accuracy": 0.5}] * 2,
                    "rows_assigned": [{"index": 0, "name": "cat", "num_real": 5, "num_fake": 5, "accuracy": 0.5}] * 2,
                    "accuracy": 0.5,
                    "accuracy_on_real": 0.5,
                    "accuracy_assigned": 0.5,
                    "classifier": "c",
                },
                "convergence": {
                    "counts": [5, 10],
                    "distances": [2, 1],
                    "infinity": 0.5,
                    "slope": 1,
                    "straightness": 1,
                },
                "environment": {"command": "zoo evaluate x", "device": "cpu"},
            }
        )
        put(folder / "report.json", as_text(mutated(json.loads(report.to_json()), chance), chance), chance)
        found = Report.from_file(folder / "report.json")
        page = io.StringIO()
        Console(file=page, width=200).print(found)
        return page.getvalue() + found._repr_markdown_()

    def try_weights(self, folder: Path, chance: random.Random) -> str:
        length = int.from_bytes(self.weights[:8], "little")
        header, body = json.loads(self.weights[8 : 8 + length]), self.weights[8 + length :]
        if chance.random() < 0.6:
            text = as_text(mutated(header, chance), chance)
            declared = chance.choice((len(text),) * 6 + (1 << 30, 1 << 63, 0, len(text) + 1, 2**64 - 1))
            data = struct.pack("<Q", declared) + text + body
        else:
            data = damaged(self.weights, chance)
        place = self._folder(folder, json.dumps(self.bare).encode(), chance, data)
        model = self.zoo.load(place, device="cpu")
        return str(model)

    def try_npz(self, folder: Path, chance: random.Random) -> str:
        import numpy as np

        from zoo.evaluation.features import sources

        path = folder / "x.npz"
        arrays = {"images": self.images, "labels": np.arange(12) % 3}
        if chance.random() < 0.5:
            arrays["labels"] = chance.choice(wrong_labels(np))
        if chance.random() < 0.3:
            arrays["images"] = chance.choice(wrong_images(np, self.images))
        buffer = io.BytesIO()
        chance.choice((np.savez, np.savez_compressed))(buffer, **arrays)
        act = chance.random()
        if act < 0.3:
            put(path, damaged(buffer.getvalue(), chance), chance)
        elif act < 0.6:
            put(path, lying_npz(chance), chance)
        else:
            put(path, buffer.getvalue(), chance)
        if chance.random() < 0.3:
            return str(len(sources.pictures(path)))
        return self._data(path, chance)

    def _data(self, path: Path, chance: random.Random) -> str:
        from zoo import datasets

        name = chance.choice(("custom", "custom", "digits"))  # of which nothing is downloaded
        found = datasets.load(name, resolution=chance.choice((8, 16)), root=path)
        return datasets.describe(found)

    def try_folder(self, folder: Path, chance: random.Random) -> str:
        place = folder / "images"
        for i in range(4):
            suffix = chance.choice(list(self.pictures))
            data = self.pictures[suffix]
            if chance.random() < 0.4:
                data = damaged(data, chance)
            elif chance.random() < 0.2:
                data = bomb(chance)
            name = os.fsdecode(chance.choice((b"a", b"b", b"caf\xe9", b"\x1b]0;x\x07", b"a\nb", "猫".encode())))
            file = place / name / f"{i}.{suffix}"
            file.parent.mkdir(parents=True, exist_ok=True)
            put(file, data, chance)
        if chance.random() < 0.2:
            (place / "loop").symlink_to(chance.choice((".", "..", "loop", "/dev")))
        return self._data(place, chance)

    def try_checkpoint(self, folder: Path, chance: random.Random) -> str:
        from zoo.checkpoints.upstream import pickles

        put(folder / "netG.pth", damaged(self.checkpoint, chance), chance)
        return str(list(pickles.read(folder / "netG.pth"))[:3])


# ------------------------------------------------------------------------------------------------ running it


def besiege(seconds: float, seed: int, first: int = 0) -> dict[str, Any]:
    """Trials for so many seconds, beginning when the first process is ready.

    Returns:
        trials, refused, accepted, longest_seconds and longest_trial, trials of each kind, and faults: a text for each,
        with the number of the trial, which
        `python siege_inputs.py 0 --seed SEED --only NUMBER` repeats.
    """
    figures: dict[str, Any] = {"trials": 0, "refused": 0, "accepted": 0, "longest_seconds": 0.0, "faults": []}
    clock, number = _Clock(seconds), first
    with tempfile.TemporaryDirectory(prefix="siege-") as work:
        while not clock.over:
            number = _sit(Path(work), seed, number, clock, figures)
    return figures


class _Clock:
    """Runs from its first start."""

    def __init__(self, seconds: float):
        self.seconds, self.end = seconds, float("inf")

    def start(self) -> None:
        self.end = min(self.end, time.monotonic() + self.seconds)

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.end


def _sit(work: Path, seed: int, number: int, clock: _Clock, figures: dict[str, Any]) -> int:
    """One process, until time is over or it dies; returns the number of the next trial."""
    command = [sys.executable, __file__, "0", "--seed", str(seed), "--from", str(number), "--work", str(work)]
    ours = os.pathsep.join(filter(None, (str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH"))))
    environment = {
        **os.environ,
        "PYTHONPATH": ours,
        "OMP_NUM_THREADS": "1",
        "ZOO_CACHE": str(work / "cache"),
        "ZOO_OFFLINE": "1",
    }
    with (work / "stderr").open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    patience = _STARTING
    try:
        while True:
            try:
                line = lines.get(timeout=patience)
            except queue.Empty:
                clock.start()
                return _lost(figures, number, f"no answer within {patience:.0f} s", work)
            if not line:
                clock.start()
                return _lost(figures, number, f"the process died ({process.wait()})", work)
            patience = LONGEST + 5
            clock.start()
            if line.startswith("{"):
                _count(figures, json.loads(line))
                number += 1
                if clock.over:
                    return number
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def _read(stream, lines: queue.Queue) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def _lost(figures: dict[str, Any], number: int, why: str, work: Path) -> int:
    last = (work / "stderr").read_text(errors="replace").strip().splitlines()[-1:]
    _count(figures, {"number": number, "kind": "?", "fault": f"{why}: {last}", "seconds": 0.0})
    return number + 1


def _count(figures: dict[str, Any], trial: dict[str, Any]) -> None:
    figures["trials"] += 1
    kind = f"trials of {trial['kind']}"
    figures[kind] = figures.get(kind, 0) + 1
    if trial["seconds"] > figures["longest_seconds"]:
        figures |= {"longest_seconds": trial["seconds"], "longest_trial": trial["number"]}
    if trial.get("fault"):
        figures["faults"].append(f"trial {trial['number']} ({trial['kind']}): {trial['fault']}")
    else:
        figures["refused" if trial["refused"] else "accepted"] += 1


def _serve(seed: int, first: int, work: Path, only: bool) -> None:
    """One trial after the other, each with a line of JSON on how it ended."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    siege = Siege(work)
    siege.warm_up()
    print("ready", flush=True)
    number = first
    while True:
        print(json.dumps(_judged(siege, number, seed)), flush=True)
        number += 1
        if only:
            return


def _judged(siege: Siege, number: int, seed: int) -> dict[str, Any]:
    from zoo import ZooError

    begin = time.monotonic()
    refused, shown, told = False, "", io.StringIO()
    found: dict[str, Any] = {"number": number}
    try:
        with contextlib.redirect_stderr(told):
            found["kind"], shown = siege.run(number, seed)
    except ZooError as error:
        refused, shown, found["kind"] = True, str(error), error.kind
        if len(shown) > 2000 or "\n" in shown:
            found["fault"] = f"a refusal of {len(shown)} characters, {shown.count(chr(10)) + 1} lines: {shown[:200]!r}"
    except BaseException as error:
        found["kind"] = getattr(error, "kind", "?")
        found["fault"] = f"{type(error).__name__}: {str(error)[:300]!r}"
    found |= {"refused": refused, "seconds": round(time.monotonic() - begin, 3)}
    if acting := _ACTS.search(shown + told.getvalue()):
        found["fault"] = f"{acting[0]!r} is shown: {shown[max(0, acting.start() - 80) :][:160]!r}"
    if found["seconds"] > LONGEST:
        found["fault"] = f"{found['seconds']} s"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="repeat one trial in this process")
    parser.add_argument("--from", type=int, dest="first", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work is not None:
        _serve(given.seed, given.first, given.work, only=False)
    elif given.only is not None:
        with tempfile.TemporaryDirectory(prefix="siege-") as work:
            _serve(given.seed, given.only, Path(work), only=True)
    else:
        figures = besiege(given.seconds, given.seed)
        print(json.dumps(figures, indent=2))
        sys.exit(bool(figures["faults"]))


if __name__ == "__main__":
    main()
