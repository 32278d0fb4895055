"""Find the files that ship with the code: inside the package that uses them, or at the top of a checkout."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]  # of a checkout


def data_path(package: str, *names: str) -> Path:
    """Return the path of a file or folder beside the modules of a package, whether it exists or not."""
    return Path(str(resources.files(package).joinpath(*names)))


def top_folder(name: str) -> Path:
    """Return a folder that is at the top of a checkout, and inside `zoo` in an installation."""
    installed = data_path("zoo", name)
    return installed if installed.is_dir() else _ROOT / name
