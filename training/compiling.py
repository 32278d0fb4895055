"""Whether a run compiles its step (`--compile auto | on | off`), and where the compiler keeps what it made.

The choice is part of what makes resuming exact: compiled and eager steps agree to rounding, not to the bit. So it is
written into every checkpoint, and "auto" continues as the checkpoint was made.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch

from zoo.common.cache_roots import cache_root
from zoo.common.errors import ZooError

from .objectives import Term
from .processes import Processes

Choice = Literal["auto", "on", "off"]
CHOICES: tuple[Choice, ...] = ("auto", "on", "off")
KEY = "compiled"  # in a checkpoint's header: "yes", "no", or "undecided" in the first steps of a run

# On an H100 a step takes 0.57 of its eager time once it is compiled, which takes 80 s: "auto" compiles after
# `DECIDES_AFTER` steps of the run where 0.43 of what the rest would take eagerly is more than that.
DECIDES_AFTER = 20
_SAVED, _COMPILING = 0.43, 80.0
_WARM_UP = 8  # steps of a start that are not timed where more follow: in the fourth a CUDA graph is captured


def obstacle(device: torch.device, terms: Sequence[Term], processes: Processes) -> str | None:
    """Return why a step cannot be compiled here, or None if it can."""
    if processes.size > 1:
        return "several processes train together"
    twice = [term.name for term in terms if term.differentiates_twice]
    if twice:
        return f"{' and '.join(twice)} takes gradients of gradients"
    if device.type not in ("cpu", "cuda"):
        return f"nothing is compiled for {device.type}"
    return _missing_compiler(device)


def _missing_compiler(device: torch.device) -> str | None:
    from torch._dynamo.eval_frame import is_dynamo_supported
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler
    from torch.utils._triton import has_triton

    if not is_dynamo_supported():
        return "PyTorch does not compile for this version of Python"
    if device.type == "cuda" and not has_triton():
        return "Triton is not installed, or does not know this GPU"
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return "there is no C++ compiler"
    return None


def keep_compiled_code() -> None:
    """Let the compiler keep its code in the zoo's cache, unless $TORCHINDUCTOR_CACHE_DIR says where.

    Call this before the compiler is looked for; otherwise it chooses a temporary folder.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_root() / "inductor"))


@dataclass
class Compiling:
    """The decision of one start whether to compile.

    Args:
        choice: what the user asked for.
        find_obstacle: returns why a step cannot be compiled here, or None; called only where that matters.
        trusted: whether "auto" may compile; False with a user's own losses, which may differentiate twice.
    """

    choice: Choice
    device: torch.device
    find_obstacle: Callable[[], str | None]
    trusted: bool = True
    is_on: bool | None = field(init=False)  # None: not decided yet

    def __post_init__(self):
        if self.choice not in CHOICES:
            raise ZooError(f'compile is "{self.choice}"; give {", ".join(CHOICES)}')
        if self.choice == "auto":
            self.is_on = None if self.device.type == "cuda" and self.trusted and not self.obstacle else False
        else:
            self.is_on = self.choice == "on" and not self.obstacle

    @cached_property
    def obstacle(self) -> str | None:
        return self.find_obstacle()

    def follow(self, header: dict[str, str]) -> str | None:
        """Continue as a checkpoint was made unless the user chose otherwise; return a line if the bits will differ."""
        before = {"yes": True, "undecided": None}.get(header.get(KEY, "no"), False)
        if before is None:  # it was made before "auto" decided, so a run that decides now continues as it would have
            return None
        if self.choice == "auto":
            self.is_on = before and not self.obstacle
        if self.is_on == before:
            return None
        word, why = ("compiled", "eager") if before else ("eager", "compiled")
        reason = self.obstacle if before and self.obstacle else f"--compile {self.choice}"
        return f"its steps were {word}, and are {why} from here on ({reason}): the same to rounding, not to the bit"

    def complaint(self) -> str | None:
        """Return a line if compiling was asked for and is not possible."""
        return f"steps are not compiled: {self.obstacle}" if self.choice == "on" and self.obstacle else None

    def begin(self, step: int) -> None:
        """Start timing; the next step is `step`."""
        self._first = step
        self._timed_from = step, time.perf_counter()

    def decide(self, done: int, total: int) -> bool:
        """Return True once, when steps are compiled from now on; call after each step, with `done` of `total` done."""
        if self.is_on is not None:
            return False
        if done < DECIDES_AFTER:
            if done - self._first == _WARM_UP:
                self._timed_from = done, self._now()
            return False
        first, began = self._timed_from
        self.is_on = _SAVED * (total - done) * (self._now() - began) / (done - first) > _COMPILING
        return self.is_on

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def record(self) -> dict[str, str]:
        """Return the entry of a checkpoint's header."""
        return {KEY: "undecided" if self.is_on is None else "yes" if self.is_on else "no"}
