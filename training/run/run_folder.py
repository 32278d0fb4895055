"""The folder of one run, which is also a model: `zoo.load("runs/x")` samples from it while it trains and after.

config.json         the resolved config
environment.json    versions, device, data and git revision of each start
metrics.jsonl       losses, one line per logged step
best.safetensors    the generator that scored best, and its score, if scores are measured; best.json repeats the score
losses.png          the losses as a plot; tensorboard/ has them as events
samples/            sheets of fixed latents over time
checkpoints/        the whole state, to resume from even if other files are lost
model.safetensors   the sampling generator; discriminator.safetensors beside it
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any

import torch

import zoo
from zoo.checkpoints import weights
from zoo.common import files
from zoo.common.errors import WeightsCorruptedError, ZooError
from zoo.common.json_files import read_json
from zoo.common.locks import locked
from zoo.common.side_files import set_aside
from zoo.release.run_log import read_log
from zoo.schema.config import ModelConfig

_LOCK = ".lock"
_JSON = r"(config|environment|best)\.json|metrics\.jsonl"
_FILES = r"(model|discriminator|best|step-\d{7})\.safetensors|(losses|\d{7})\.png"
# What `files.replacing` calls a file while it is written: its name between a dot and eight hex digits.
_LEFTOVER = re.compile(rf"\.({_JSON}|{_FILES})\.[0-9a-f]{{8}}")


class RunFolder:
    def __init__(self, path: Path):
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.metrics = path / "metrics.jsonl"
        self.environment = path / "environment.json"
        self.best_weights = path / "best.safetensors"

    def create(self, config: ModelConfig) -> None:
        """Begin a run here; raises ZooError if the folder holds a run or anything else."""
        self.check_new()
        self.write(config)

    def write(self, config: ModelConfig) -> None:
        files.write_atomically(self.path / "config.json", config.to_json().encode())

    def check_new(self) -> None:
        """Raises ZooError unless the folder is empty or missing: a run does not share its folder with other files."""
        if self.exists():
            raise ZooError(f"{self.path} holds a run already; continue it with --resume, or give another folder")
        if self.path.exists() and not self.path.is_dir():
            raise ZooError(f"{self.path} is a file; give a folder")
        if not _is_utf8(self.path):
            raise ZooError(
                f"{self.path}: TensorBoard's files are read only from paths in UTF-8; give a folder of another name"
            )
        found = sorted(path.name for path in self.path.iterdir()) if self.path.is_dir() else []
        others = [name for name in found if not self._is_of_a_beginning(name)]
        if others:
            raise ZooError(f"{self.path} holds {others[0]}, which no run has written; give an empty or a new folder")

    def _is_of_a_beginning(self, name: str) -> bool:
        """Return True for what a run writes before its config: it was killed while it began."""
        if name == self.checkpoints.name and self.checkpoints.is_dir():
            return all(
                path.name == "step-0000000.safetensors" or _LEFTOVER.fullmatch(path.name)
                for path in self.checkpoints.iterdir()
            )
        return name == _LOCK or _LEFTOVER.fullmatch(name) is not None

    def keep_plugins(self, plugins: Sequence[Path]) -> None:
        """Copy the files that define the run's own losses."""
        for file in plugins:
            files.write_atomically(self.path / "plugins" / file.name, file.read_bytes())

    def exists(self) -> bool:
        return (self.path / "config.json").exists()

    def config(self) -> ModelConfig:
        """Return the config of the run here; raises ZooError if there is none."""
        if not self.exists():
            raise ZooError(f"{self.path} holds no run to resume; start one without --resume")
        return ModelConfig.from_file(self.path / "config.json")

    def check_same(self, config: ModelConfig) -> None:
        """Raises ZooError, naming the fields, if the run here has other networks, data or training.

        What the run is called and what it records are its own, and do not count; nor do the places of its data.
        """
        fields = differences(core(self.config()), core(config))
        if fields:
            raise ZooError(
                f"{self.path} is a run of another config (different: {', '.join(fields)}); resume it as it was, with "
                f"`zoo train {quote(str(self.path))} --resume`, or start another in another folder"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Inside, no other process on this machine trains into this folder; the lock of a killed one is released."""
        self.path.mkdir(parents=True, exist_ok=True)
        refusal = f"another process is training into {self.path}; stop it, or give another folder"
        with locked(self.path / _LOCK, refusal=refusal):
            if self.exists():
                self._remove_leftovers()
            yield

    def _remove_leftovers(self) -> None:
        """Remove the temporary files of writes that a kill cut short: only those with a run's own file names."""
        for folder in (self.path, self.checkpoints, self.path / "samples"):
            for path in folder.iterdir() if folder.is_dir() else ():
                if _LEFTOVER.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                    path.unlink()

    # ------------------------------------------------------------------------------------------------- the record

    def note_start(self, about: dict[str, Any]) -> None:
        """Add this start to environment.json."""
        text = json.dumps({"starts": [*self.starts(), about]}, indent=2)
        files.write_atomically(self.environment, text.encode())

    def starts(self) -> list[dict[str, Any]]:
        """Return the notes of each start; a damaged file is set aside and gives an empty list."""
        try:
            starts = read_json(self.environment)["starts"]
            if isinstance(starts, list) and all(isinstance(start, dict) for start in starts):
                return starts
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError):
            pass
        set_aside(self.environment, "it lists no starts")
        return []

    def best(self) -> dict[str, Any] | None:
        """Return the best score so far, as its weights file records it: {"step", "metric", "value"}."""
        if not self.best_weights.exists():
            return None
        try:
            about = weights.read_metadata(self.best_weights)
            return {"step": int(about["step"]), "metric": about["metric"], "value": float(about["value"])}
        except (WeightsCorruptedError, KeyError, ValueError):
            set_aside(self.best_weights, "they do not say what they scored")
            return None

    def keep_best(self, tensors: dict[str, torch.Tensor], about: dict[str, str], metric: str, value: float) -> None:
        """Save weights as the best so far."""
        score = {"metric": metric, "value": float(value)}
        files.save(self.best_weights, tensors, about | {key: str(found) for key, found in score.items()})
        self._tell_best({"step": int(about["step"])} | score)

    def mend_best(self) -> None:
        """Make best.json agree with the best weights."""
        best, path = self.best(), self.path / "best.json"
        if path.exists() and not _is_best(path):
            set_aside(path, f"{self.best_weights.name} tells what it should say")
        if best is not None:
            self._tell_best(best)

    def _tell_best(self, best: dict[str, Any]) -> None:
        files.write_atomically(self.path / "best.json", json.dumps(best).encode())

    def rewind(self, step: int) -> None:
        """Remove the metrics after a step, which will be measured again; a copy of a damaged file is kept."""
        if not self.metrics.exists():
            return
        if not self.metrics.is_file():
            set_aside(self.metrics, "it is no file")
            return
        records, damaged = read_log(self.metrics)
        if damaged:
            set_aside(self.metrics, f"{damaged} of its lines cannot be read, the others are kept", copy=True)
        lines = [f"{json.dumps(record)}\n" for record in records if record["step"] <= step]
        files.write_atomically(self.metrics, "".join(lines).encode())

    def records(self) -> list[dict[str, float]]:
        """Return all lines of metrics.jsonl except damaged ones and a last line that a kill cut short."""
        return read_log(self.metrics)[0]

    def clear_the_way(self) -> None:
        """Set aside what blocks a run's paths because it is of another kind (a folder or a file)."""
        for folder in ("checkpoints", "samples", "tensorboard"):
            if (self.path / folder).exists() and not (self.path / folder).is_dir():
                set_aside(self.path / folder, "it is no folder")
        for file in ("losses.png", "model.safetensors", "discriminator.safetensors"):
            if (self.path / file).exists() and not (self.path / file).is_file():
                set_aside(self.path / file, "it is no file")


