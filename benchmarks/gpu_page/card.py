"""The card, and what it does at best: large matrix products and a copy."""

from __future__ import annotations

import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from .page import Clock, Figure, Found, Setting

BLOCKS = 5
_QUERY = "driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit"


@dataclass
class Fact(Figure):
    COLUMNS = ("the card", "")
    what: str
    value: str

    def row(self):
        return self.what, self.value


@dataclass
class Limit(Figure):
    COLUMNS = ("at best", "", "unit", "of blocks")
    what: str
    value: float
    unit: str
    blocks: int

    def row(self):
        return self.what, f"{self.value:,.1f}", self.unit, str(self.blocks)


def section(setting: Setting, clock: Clock) -> Iterator[Found]:
    side, speeds = side_of(setting), products(setting)  # first, so that the clocks are those of work
    yield from facts(setting)
    for precision, speed in speeds.items():
        yield Limit(f"{precision}: product of two {side} x {side}", speed / 1e12, "TFLOP/s", BLOCKS)
    yield Limit("copy within the memory, read and written", copied(setting) / 1e9, "GB/s", BLOCKS)


def facts(setting: Setting) -> Iterator[Fact]:
    yield Fact("torch", torch.__version__)
    if not setting.on_gpu:
        yield Fact("device", f"CPU, {torch.get_num_threads()} threads")
        return
    card = torch.cuda.get_device_properties(setting.device)
    yield Fact("name", card.name)
    yield Fact("memory", f"{card.total_memory / 2**30:.1f} GiB, {card.multi_processor_count} multiprocessors")
    yield Fact("CUDA, cuDNN", f"{torch.version.cuda}, {torch.backends.cudnn.version()}")
    yield Fact(f"nvidia-smi: {_QUERY}", from_the_driver(setting.device.index or 0))


def from_the_driver(index: int) -> str:
    if not shutil.which("nvidia-smi"):
        return "not readable: there is no nvidia-smi"
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader", f"--id={index}"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=20)
    return answer.stdout.strip() if answer.returncode == 0 else f"not readable: {answer.stderr.strip()[:80]}"


def side_of(setting: Setting) -> int:
    return 256 if setting.rehearse else 8192


def products(setting: Setting) -> dict[str, float]:
    """Operations a second of a large matrix product in each precision, measured once a page."""
    if "products" not in setting.shared:
        setting.shared["products"] = {
            precision: product(setting, precision)
            for precision in ("bfloat16", *(["tf32"] if setting.on_gpu else []), "float32")
        }
    return setting.shared["products"]


def product(setting: Setting, precision: str) -> float:
    side, switches = side_of(setting), torch.backends.cuda.matmul
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.randn(side, side, device=setting.device).to(dtype) for _ in range(2))
    before, switches.allow_tf32 = switches.allow_tf32, precision == "tf32"
    try:
        return 2 * side**3 / median_seconds(setting, lambda: a @ b)
    finally:
        switches.allow_tf32 = before


def copied(setting: Setting) -> float:
    """Bytes a second, those that are read and those that are written."""
    source = torch.zeros(1 << (20 if setting.rehearse else 30), dtype=torch.uint8, device=setting.device)
    target = torch.empty_like(source)
    return 2 * source.numel() / median_seconds(setting, lambda: target.copy_(source))


def median_seconds(setting: Setting, function: Callable[[], object]) -> float:
    """Of one call: the median of blocks of about 50 ms, after a first call and a first block."""
    setting.seconds(function)
    calls = max(1, min(200, int(0.05 / setting.seconds(function))))

    def block() -> None:
        for _ in range(calls):
            function()

    return statistics.median([setting.seconds(block) for _ in range(BLOCKS + 1)][1:]) / calls
