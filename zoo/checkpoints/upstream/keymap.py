"""Map another library's state dict to ours: every tensor by name, none left over, shapes checked.

A `KeyMap` lists, for each of our tensor names, its possible names in the other library. `apply` fills the layout of a
network from it, and reports all tensors that are missing, left over or of the wrong shape.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...common.errors import WeightsCorruptedError
from ..tensor_names import is_batch_count

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Rename:
    """One possible source of a tensor: its name (or a pattern that fits exactly one name), and a reshaping."""

    name: str | re.Pattern
    reshape: Callable[[Tensor], Tensor] | None = None

    def find(self, state: Mapping[str, Tensor]) -> str | None:
        if isinstance(self.name, str):
            return self.name if self.name in state else None
        found = [name for name in state if self.name.fullmatch(name)]
        return found[0] if len(found) == 1 else None


@dataclass
class KeyMap:
    """The sources of each of our tensor names; `apply` takes the first that exists."""

    sources: dict[str, list[Rename]] = field(default_factory=dict)
    ignored: list[re.Pattern] = field(default_factory=list)

    def add(self, ours: str, *sources: Rename) -> None:
        self.sources.setdefault(ours, []).extend(sources)

    def ignore(self, pattern: re.Pattern) -> None:
        """Accept left-over tensors with these names."""
        self.ignored.append(pattern)

    def layer(self, ours: str, theirs: str | re.Pattern) -> None:
        """Map a convolution, linear layer or embedding, with or without spectral norm (torch's or Mimicry's)."""
        for part, names in (
            ("weight", ("weight_orig", "weight")),
            ("bias", ("bias",)),
            ("u", ("weight_u", "sn_u")),
            ("v", ("weight_v",)),
        ):
            for name in names:
                flatten = (lambda t: t.flatten()) if name == "sn_u" else None
                self.add(f"{ours}.{part}", Rename(_joined(theirs, name), flatten))

    def batch_norm(self, ours: str, theirs: str, affine: bool = True) -> None:
        parts = ["running_mean", "running_var", "num_batches_tracked"] + (["weight", "bias"] if affine else [])
        for part in parts:
            self.add(f"{ours}.{part}", Rename(f"{theirs}.{part}"))

    def apply(
        self, state: Mapping[str, Tensor], layout: Mapping[str, Tensor], origin: str | os.PathLike
    ) -> dict[str, Tensor]:
        """Return our state dict, shaped like `layout` and of its types.

        A count of batches may be missing, as in files of before PyTorch 0.4.1; it becomes zero.

        Raises:
            WeightsCorruptedError: with all problems; the message begins with `origin`.
        """
        result, used, problems = {}, set(), []
        for ours, want in layout.items():
            found = [(rename, name) for rename in self.sources.get(ours, ()) if (name := rename.find(state))]
            if not found and is_batch_count(ours):
                result[ours] = want.new_zeros((), device="cpu")
                continue
            if not found:
                problems.append(f"nothing for {ours}")
                continue
            rename, name = found[0]
            used.add(name)
            tensor = rename.reshape(state[name]) if rename.reshape else state[name]
            if tensor.shape != want.shape:
                problems.append(f"{name} is {tuple(state[name].shape)}, which does not make {ours} {tuple(want.shape)}")
                continue
            if want.is_floating_point() and not tensor.is_floating_point():
                problems.append(f"{name} is {tensor.dtype}, expected real numbers for {ours}")
                continue
            tensor = tensor.clone() if tensor.is_inference() else tensor
            result[ours] = tensor.to(want.dtype).contiguous()
        unused = set(state) - used
        left_over = sorted(name for name in unused if not any(pattern.fullmatch(name) for pattern in self.ignored))
        problems += [f"{name} has no place" for name in left_over]
        if problems:
            shown = "; ".join(problems[:4]) + (f"; and {len(problems) - 4} more" if len(problems) > 4 else "")
            raise WeightsCorruptedError(
                f"{origin} does not fit the config: {shown}; use the config that belongs to the checkpoint"
            )
        return result


def _joined(prefix: str | re.Pattern, name: str) -> str | re.Pattern:
    if isinstance(prefix, str):
        return f"{prefix}.{name}"
    return re.compile(rf"(?:{prefix.pattern})\.{re.escape(name)}")