def _is_best(path: Path) -> bool:
    try:
        return set(read_json(path)) == {"step", "metric", "value"}
    except (OSError, ValueError, TypeError):
        return False


def differences(a: Any, b: Any, path: str = "") -> list[str]:
    """List the dotted fields in which two configs' plain data differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [*a, *(key for key in b if key not in a)]
        return [
            field
            for key in keys
            for field in differences(a.get(key), b.get(key), f"{path}.{key}" if path else str(key))
        ]
    return [] if a == b else [path]


def core(config: ModelConfig) -> dict[str, Any]:
    """Return the part of a config that decides what its training computes."""
    parts = {name: getattr(config, name).model_dump(mode="json") for name in ("generator", "discriminator", "data")}
    return parts | {"training": config.training.model_dump(mode="json", exclude={"notes", "as_paper"})}


def environment(device: torch.device) -> dict[str, Any]:
    """Return versions, machine and revision of the code: what a repetition of the run needs."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "zoo": zoo.__version__,
        "revision": _revision(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "device": device_name(device),
    }


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' * (threads > 1)}"


def _revision() -> str | None:
    """Return the git revision of this code, "+changes" where files differ from it; None outside a checkout."""
    here = Path(__file__).parents[1]
    try:
        top = _git(here, "rev-parse", "--show-toplevel")
        if Path(top) != here.parent:  # a checkout of something else that this package is installed inside
            return None
        return _git(here, "rev-parse", "HEAD") + ("+changes" if _git(here, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
