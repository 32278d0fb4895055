"""Files that come with the code: in the package that uses them, or, in a checkout, at its top."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]  # of a checkout


def data_path(package: str, *names: str) -> Path:
    """A file or folder beside the modules of a package, whether it exists or not."""
    return Path(str(resources.files(package).joinpath(*names)))


def top_folder(name: str) -> Path:
    """A folder that stands at the top of a checkout, and in an installation inside `zoo`."""
    installed = data_path("zoo", name)
    return installed if installed.is_dir() else _ROOT / name
