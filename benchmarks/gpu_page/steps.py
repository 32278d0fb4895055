"""Milliseconds a generator step of four recipes: the plain loop, the engine, and the engine compiled."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from costs import operations

from .card import products
from .children import Child, ChildFailedError, TimeUpError
from .loops import COMPILED, PLAIN, PRECISION, PROFILED, Loop, Recipe, no_compiled_step, recipe_of
from .page import Clock, Failure, Figure, Found, NotRun, Setting, describe, guarded, number

TURNS = 5
_BLOCK = 0.3  # seconds
_OF_A_RECIPE = 16  # seconds that one takes, once it has been compiled
_LONGEST_COMPILE = 130  # seconds, of a page of four minutes


@dataclass
class StepTime(Figure):
    """`milliseconds` is the median over turns, `least` and `most` their range; arithmetic is of the form computed."""

    COLUMNS = (
        *("recipe", "batch", "n_dis", "loop", "precision", "ms a step", "range", "steps timed", "x plain"),
        *("TFLOP a step", "TFLOP/s", "of the product", "peak GB", "ready after s"),
    )
    recipe: str
    batch: int
    n_dis: int
    loop: str
    precision: str
    milliseconds: float
    least: float
    most: float
    steps: int
    times_plain: float | None
    tflop: float
    share: float
    peak_gb: float | None
    ready: float

    def row(self):
        speed = self.tflop / self.milliseconds * 1e3
        return (
            *(f"`{self.recipe}`", str(self.batch), str(self.n_dis), self.loop, self.precision),
            *(f"{self.milliseconds:.2f}", f"{self.least:.2f}-{self.most:.2f}", str(self.steps)),
            *(number(self.times_plain, ".2f"), f"{self.tflop:.3f}", f"{speed:.3g}", f"{100 * self.share:.1f} %"),
            *(number(self.peak_gb, ".2f"), f"{self.ready:.1f}"),
        )


@dataclass
class Compiled(Figure):
    COLUMNS = ("recipe", "compiled, with first steps, in s", "at once")
    recipe: str
    seconds: float
    at_once: int  # recipes that were compiled, beside other sections

    def row(self):
        return f"`{self.recipe}`", f"{self.seconds:.1f}", str(self.at_once)


def compilers(setting: Setting) -> dict[str, Child]:
    """A process for each recipe, all at once, that leaves the compiler's cache warm for the one that is timed."""
    if COMPILED not in setting.loops or no_compiled_step():
        return {}
    recipes = setting.recipes[:1] if setting.rehearse else setting.recipes
    arguments = str(setting.device), setting.rehearse
    return {name: Child("loops", "compile_for_later", name, *arguments) for name in recipes}


def section(setting: Setting, clock: Clock) -> Iterator[Found]:
    compiled = set()
    if COMPILED in setting.loops and (reason := no_compiled_step()):
        yield NotRun("compiled steps", reason)
    configs = {name: recipe_of(name).config(setting) for name in setting.recipes}
    arithmetic = {name: {folded: operations(c, folded) for folded in (False, True)} for name, c in configs.items()}
    compiling = setting.shared.get("compilers", {})
    for name, child in compiling.items():
        try:
            ready = child.result(min(clock.left - len(setting.recipes) * _OF_A_RECIPE, _LONGEST_COMPILE))
            compiled.add(name)
            yield Compiled(name, float(ready), len(compiling))
        except TimeUpError as error:
            yield NotRun(f"compiled step of {name}", f"{error}; the compiler's cache keeps what it has")
        except ChildFailedError as error:
            yield Failure(f"compiled step of {name}", str(error))
    if compiling and len(compiling) < len(setting.recipes):
        yield NotRun("other compiled steps", "a rehearsal compiles one")
    for name in setting.recipes:
        if left_out := clock.lacks(f"steps of {name}", 0.6 * _OF_A_RECIPE):
            yield left_out
            continue
        kinds = [kind for kind in setting.loops if kind != COMPILED or name in compiled]
        yield from guarded(f"steps of {name}", partial(measured, recipe_of(name), kinds, arithmetic[name], setting))


def measured(
    recipe: Recipe, kinds: Sequence[str], arithmetic: dict[bool, float], setting: Setting
) -> Iterator[StepTime | Failure]:
    """`arithmetic`: TFLOP a step, by whether resampling is folded."""
    config, loops = recipe.config(setting), {}
    for kind in kinds:
        try:
            loops[kind] = Loop(kind, config, setting)
        except Exception as error:  # out of memory, say: a line of the page; the other loops go on
            yield Failure(f"{recipe.name}, {kind}", describe(error))
    times, steps = in_turns(loops, 2 if setting.rehearse else TURNS, setting.rehearse)
    plain = statistics.median(times[PLAIN]) if PLAIN in times else None
    for kind, taken in times.items():
        median, tflop = statistics.median(taken), arithmetic[kind != PLAIN]
        yield StepTime(
            *(recipe.name, config.training.batch_size, config.training.discriminator_steps, kind, PRECISION[kind]),
            *(1e3 * value for value in (median, min(taken), max(taken))),
            steps[kind] * len(taken),
            plain and plain / median,
            tflop,
            tflop * 1e12 / median / products(setting)[PRECISION[kind]],
            *(loops[kind].peak, loops[kind].ready),
        )
    if recipe.name in PROFILED:
        setting.shared.setdefault("loops", {})[recipe.name] = {k: v for k, v in loops.items() if k != PLAIN}
    del loops
    gc.collect()
    if setting.on_gpu:
        torch.cuda.empty_cache()


def in_turns(loops: dict[str, Loop], turns: int, single: bool) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Seconds a step of each loop, one number a turn, and how many steps a turn has."""
    steps = {kind: 1 if single else max(2, min(50, int(_BLOCK / loop.seconds(1)))) for kind, loop in loops.items()}
    blocks = {kind: partial(loop.seconds, steps[kind]) for kind, loop in loops.items()}
    times = [{kind: block() for kind, block in blocks.items()} for _ in range(turns)]
    return {kind: [turn[kind] for turn in times] for kind in loops}, steps
