"""The tests that need a GPU: those that are skipped without one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .children import ROOT, environment
from .page import Clock, Failure, Figure, Found, NotRun, Setting

_NEEDS_A_GPU = "cuda.is_available"  # in the file, with a skipif mark on the test


@dataclass
class Tests(Figure):
    COLUMNS = ("tests", "passed", "failed", "skipped")
    files: list[str]
    passed: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # name: message

    def row(self):
        return " ".join(self.files), str(self.passed), str(len(self.failed)), str(self.skipped)


def section(setting: Setting, clock: Clock) -> Iterator[Found]:
    files = files_with_gpu_tests(ROOT / "tests")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "tests.xml")
        command = [sys.executable, "-m", "pytest", *files, "-q", "-m", "skipif and not browser"]
        command += [f"--junitxml={report}", "-p", "no:cacheprovider"]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=max(1, clock.left)
            )
        except subprocess.TimeoutExpired:
            yield NotRun("the GPU tests", "they were not done when their time was up")
            return
        if not report.exists():
            raise RuntimeError((done.stdout + done.stderr).strip().splitlines()[-1])
        tests = read(report, files)
    yield tests
    yield from (Failure(f"test {name}", message) for name, message in tests.failed.items())


def files_with_gpu_tests(folder: Path) -> list[str]:
    found = [path for path in folder.rglob("test_*.py") if _NEEDS_A_GPU in path.read_text(encoding="utf-8")]
    own = [path for path in found if path.name != "test_benchmarks_gpu.py"]
    return sorted(str(path.relative_to(folder.parent)) for path in own)


def read(report: Path, files: list[str]) -> Tests:
    """Counts and names from pytest's JUnit file."""
    tests = Tests(files)
    for case in ET.parse(report).iter("testcase"):
        problems = [problem for kind in ("failure", "error") if (problem := case.find(kind)) is not None]
        if problems:
            message = " ".join(problems[0].get("message", "").split())
            tests.failed[case.get("name", "?")] = message[:200] or "no message"
        elif case.find("skipped") is not None:
            tests.skipped += 1
        else:
            tests.passed += 1
    return tests
