"""docs/code-map.md says what is there: every path, name and command in it exists, and every room is in it."""

from __future__ import annotations

import ast
import re

import pytest
from test_floors import FLOORS, ROOT, modules
from typer.main import get_command

from zoo.cli.app import app

MAP = ROOT / "docs" / "code-map.md"
PLAIN = {"base", "published"}  # keys of a config
KNOWN = modules()


def section(title: str) -> str:
    return MAP.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def in_code_type() -> list[str]:
    return re.findall(r"`([^`]+)`", MAP.read_text(encoding="utf-8"))


def members(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """What the statements of a module or class define or import, by name."""
    found: dict[str, ast.stmt] = {}
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found[node.name] = node
            case ast.Import() | ast.ImportFrom():
                found |= {alias.asname or alias.name: node for alias in node.names}
            case ast.Assign():
                found |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = node
            case ast.If():  # TYPE_CHECKING: what is imported when it is used
                found |= members(node.body)
    return found


def exists(name: str) -> bool:
    """Whether a dotted name is a module of ours, or what one of them defines or imports; nothing is imported."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        path = KNOWN.get(".".join(parts[:end]))
        if path is None:
            continue
        body, module = ast.parse(path.read_text(encoding="utf-8")).body, ".".join(parts[:end])
        for position, part in enumerate(parts[end:], end):
            node = members(body).get(part)
            if isinstance(node, ast.ImportFrom):
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                origin = ".".join([*parents, *filter(None, [node.module])])
                return exists(".".join([origin, *parts[position:]]))
            if node is None:
                return False
            body = node.body if isinstance(node, ast.ClassDef) else []
        return True
    return False


def is_true(text: str) -> bool:
    first, _, rest = text.partition(" ")
    if text == "python -m training":
        return (ROOT / "training" / "__main__.py").is_file()
    if rest:
        commands = {*get_command(app).commands, "train", "sweep"}  # type: ignore[attr-defined]
        return first == "zoo" and rest in commands
    return text in PLAIN or (ROOT / text).exists() or exists(text)


def test_all_in_code_type_exists():
    assert [text for text in in_code_type() if not is_true(text)] == []
    assert len(set(in_code_type())) > 100


def test_every_room_is_on_the_map():
    named = re.findall(r"^\| `([^`]+)` \|", section("The rooms"), re.MULTILINE)
    rooms = {str(path.parent.relative_to(ROOT)) for path in KNOWN.values()} - {"zoo"}
    assert sorted(named) == sorted(rooms)


def test_the_floors_are_those_that_imports_are_held_to():
    lines = re.findall(r"^\d+\. (.*)$", section("The floors"), re.MULTILINE)
    assert tuple(tuple(re.findall(r"`([^`]+)`", line)) for line in lines) == FLOORS


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_it_is_linked(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert f"({MAP.relative_to(ROOT)})" in text


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("zoo.load", True),
        ("zoo.GAN.sample", True),
        ("zoo.GAN.device_name", False),
        ("zoo.nets.build_generator", True),
        ("zoo.schema.config.ModelConfig.tags", True),
        ("zoo.common.nothing", False),
        ("zoo.common.files.sha512", False),
        ("training.objectives.GradientPenalty.discriminator_loss", True),
        ("zoo/common/cache_root.py", False),
        ("zoo lost", False),
    ],
)
def test_what_does_not_exist_is_told(text, right):
    assert is_true(text) is right
