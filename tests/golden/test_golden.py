"""Every case of the manifest. A kind nobody knows fails; nothing is skipped.

`ZOO_GOLDEN=<folder> pytest tests/golden` runs any folder of this schema. What the cases hold, and what the references
really do, is in README.md beside this file; the checks, one function a kind, are in the `kinds_*` modules.
"""

from __future__ import annotations

import kinds_extra  # noqa: F401 (registers its kinds)
import kinds_losses  # noqa: F401
import kinds_metrics  # noqa: F401
import kinds_networks  # noqa: F401
import kinds_sources  # noqa: F401
import kinds_steps  # noqa: F401
import pytest
from golden import KINDS, Case


def test_case(case):
    if case["kind"] not in KINDS:
        pytest.fail(f"no check is written for cases of kind {case['kind']}")
    KINDS[case["kind"]](Case(case))
