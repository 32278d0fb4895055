"""Mixin of GAN: the methods by which PyTorch users move, train and inspect a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..checkpoints.state_dicts import load_into
from ..common import dtypes
from ..common.devices import pick_device
from ..common.errors import ZooError
from ..common.text import short

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..schema.config import ModelConfig


class ModuleMethods:
    """Mixin of GAN, which gives it the generator. Parameters and state are those of the generator, in float32."""

    config: ModelConfig
    generator: Any  # a module; a property of GAN
    device: torch.device
    dtype: Any

    # ------------------------------------------------------------------------------------------ device and precision

    def to(self, *wanted: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False) -> Self:
        """Move to a device, compute in another precision, or both, as in `model.to("cuda", torch.float16)`.

        The precision is that of the images: the parameters stay float32, so that no digit is lost on the way back.

        Args:
            wanted: devices, dtypes, or a tensor, module or GAN to be like.
            non_blocking: accepted for the sake of code that passes it.

        Raises:
            ZooError: the device cannot be used, or there is no such precision.
        """
        for value in wanted:
            found_device, found_dtype = _place_of(value)
            device = device if found_device is None else found_device
            dtype = dtype if found_dtype is None else found_dtype
        self._place(None if device is None else pick_device(device), None if dtype is None else dtypes.named(dtype))
        return self

    def cpu(self) -> Self:
        return self.to("cpu")

    def cuda(self, device: int | str | torch.device | None = None) -> Self:
        return self.to("cuda" if device is None else device)

    def half(self) -> Self:
        """Compute in float16."""
        return self.to("float16")

    def bfloat16(self) -> Self:
        """Compute in bfloat16."""
        return self.to("bfloat16")

    def float(self) -> Self:
        """Compute in float32, with the bits of a model that never computed in another precision."""
        return self.to("float32")

    def _place(self, device: torch.device | None, precision: str | None) -> None:
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------------ training

    @property
    def training(self) -> bool:
        return self.generator.training

    def train(self, mode: bool = True) -> Self:
        """Put the generator into training mode. Its parameters ask for gradients, unless some do already.

        `sample` and `generate` without gradients show the eval-mode function in either mode.
        """
        if mode and not any(parameter.requires_grad for parameter in self.parameters()):
            self.requires_grad_()
        self.generator.train(mode)
        return self

    def eval(self) -> Self:
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        self.generator.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.generator.zero_grad(set_to_none)

    # ------------------------------------------------------------------------------------------------------- weights

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.generator.parameters()

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        return self.generator.named_parameters()

    def state_dict(self) -> dict[str, Tensor]:
        return self.generator.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> Self:
        """Copy the weights of a state dict into the generator; prefixes of wrapped networks come off.

        Raises:
            WeightsCorruptedError: it does not fit the generator; nothing is changed then.
        """
        load_into(self.generator, state_dict, "the state dict", assign=False)
        return self

    def num_parameters(self, only_trainable: bool = False) -> int:
        """Return the number of the generator's parameters, or of those that ask for gradients."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad or not only_trainable)


def _place_of(value: Any) -> tuple[Any, Any]:
    """Return the device and the dtype that an argument of `to` stands for, None for what it leaves open."""
    if isinstance(value, torch.dtype) or (isinstance(value, str) and _is_dtype(value)):
        return None, value
    if isinstance(value, str | torch.device):
        return value, None
    if isinstance(value, int) and not isinstance(value, bool):
        return f"cuda:{value}", None
    if isinstance(value, nn.Module):
        value = next(value.parameters(), None)
    if isinstance(value, Tensor | ModuleMethods):
        return value.device, getattr(value, "precision", value.dtype)
    raise ZooError(f'{short(value)} is neither a device nor a dtype; give one such as "cuda" or "float16"')


def _is_dtype(name: str) -> bool:
    try:
        dtypes.named(name)
    except ZooError:
        return False
    return True
