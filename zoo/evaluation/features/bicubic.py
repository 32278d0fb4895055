"""Two ways to resize bicubically and antialiased, for extractors whose own way is not that of a published metric.

bicubic         in float, unrounded: edm2's
pillow-bicubic  by Pillow, to 8 bits: that of dgm-eval and CMMD
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor


def by_torch(images: Tensor, side: int) -> Tensor:
    """Resize (N, 3, H, W), uint8 or float 0 ... 255, to float32 (N, 3, side, side); values may overshoot."""
    return F.interpolate(images.float(), (side, side), mode="bicubic", antialias=True)


def by_pillow(images: Tensor, side: int) -> Tensor:
    """Resize uint8 (N, 3, H, W) to whole numbers 0 ... 255, as float32 (N, 3, side, side)."""
    pixels = images.permute(0, 2, 3, 1).cpu().numpy()
    resized = [np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)) for image in pixels]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).to(images.device, torch.float32)


WAYS: dict[str, Callable[[Tensor, int], Tensor]] = {"bicubic": by_torch, "pillow-bicubic": by_pillow}
TEXTS = {"bicubic": "bicubic to {0}x{0}, antialiased", "pillow-bicubic": "bicubic to {0}x{0} by Pillow, to 8 bits"}
