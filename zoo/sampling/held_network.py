"""Mixin of GAN: its generator on a device, and the fast form of it that follows its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..checkpoints.state_dicts import check_finite
from ..common.errors import ZooError
from ..common.tensors import state_sha256
from ..common.text import short
from ..inference.fingerprint import Fingerprint
from ..inference.renderer import Renderer, chunk_of, in_aligned_memory, preparing
from ..nets import settle_spectral_norm
from .module_methods import ModuleMethods


class HeldNetwork(ModuleMethods):
    """Mixin of GAN."""

    _discriminator: nn.Module | None
    _aligned: Fingerprint | None  # the weights that the alignment was measured on; None: those that were loaded

    def _hold(self, generator: nn.Module, device: torch.device, precision: str, fuse: bool, settle: bool) -> None:
        self.device, self.fused = device, fuse
        self.precision = self._checked(precision)
        self._generator, self._settle = generator, settle
        self._loaded: Fingerprint | None = None  # the weights as they were when they came to the device
        self._made: Renderer | None = None
        self._hash: tuple[Fingerprint, str] | None = None

    def _come_from(self, tag: str | None, provenance: Mapping[str, str] | None, origin: str | None) -> None:
        self._tag, self._provenance, self._origin = tag, dict(provenance or {}), origin

    @property
    def generator(self) -> nn.Module:
        """The plain module, with its trained weights. Change them, or assign another module, and `sample` follows."""
        if self._loaded is None:
            self._place(None, None)
        return self._generator

    @generator.setter
    def generator(self, module: nn.Module) -> None:
        if not isinstance(module, nn.Module):
            raise ZooError(f"the generator is {short(module)}; give a module, such as that of another model")
        if self._loaded is None:
            self._place(None, None)  # the weights that were loaded are known, and these are others
        with preparing(self.device):
            module.to(self.device)
        self._generator = module

    def _checked(self, precision: str) -> str:
        if precision not in ("float32", "tf32") and not self.fused:
            raise ZooError(f"{precision} needs fuse=True, which folds the norms first")
        return precision

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the computation; that of TF32 is float32."""
        return torch.float32 if self.precision == "tf32" else getattr(torch, self.precision)

    @property
    def is_changed(self) -> bool:
        """True if the weights are no longer those that were loaded."""
        return self._loaded is not None and not self._loaded.fits(self._generator)

    @property
    def tag(self) -> str | None:
        """The tag of these weights in the config; None for a user's own weights, and for changed ones."""
        return None if self.is_changed else self._tag

    @property
    def provenance(self) -> dict[str, str]:
        """The metadata of the weights file; of changed weights, what they began as."""
        if not self.is_changed:
            return self._provenance
        began = {"name": self.config.name, "tag": self._tag, "original_sha256": self._provenance.get("original_sha256")}
        return {"changed_from": json.dumps({key: value for key, value in began.items() if value})}

    @property
    def alignment_holds(self) -> bool:
        """True if the alignment was measured on the weights as they are now."""
        measured = self._aligned or self._loaded
        return measured is None or measured.fits(self._generator)

    def _weights_now(self) -> Fingerprint | None:
        """Return the present weights; None before they came to the device."""
        return None if self._loaded is None else Fingerprint(self._generator)

    def _place(self, device: torch.device | None, precision: str | None) -> None:
        """Move the networks, and set the precision; None: leave it."""
        precision = self._checked(self.precision if precision is None else precision)
        changed, aligned = self.is_changed, self.alignment_holds
        device = self.device if device is None else device
        with preparing(device):
            self._generator.to(device)
            in_aligned_memory(self._generator)
            if self._settle:
                settle_spectral_norm(self._generator)
                self._settle = False
            if self._discriminator is not None:
                self._discriminator.to(device)
            self.device, self.precision, self._made = device, precision, None
            if not changed:
                check_finite(self._generator.state_dict(), self._origin or "the generator")
                self._loaded = Fingerprint(self._generator)
            if aligned:
                self._aligned = Fingerprint(self._generator)

    @property
    def _renderer(self) -> Renderer:
        """The fast forms of the generator as it is now."""
        generator, made = self.generator, self._made
        if made is None or not made.fits(generator):
            if self.is_changed:
                check_finite(generator.state_dict(), "the changed generator")
            fast = (self.device, self.dtype, self.fused, self.chunk, self.precision == "tf32")
            self._made = made = Renderer(generator, self.config.generator, *fast)
        return made

    def __getstate__(self) -> dict[str, Any]:
        """A copy or a pickle has the weights as they are; what was made for speed is made anew."""
        began: dict[str, Any] = {"_tag": self.tag, "_provenance": self.provenance}
        if self.is_changed and self._origin:
            began["_origin"] = f"{self._origin}, changed since"
        aligned = None if self.alignment_holds else Fingerprint(nn.Module())  # which fits nothing
        return {**vars(self), **began, "_aligned": aligned, "_loaded": None, "_made": None, "_hash": None}

    @property
    def chunk(self) -> int:
        """Number of images computed at once when the bits of image i must not depend on the batch."""
        return chunk_of(self.device, self.config.generator.architecture)

    def _short_hash(self) -> str:
        """The first digits of the sha256 of the weights as they are now."""
        generator = self.generator if self._settle else self._generator
        known = self._hash
        if known is None or not known[0].fits(generator):
            self._hash = known = (Fingerprint(generator), state_sha256(generator.state_dict())[:8])
        return known[1]
