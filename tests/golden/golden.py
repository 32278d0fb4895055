"""One golden case: its tensors by prefix, and comparison within the tolerance that the case states."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from functools import cached_property

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from zoo.checkpoints.upstream.keymap import KeyMap

KINDS: dict[str, Callable[[Case], None]] = {}


def kind(name: str):
    """Register the check of all cases of one kind."""

    def register(function):
        KINDS[name] = function
        return function

    return register


class Case:
    def __init__(self, record: dict):
        self.record, self.meta = record, record["meta"]

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        path = self.record["path"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == self.record["sha256"], f"{path} is damaged"
        # The file's memory need not be aligned, which changes the last digits; a copy is.
        return {name: tensor.clone() for name, tensor in load_file(path).items()}

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def get(self, name: str) -> Tensor | None:
        return self.tensors.get(name)

    def leaf(self, name: str) -> Tensor:
        """A copy that collects a gradient."""
        return self[name].clone().requires_grad_()

    def group(self, prefix: str) -> dict[str, Tensor]:
        """All tensors whose names start with the prefix, without it."""
        return {name[len(prefix) :]: t for name, t in self.tensors.items() if name.startswith(prefix)}

    def limits(self, expected: Tensor, group: str) -> Tensor:
        """How far each element may be off: rtol * max|b| + atol, b being the stored tensor, as the manifest states."""
        tolerance = self.record["tolerance"].get(group) or self.record["tolerance"]["out"]
        largest = expected.double().abs().max().item() if expected.numel() else 0.0
        return torch.full(expected.shape, tolerance["rtol"] * largest + tolerance["atol"], dtype=torch.float64)

    def check(self, name: str, actual: Tensor, group: str | None = None) -> None:
        _assert_close(name, actual, self[name], self.limits(self[name], group or name.split(".")[0]))

    def check_renamed(
        self,
        prefix: str,
        actual: Mapping[str, Tensor],
        keys: KeyMap,
        limits: Callable[[str, Tensor], Tensor] | None = None,
        skip: Collection[str] = (),
    ) -> None:
        """Every stored tensor of a prefix against ours, by the converter's key map; a name without a place fails.

        Args:
            limits: of a stored tensor and its name; None means those that the manifest states for outputs. They are
                found before renaming, because one tensor of the reference can be several of ours.
            skip: names, without the prefix, that are not to be compared.
        """
        limits = limits or (lambda _, tensor: self.limits(tensor, "out"))
        expected = {name: tensor for name, tensor in self.group(prefix).items() if name not in skip}
        allowed = {name: limits(name, tensor) for name, tensor in expected.items()}
        layout = {
            name: tensor
            for name, tensor in actual.items()
            if any(source.find(expected) for source in keys.sources.get(name, ()))
        }
        expected, allowed = (keys.apply(tensors, layout, "reference") for tensors in (expected, allowed))
        for name, tensor in layout.items():
            _assert_close(prefix + name, tensor, expected[name], allowed[name])


def _assert_close(name: str, actual: Tensor, expected: Tensor, limits: Tensor) -> None:
    assert actual.shape == expected.shape, f"{name}: {tuple(actual.shape)}, expected {tuple(expected.shape)}"
    error = (actual.detach().double() - expected.double()).abs()
    if not (error <= limits).all():
        worst = (error - limits).argmax()
        raise AssertionError(f"{name}: off by {error.flatten()[worst]:.3g}, allowed {limits.flatten()[worst]:.3g}")


def hash_fill(shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """Weights from the closed formula of README.md section 8, for cases that store none."""
    state, h = {}, 0
    for name in sorted(shapes):
        shape = shapes[name]
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros((), dtype=torch.int64)
            continue
        h += 1
        count = int(np.prod(shape))
        with np.errstate(over="ignore"):
            s = np.arange(count, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(h * 40503)
            for _ in range(2):
                s = (s ^ (s >> np.uint32(16))) * np.uint32(73244475)
            s ^= s >> np.uint32(16)
        u = 2 * np.floor(s / 256.0) / 2.0**24 - 1
        if name.endswith("running_mean"):
            value = 0.2 * u
        elif name.endswith("running_var"):
            value = 1 + 0.5 * u
        elif len(shape) > 1:
            value = u * np.sqrt(3 / (count / shape[0]))
        else:
            value = 1 + 0.3 * u if name.endswith("weight") else 0.1 * u
        state[name] = torch.from_numpy(value.astype(np.float32)).reshape(shape)
    return state
