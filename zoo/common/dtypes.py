"""Names of the precisions of a computation, in every form that people give them."""

from __future__ import annotations

from typing import Any

from .errors import ZooError
from .text import short

PRECISIONS = ("float32", "float16", "bfloat16", "tf32")
_ALIASES = {
    "float": "float32",
    "fp32": "float32",
    "single": "float32",
    "half": "float16",
    "fp16": "float16",
    "bf16": "bfloat16",
    "tensorfloat32": "tf32",
}


def named(dtype: Any, choices: tuple[str, ...] = PRECISIONS) -> str:
    """Return the name of a precision, one of `choices`.

    Args:
        dtype: a name or an abbreviation ("fp16", "half"), a dtype of PyTorch or NumPy; None stands for float32.

    Raises:
        ZooError: it is none of the choices; the message lists them.
    """
    text = "float32" if dtype is None else _text(dtype)
    name = _ALIASES.get(text, text)
    if name not in choices:
        raise ZooError(f"dtype is {short(dtype)}; give one of {', '.join(choices)}")
    return name


def _text(dtype: Any) -> str:
    if isinstance(dtype, str):
        return dtype.strip().lower().removeprefix("torch.")
    if str(dtype).startswith("torch."):
        return str(dtype).removeprefix("torch.")
    import numpy as np

    try:
        return np.dtype(dtype).name  # Python's own float is float64, as in NumPy
    except (TypeError, ValueError):  # a tensor has a dtype that NumPy lacks
        return ""
