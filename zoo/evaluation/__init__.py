"""Evaluation: `evaluate`, `verify`, `compare`, `align`, protocols as data, reports.

    zoo.evaluate("infomax-gan/digits", extractor="efficientnet-lite0", num_fake=1000)
    zoo.verify("infomax-gan/cifar10")
    zoo.compare("infomax-gan/digits")
    zoo.align("contragan-snresgan/cifar10")

Nothing heavy is imported until one of these is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .alignment.align import Alignment, align
    from .comparing import ToolTable, compare
    from .protocols.protocol import Protocol
    from .protocols.published import PROTOCOLS
    from .referencing import make_reference
    from .report.report import Report
    from .rounds import verify_all
    from .running import evaluate
    from .verifying import verify

_LAZY = {
    "PROTOCOLS": "protocols.published",
    "Alignment": "alignment.align",
    "align": "alignment.align",
    "ToolTable": "comparing",
    "compare": "comparing",
    "Protocol": "protocols.protocol",
    "Report": "report.report",
    "evaluate": "running",
    "make_reference": "referencing",
    "verify": "verifying",
    "verify_all": "rounds",
}

__all__ = [
    "PROTOCOLS",
    "Alignment",
    "Protocol",
    "Report",
    "ToolTable",
    "align",
    "compare",
    "evaluate",
    "make_reference",
    "verify",
    "verify_all",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'zoo.evaluation' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
