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

_SPECTRAL_NORM_EPS = 1e-12  # smaller than any norm of a trained layer


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
    absent: set[str] = field(default_factory=set)  # of our names: zero where the other library has no such tensor

    def add(self, ours: str, *sources: Rename) -> None:
        self.sources.setdefault(ours, []).extend(sources)

    def ignore(self, pattern: re.Pattern) -> None:
        """Accept left-over tensors with these names."""
        self.ignored.append(pattern)

    def zero(self, ours: str) -> None:
        """Fill a tensor that the other library never has, such as the bias before a batch norm, with zeros."""
        self.absent.add(ours)

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
            if not found and (is_batch_count(ours) or ours in self.absent):
                result[ours] = want.new_zeros(want.shape, device="cpu")
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


def block_positions(num_blocks: int, attention_after: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Return the places of blocks, and of attention layers in their order, in one list of both."""
    attention = [block + order for order, block in enumerate(sorted(attention_after))]
    blocks = [place for place in range(num_blocks + len(attention)) if place not in attention]
    return blocks, attention


def with_singular_vectors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace the `u0` and `sv0` of BigGAN-PyTorch's spectral norm by torch's `weight_u` and `weight_v`.

    That class stores u alone, and iterates in every forward; in eval mode, which never stores, each forward begins from
    the same u and so divides by the same sigma. One iteration here gives the u and v that sigma comes from.
    """
    from torch.nn import functional

    result = dict(state)
    for name, u in state.items():
        layer, _, leaf = name.rpartition(".")
        weight = state.get(f"{layer}.weight")
        if leaf != "u0" or weight is None or weight.ndim < 2 or u.shape != (1, len(weight)):
            continue  # the key map reports what does not fit
        matrix = weight.float().flatten(1)
        v = functional.normalize(u.float() @ matrix, eps=_SPECTRAL_NORM_EPS)
        u = functional.normalize(v @ matrix.t(), eps=_SPECTRAL_NORM_EPS)
        result |= {f"{layer}.weight_u": u.flatten(), f"{layer}.weight_v": v.flatten()}
        del result[name]
        result.pop(f"{layer}.sv0", None)  # the last sigma in training, for the log
    return result


def with_divided_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace each `weight_orig` of torch's spectral norm, with its vectors, by the weight that eval mode uses."""
    result = dict(state)
    for name, original in state.items():
        layer, _, leaf = name.rpartition(".")
        u, v = (state.get(f"{layer}.weight_{vector}") for vector in "uv")
        if leaf != "weight_orig" or u is None or v is None or original.ndim < 2:
            continue
        matrix = original.float().flatten(1)
        if (*u.shape, *v.shape) != matrix.shape:
            continue
        result[f"{layer}.weight"] = original.float() / (u.float() @ (matrix @ v.float()))
        for part in ("orig", "u", "v"):
            del result[f"{layer}.weight_{part}"]
    return result


def _joined(prefix: str | re.Pattern, name: str) -> str | re.Pattern:
    if isinstance(prefix, str):
        return f"{prefix}.{name}"
    return re.compile(rf"(?:{prefix.pattern})\.{re.escape(name)}")
