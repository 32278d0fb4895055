"""Inputs of others, made wrong at random: configs, alignments, reports, weights, arrays, images and checkpoints.

    python tests/programs/siege_inputs.py 60 --seed 0        # seconds

`besiege` runs the trials in a process of its own under a limit of memory and counts how they end: refused in one clear
line, accepted, or as a fault, which is any other exception, an escape in what is printed, more than five seconds, or
the death of the process. The same seed makes the same inputs.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
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
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMORY = 8 << 30  # bytes of addresses, of which PyTorch takes most without using them
LONGEST = 5.0  # seconds of a trial
_STARTING = 120.0  # seconds until the process has imported what it tests
_ACTS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")

TEXTS = (
    "A\x1b]0;owned\x07\x1b[2J",
    "\x9b31m",
    "\u202egnp.exe",
    "zero\u200bwidth",
    "two\nlines",
    "\u2028",
    "\ud800",
    "\x00",
    "[bold red]x[/bold red][link=http://x]y[/link]",
    "[/]",
    "<img src=x onerror=alert(1)>",
    "](javascript:alert(1))",
    "| a | b |\\|",
    "``` `x` ```",
    "'\"\\\"); __import__('os').system('id')  #",
    "$(id); `id` && id",
    "&lt;b&gt;",
    "$\\frac{",
    "猫 кошка قط 🐈",
    "x" * 100_000,
    "../../../etc/passwd",
    "{0} %s",
    "",
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 7, 10**9, 10**18, 2**63, -(2**63), 10**39, 0.5, -0.0, 1e308, 5e-324, [], {}),
    *([[]], {"": ""}, [1] * 50_000, ["x" * 100] * 20_000, {f"k{i}": i for i in range(5000)}, {"type": "custom"}),
    *TEXTS,
)
# (what is put in the place of a value, as text): what JSON's readers understand in several ways, or not at all
_RAW = ("NaN", "Infinity", "-Infinity", "1e999", "1" * 5000, "[" * 5000 + "]" * 5000, '{"a":' * 500 + "1" + "}" * 500)


# ------------------------------------------------------------------------------------------------ how inputs are made


def mutated(value: Any, chance: random.Random) -> Any:
    """Plain data with one to three changes at random places."""
    value = copy.deepcopy(value)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        holder, key = chance.choice(places)
        act = chance.random()
        if act < 0.1 and isinstance(holder, dict):
            holder.pop(key)
        elif act < 0.15 and isinstance(holder, dict):
            holder[chance.choice(TEXTS)] = chance.choice(VALUES)
        elif act < 0.3 and isinstance(holder, list):
            holder.extend(holder * chance.choice((1, 10)))
        elif act < 0.4:
            other, of = chance.choice(places)
            with contextlib.suppress(KeyError, IndexError, TypeError):
                holder[key] = copy.deepcopy(other[of])
        elif isinstance(holder[key], str) and act < 0.8:
            holder[key] = chance.choice((*TEXTS, holder[key] + chance.choice(TEXTS)))
        else:
            holder[key] = copy.deepcopy(chance.choice(VALUES))
        value = json.loads(json.dumps(value)) if _circular(value) else value
    return value


def _places(value: Any):
    for key in list(value) if isinstance(value, dict) else range(min(len(value), 50)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _circular(value: Any) -> bool:
    try:
        json.dumps(value)
    except ValueError:
        return True
    return False


def as_text(value: Any, chance: random.Random) -> bytes:
    """JSON; one in five is wrong as text too."""
    text = json.dumps(value)
    act = chance.random()
    if act < 0.08:
        numbers = list(re.finditer(r"(?<=: )-?\d+(?=[,}])", text))
        if numbers:
            found = chance.choice(numbers)
            text = text[: found.start()] + chance.choice(_RAW) + text[found.end() :]
    elif act < 0.1:
        text = text.replace("{", '{"name": "twice/twice", "name": "x/y", ', 1)
    data = text.encode("utf-8", "surrogatepass")
    if 0.1 <= act < 0.12:
        data = b"\xef\xbb\xbf" + data
    elif 0.12 <= act < 0.15:
        data = _damaged(data, chance)
    elif 0.15 <= act < 0.17:
        data = text.encode("utf-16", "surrogatepass")
    return data


def _damaged(data: bytes, chance: random.Random) -> bytes:
    """Cut, or with some bytes changed, or with something put in."""
    data, act = bytearray(data), chance.random()
    if not data or act < 0.3:
        return bytes(data[: chance.randrange(len(data) + 1)])
    if act < 0.9:
        for _ in range(chance.choice((1, 2, 8))):
            data[chance.randrange(min(len(data), chance.choice((64, 1 << 10, 1 << 30))))] = chance.randrange(256)
        return bytes(data)
    at = chance.randrange(len(data))
    return bytes(data[:at]) + chance.randbytes(chance.choice((1, 100, 5000))) + bytes(data[at:])


def _special(path: Path, chance: random.Random) -> None:
    """What stands in the place of a file and is none."""
    path.unlink(missing_ok=True)
    kind = chance.choice(("pipe", "device", "nothing", "itself", "folder"))
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"device": "/dev/zero", "nothing": "nowhere", "itself": path.name}[kind])


def _put(path: Path, data: bytes, chance: random.Random) -> None:
    if chance.random() < 0.03:
        _special(path, chance)
    else:
        path.write_bytes(data)


# ------------------------------------------------------------------------------------------------ what is tried


class Siege:
    """Honest inputs, and for each kind of input a trial: it makes one wrong and uses it as a user would."""

    def __init__(self, work: Path):
        import numpy as np
        import torch
        from PIL import Image

        import zoo
        from zoo.weights import bundled_path

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
        _put(place / "config.json", config, chance)
        (place / "model.safetensors").write_bytes(self.weights if weights is None else weights)
        return place

    def try_config(self, folder: Path, chance: random.Random) -> str:
        from zoo import card

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

        from zoo.describe import describe

        page = io.StringIO()
        Console(file=page, width=200).print(describe(config))
        return page.getvalue()

    def try_alignment(self, folder: Path, chance: random.Random) -> str:
        place = self._folder(folder, json.dumps(self.bare).encode(), chance)
        _put(place / "alignment.json", as_text(mutated(self.alignment, chance), chance), chance)
        return str(self.zoo.load(place, device="cpu").label_map)

    def try_report(self, folder: Path, chance: random.Random) -> str:
        from rich.console import Console

        from zoo.evaluation.report import Report
        from zoo.evaluation.verdicts import Comparison

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
        _put(folder / "report.json", as_text(mutated(json.loads(report.to_json()), chance), chance), chance)
        found = Report.from_file(folder / "report.json")
        page = io.StringIO()
        Console(file=page, width=200).print(found)
        return page.getvalue() + found._repr_markdown_()

    def try_weights(self, folder: Path, chance: random.Random) -> str:
        length = int.from_bytes(self.weights[:8], "little")
        header, body = json.loads(self.weights[8 : 8 + length]), self.weights[8 + length :]
        act = chance.random()
        if act < 0.6:
            text = as_text(mutated(header, chance), chance)
            declared = chance.choice((len(text),) * 6 + (1 << 30, 1 << 63, 0, len(text) + 1, 2**64 - 1))
            data = struct.pack("<Q", declared) + text + body
        elif act < 0.7:
            parts = chance.choice((*VALUES, {"../../x.safetensors": "0" * 64}, {"model.safetensors": "0" * 64}))
            header["__metadata__"]["parts"] = json.dumps(parts)
            text = json.dumps(header).encode()
            data = struct.pack("<Q", len(text)) + text + body
        else:
            data = _damaged(self.weights, chance)
        place = self._folder(folder, json.dumps(self.bare).encode(), chance, data)
        model = self.zoo.load(place, device="cpu")
        return str(model)

    def try_npz(self, folder: Path, chance: random.Random) -> str:
        import numpy as np

        from zoo.evaluation import sources

        path = folder / "x.npz"
        arrays = {"images": self.images, "labels": np.arange(12) % 3}
        if chance.random() < 0.5:
            arrays["labels"] = chance.choice(_labels(np))
        if chance.random() < 0.3:
            arrays["images"] = chance.choice(_images(np, self.images))
        buffer = io.BytesIO()
        chance.choice((np.savez, np.savez_compressed))(buffer, **arrays)
        act = chance.random()
        if act < 0.3:
            _put(path, _damaged(buffer.getvalue(), chance), chance)
        elif act < 0.6:
            _put(path, _lying_npz(chance), chance)
        else:
            _put(path, buffer.getvalue(), chance)
        if chance.random() < 0.3:
            return str(len(sources.from_npz(path)))
        return self._data(path, chance)

    def _data(self, path: Path, chance: random.Random) -> str:
        from zoo import datasets

        name = chance.choice(("custom", "custom", "mnist", "cifar10"))
        found = datasets.load(name, resolution=chance.choice((8, 16)), root=path)
        return datasets.describe(found)

    def try_folder(self, folder: Path, chance: random.Random) -> str:
        place = folder / "images"
        for i in range(4):
            suffix = chance.choice(list(self.pictures))
            data = self.pictures[suffix]
            if chance.random() < 0.4:
                data = _damaged(data, chance)
            elif chance.random() < 0.2:
                data = _bomb(chance)
            name = os.fsdecode(chance.choice((b"a", b"b", b"caf\xe9", b"\x1b]0;x\x07", b"a\nb", "猫".encode())))
            file = place / name / f"{i}.{suffix}"
            file.parent.mkdir(parents=True, exist_ok=True)
            _put(file, data, chance)
        if chance.random() < 0.2:
            (place / "loop").symlink_to(chance.choice((".", "..", "loop", "/dev")))
        return self._data(place, chance)

    def try_checkpoint(self, folder: Path, chance: random.Random) -> str:
        from zoo.upstream import pickles

        _put(folder / "netG.pth", _damaged(self.checkpoint, chance), chance)
        return str(list(pickles.read(folder / "netG.pth"))[:3])


def _labels(np) -> list:
    return [
        *(np.full(12, value) for value in (-1, 10**9, 2**62, float("nan"), 1e30, 0.5, True, "cat", 1j)),
        *(np.full(12, 2**63, np.uint64), np.zeros((12, 1), int), np.zeros(11, int), np.int64(3), np.zeros(0, int)),
    ]


def _images(np, images) -> list:
    return [
        *(images.astype(kind) for kind in ("float32", "int64", "complex64", "bool", "uint16", "S3", "U3")),
        *(images[:0], images[:, :0], images[0], images[0, 0, 0, 0], images[..., :2], images[..., 0], images[:, None]),
        np.full(images.shape, np.nan, np.float16),
    ]


def _lying_npz(chance: random.Random) -> bytes:
    """Arrays whose headers claim what is not there, and bombs."""
    shape = chance.choice(
        (
            "(1000000000, 3, 64, 64)",
            "(12, 16, 16, 3)",
            "(-1, 16, 16, 3)",
            f"({'9' * 4000},)",
            "(12, 1e9)",
            "()",
            "(" * 300,
        )
    )
    dtype = chance.choice(("|u1", "|u1", "|O", "<f8", "|V1000000000", "<U1000000000", "x", "|u1,|u1"))
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text = chance.choice((text, text, b"{" * 5000, b"[1]", text + b" " * 60_000))
    version = chance.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", chance.choice((len(text), 60_000)) & 0xFFFF)
    array = b"\x93NUMPY" + version + length + text + bytes(chance.choice((0, 12 * 16 * 16 * 3, 30 << 20)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        archive.writestr(chance.choice(("images.npy", "train_images.npy", "../images.npy")), array)
    return buffer.getvalue()


def _bomb(chance: random.Random) -> bytes:
    """Images with headers of gigantic sides, and files of other kinds under the name of one."""
    side = chance.choice((9_000, 12_000, 30_000, 65_000))
    chunks = {b"IHDR": struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), b"IDAT": zlib.compress(bytes(99))}
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks.items())
    png = b"\x89PNG\r\n\x1a\n" + b"".join(packed)
    bmp = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    ppm = f"P6 {side} {side} 255\n".encode()
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    return chance.choice((png, bmp, ppm, eps, b"", b"<svg/>", b"GIF89a" + b"\xff" * 20))


# ------------------------------------------------------------------------------------------------ running it


def besiege(seconds: float, seed: int, first: int = 0) -> dict[str, Any]:
    """Trials for so many seconds, beginning when the first process is ready.

    Returns:
        trials, refused, accepted, faults (a number), longest_seconds and longest_trial, kinds (trials of each), and
        fault_list: a text for each of the first hundred faults, with the number of the trial, which
        `python siege_inputs.py 0 --seed SEED --only NUMBER` repeats.
    """
    figures: dict[str, Any] = {"trials": 0, "refused": 0, "accepted": 0, "faults": 0, "longest_seconds": 0.0}
    figures |= {"kinds": {}, "fault_list": []}
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
    figures["kinds"][trial["kind"]] = figures["kinds"].get(trial["kind"], 0) + 1
    if trial["seconds"] > figures["longest_seconds"]:
        figures |= {"longest_seconds": trial["seconds"], "longest_trial": trial["number"]}
    outcome = "faults" if trial.get("fault") else "refused" if trial["refused"] else "accepted"
    figures[outcome] += 1
    if trial.get("fault") and len(figures["fault_list"]) < 100:
        figures["fault_list"].append(f"trial {trial['number']} ({trial['kind']}): {trial['fault']}")


def _serve(seed: int, first: int, work: Path, only: bool) -> None:
    """One trial after the other, each with a line of JSON on how it ended."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    siege = Siege(work)
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
