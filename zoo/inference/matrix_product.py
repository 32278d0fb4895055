"""Matrix products in float32 by oneDNN, which is fast on every processor, where PyTorch would use MKL.

MKL uses wide registers on Intel's processors only: on an AMD EPYC oneDNN was 2.1 times as fast, in convolutions
and in products (benchmarks/README.md). PyTorch has the product for its compiler; if it is missing, or built for
another processor, PyTorch's own product is used.
"""

from __future__ import annotations

import platform
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor


@cache
def has_onednn() -> bool:
    """Return True if PyTorch has the operations of oneDNN here that are faster than its own."""
    if platform.machine().lower() not in ("x86_64", "amd64") or not torch.backends.mkldnn.is_available():
        return False
    return all(hasattr(torch.ops.mkldnn, name) for name in ("_linear_pointwise", "_convolution_pointwise"))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.linear` without gradients: x (..., I), weight (O, I), bias (O,) to (..., O)."""
    # A graph is to run elsewhere. `is_tracing` is documented, if not in the module's __all__.
    in_a_graph = torch.compiler.is_compiling() or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    if x.device.type == "cpu" and x.dtype == torch.float32 and has_onednn() and not in_a_graph:
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return F.linear(x, weight, bias)
