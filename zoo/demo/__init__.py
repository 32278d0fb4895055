"""The web demo: `zoo.load(...).sample` and its kin behind Gradio, on a server that can be left on.

    python app.py        # or: zoo demo

Nothing here makes pictures of its own: every picture is what the Python API gives for the same arguments, pixel for
pixel. Nothing heavy is imported until the demo is built.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..release.space import space_files
    from .server import serve, start
    from .settings import Settings

__all__ = ["Settings", "serve", "space_files", "start"]

_LAZY = {"Settings": ".settings", "serve": ".server", "space_files": "..release.space", "start": ".server"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'zoo.demo' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name], __name__), name)
