"""How exactly float32 products are computed."""

from __future__ import annotations

import warnings

import torch


def set_precision(precision: str) -> None:
    """Compute float32 products exactly, or in TF32 on GPUs that have it; bfloat16 is the engine's autocast.

    Uses the older switches: once PyTorch's newer ones are set, reading the older ones fails, in torch.export too.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Please use the new API settings")  # torch 2.9
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
