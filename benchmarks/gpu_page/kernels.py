"""The kernels of a step by kind, from their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch.profiler import ProfilerActivity, profile

from .loops import PROFILED, Loop
from .page import Clock, Figure, Found, NotRun, Setting, guarded

# The first that matches decides. Compiled kernels (triton_...) are named after all that was fused into them, so they
# come first: what was fused around a batch norm is of its kind, and "convolution" in such a name is only its bias.
PATTERNS = (
    ("batch norm", r"^triton_.*batch_norm"),
    ("matmul", r"^triton_(tem|mm|bmm)"),
    ("resampling", r"^triton_.*(unsafe_index|upsample|avg_pool)"),
    ("casts, copies", r"^triton_poi_fused(_|to_copy|clone|copy|cat|stack|view|unsafe|unsqueeze|\d)+$"),
    ("reduction", r"^triton_(red|per)"),
    ("pointwise", r"^triton_"),
    ("optimiser", r"multi_tensor_apply_kernel<.*(FusedO|FusedAdam|Lerp)"),  # Lerp: the generator's average
    ("batch norm", r"batch_?norm"),
    ("resampling", r"upsample|(avg|max)_pool"),
    ("matmul", r"flash|fmha|sdpa|attention"),
    ("casts, copies", r"nhwcAddPadding|nchwToNhwc|nhwcToNchw"),  # layouts, as cuDNN wants them
    ("convolution", r"fprop|dgrad|wgrad|convol|implicit_?gemm|winograd"),
    ("matmul", r"gemm|gemv|nvjet|cublas|cutlass|dot_kernel"),
    ("casts, copies", r"mem(cpy|set)|copy_kern|CopyFunctor|CatArray|FillFunctor"),
    ("reduction", r"reduce|softmax"),
    ("pointwise", r"elementwise|multi_tensor_apply"),
)
OTHER = "other"
_COMPILED = [(kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in PATTERNS]
_ANNOTATIONS = re.compile(r"Optimizer\.|ProfilerStep|##|Torch-Compiled")  # spans over kernels, not kernels
_PROFILED_STEPS = 3


def kind_of(name: str) -> str:
    """The kind of a kernel, by its name as the profiler gives it."""
    return next((kind for kind, pattern in _COMPILED if pattern.search(name)), OTHER)


@dataclass
class Kernel:
    name: str
    microseconds: float  # in all steps that were profiled
    launches: int


@dataclass
class KernelKind(Figure):
    COLUMNS = ("recipe", "loop", "kind", "ms a step", "share", "launches a step", "the largest")
    recipe: str
    loop: str
    kind: str
    milliseconds: float
    share: float
    launches: float
    largest: str
    steps: int

    def row(self):
        return (
            f"`{self.recipe}`",
            self.loop,
            self.kind,
            f"{self.milliseconds:.3f}",
            f"{100 * self.share:.1f} %",
            f"{self.launches:.0f}",
            f"`{self.largest[:56]}`",
        )


def by_kind(kernels: Iterable[Kernel], steps: int, recipe: str = "", loop: str = "") -> list[KernelKind]:
    """One line a kind, the longest first, then their sum."""
    kinds: dict[str, list[Kernel]] = {}
    for kernel in kernels:
        kinds.setdefault(kind_of(kernel.name), []).append(kernel)
    everything = [kernel for members in kinds.values() for kernel in members]
    total = sum(kernel.microseconds for kernel in everything)

    def line(kind: str, members: list[Kernel]) -> KernelKind:
        time = sum(kernel.microseconds for kernel in members)
        launches, largest = sum(kernel.launches for kernel in members), max(members, key=lambda k: k.microseconds)
        return KernelKind(recipe, loop, kind, time / steps / 1e3, time / total, launches / steps, largest.name, steps)

    lines = sorted((line(*item) for item in kinds.items()), key=lambda line: -line.milliseconds)
    return [*lines, line("all", everything)]


def section(setting: Setting, clock: Clock) -> Iterator[Found]:
    """Of the loops that the section on steps has left, so that nothing is compiled again."""
    steps = 1 if setting.rehearse else _PROFILED_STEPS
    for name in PROFILED:
        loops = setting.shared.get("loops", {}).get(name, {})
        if not loops:
            yield NotRun(f"kernels of {name}", "its steps were not measured")
        for kind, loop in loops.items():
            if left_out := clock.lacks(f"kernels of {name}, {kind}", 2):
                yield left_out
                continue
            yield from guarded(f"kernels of {name}, {kind}", partial(profiled, name, loop, steps, setting))


def profiled(name: str, loop: Loop, steps: int, setting: Setting) -> list[KernelKind]:
    return by_kind(kernels_of(loop, steps, setting), steps, name, loop.kind)


def kernels_of(loop: Loop, steps: int, setting: Setting) -> list[Kernel]:
    """On a CPU, where there are none, PyTorch's operations."""
    activity = ProfilerActivity.CUDA if setting.on_gpu else ProfilerActivity.CPU
    with profile(activities=[activity]) as seen:
        loop.run(steps)
        setting.wait()
    found = []
    for event in seen.key_averages():
        time = event.self_device_time_total if setting.on_gpu else event.self_cpu_time_total
        if time and not _ANNOTATIONS.match(event.key):
            found.append(Kernel(event.key, time, event.count))
    if not found:
        raise RuntimeError(f"the profiler saw no kernel (torch {torch.__version__})")
    return found
