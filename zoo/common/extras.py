"""Say how to install what an optional part of this package needs."""

from __future__ import annotations

import ast
import re
from importlib import metadata
from pathlib import Path
from shlex import quote

DISTRIBUTION = "contrastive-gan-zoo"
_PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"  # of a checkout
_NAME = re.compile(r"[\w.-]+")


def requirements(extra: str) -> list[str]:
    """Return what an extra requires, such as ["gradio>=6.31,<7"]; empty if there is no such extra.

    Read from pyproject.toml in a checkout, as the metadata of an editable installation are those of an earlier one;
    else from the metadata of the installation.
    """
    return extras().get(extra, [])


def extras() -> dict[str, list[str]]:
    """Return the requirements of every extra; an extra of this package within another is spelled out."""
    text = _PYPROJECT.read_text(encoding="utf-8") if _PYPROJECT.is_file() else ""
    if f'name = "{DISTRIBUTION}"' in text:
        declared = _of_pyproject(text)
    else:
        try:
            declared = _of_metadata(metadata.requires(DISTRIBUTION) or [])
        except metadata.PackageNotFoundError:
            declared = {}
    return {extra: _spelled_out(lines, declared) for extra, lines in declared.items()}


def install(extra: str, *names: str) -> str:
    """Return the command that installs an extra, or only these packages of it: `pip install 'av>=12'`.

    It names the packages themselves, as this package is on no index under its name.
    """
    wanted = [line for line in requirements(extra) if not names or name_of(line) in names]
    return f"pip install {' '.join(map(quote, wanted or names))}".rstrip()


def name_of(requirement: str) -> str:
    """Return the package that a requirement names."""
    found = _NAME.match(requirement)
    return found[0] if found else requirement


def _of_metadata(lines: list[str]) -> dict[str, list[str]]:
    declared: dict[str, list[str]] = {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        if extra := re.search(r"""extra *== *['"]([\w-]+)['"]""", marker):
            declared.setdefault(extra[1], []).append(requirement.strip())
    return declared


def _of_pyproject(text: str) -> dict[str, list[str]]:
    """Read the lists of the table of extras, which are also Python's; Python 3.10 has no parser of TOML."""
    table = text.partition("[project.optional-dependencies]\n")[2].partition("\n[")[0]
    lists = re.findall(r"^([\w-]+) = (\[.*?\])[ \t]*(?:#[^\n]*)?$", table, re.MULTILINE | re.DOTALL)
    return {extra: ast.literal_eval(source) for extra, source in lists}


def _spelled_out(lines: list[str], declared: dict[str, list[str]]) -> list[str]:
    found: dict[str, None] = {}
    for line in lines:
        if inner := re.fullmatch(rf"{DISTRIBUTION}\[(.+)\]", line):
            for extra in inner[1].split(","):
                found |= dict.fromkeys(_spelled_out(declared.get(extra.strip(), []), declared))
        else:
            found[line] = None
    return list(found)
