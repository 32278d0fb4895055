"""Check a state dict, and load it into a network."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..common.errors import WeightsCorruptedError
from ..common.torch_defaults import fresh_defaults
from .tensor_names import is_batch_count, unwrapped


def load_into(
    network: nn.Module, tensors: Mapping[str, Tensor], origin: str | os.PathLike, assign: bool = True
) -> None:
    """Load tensors into a network (which may be on the meta device).

    Half precision is widened, and prefixes of wrapped networks come off. A count of batches may be missing, as in files
    of before PyTorch 0.4.1; it becomes zero.

    Args:
        assign: take the tensors themselves, which may be mapped from a file; False: copy their values.

    Raises WeightsCorruptedError, before any change, if a tensor is missing, unknown, or of another shape or kind.
    """
    expected = network.state_dict()
    with fresh_defaults():
        counts = {name: t.new_zeros((), device="cpu") for name, t in expected.items() if is_batch_count(name)}
        tensors = counts | unwrapped(tensors, origin)
        if problems := _misfits(tensors, expected):
            shown = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
            raise WeightsCorruptedError(
                f"{origin} does not fit this architecture: {shown}; use the weights that belong to this config"
            )
        state = {name: _normal(tensors[name]).to(want.dtype) for name, want in expected.items()}
        network.load_state_dict(state, assign=assign)
        for module in network.modules():  # buffers that no file holds, as every forward computes them anew
            for name, buffer in module.named_buffers(recurse=False):
                if buffer.is_meta:
                    setattr(module, name, buffer.new_zeros(buffer.shape, device="cpu"))


def _normal(tensor: Tensor) -> Tensor:
    """Return a tensor that can be trained; one that was made in inference mode is copied."""
    return tensor.clone() if tensor.is_inference() else tensor


def check_finite(tensors: Mapping[str, Tensor], origin: str | os.PathLike) -> None:
    """Raise WeightsCorruptedError, which names the tensor, if a weight is NaN or infinite.

    Cheap: the sum of a tensor is finite if its values are, unless it overflows, so only then are the values looked at.
    """
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue
        total = tensor.detach().sum(dtype=torch.float32 if tensor.element_size() < 4 else None)
        if not total.isfinite() and not tensor.isfinite().all():
            raise WeightsCorruptedError(
                f"{origin} holds values that are not numbers (NaN or infinity) in {name}; its training has diverged or "
                f"the file is damaged: take an earlier checkpoint, or fetch it again"
            )


def _misfits(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    problems = []
    if missing := sorted(set(expected) - set(tensors)):
        problems.append(f"{len(missing)} tensors missing ({_first_names(missing)})")
    if unknown := sorted(set(tensors) - set(expected)):
        problems.append(f"{len(unknown)} unknown tensors ({_first_names(unknown)})")
    for name in sorted(set(expected) & set(tensors)):
        have, want = tensors[name], expected[name]
        if not isinstance(have, Tensor) or have.is_meta or have.layout != torch.strided:
            problems.append(f"{name} is no dense tensor with values")
        elif have.shape != want.shape:
            problems.append(f"{name} is {tuple(have.shape)}, expected {tuple(want.shape)}")
        elif have.is_floating_point() != want.is_floating_point():
            problems.append(f"{name} is {have.dtype}, expected {want.dtype}")
    return problems


def _first_names(names: list[str]) -> str:
    return ", ".join(names[:2]) + (", ..." if len(names) > 2 else "")
