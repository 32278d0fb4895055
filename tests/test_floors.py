"""Arrows point downwards: no room imports one above it, be the import deferred or type-only; and rings are small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Lowest first; rooms of one floor do not know each other. `zoo` is the package itself: its public names.
FLOORS = (
    ("zoo.common",),
    ("zoo.schema",),
    ("zoo.nets",),
    ("zoo.inference", "zoo.checkpoints"),
    ("zoo.datasets",),
    ("zoo.sampling",),
    ("zoo.evaluation",),
    ("zoo",),
    ("zoo.release",),
    ("zoo.demo",),
    ("zoo.cli",),
    ("zoo.__main__",),
    ("training",),
    ("training.studies",),
)
UPWARD = {  # the arrows that must be, three at most, and why
    (
        "zoo.sampling.pretrained",
        "zoo.release.model_folder",
    ): "GAN.save_pretrained is a method on the Hub",
}
LARGEST_RING = 3  # files


def modules(root: Path = ROOT) -> dict[str, Path]:
    """The modules of zoo and training, by dotted name."""
    found = {}
    for path in (path for top in ("zoo", "training") for path in sorted((root / top).rglob("*.py"))):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(module: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of ours that a file imports, anywhere in it."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*parents, *filter(None, [node.module])])
            for alias in node.names:
                target = f"{origin}.{alias.name}" if f"{origin}.{alias.name}" in known else origin
                if target in known:
                    yield target
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "import_module":
            yield from (value.value for value in node.args if isinstance(value, ast.Constant) and value.value in known)


def arrows() -> set[tuple[str, str]]:
    known = modules()
    return {(module, target) for module, path in known.items() for target in imports(module, path, known)}


def floor_and_room(module: str) -> tuple[int, str]:
    """How high a module is, and in which room: the longest name of FLOORS that it begins with."""
    rooms = [(len(room), height, room) for height, floor in enumerate(FLOORS) for room in floor]
    _, height, room = max(found for found in rooms if module == found[2] or module.startswith(f"{found[2]}."))
    return height, room


def points_upward(arrow: tuple[str, str]) -> bool:
    (height, room), (target_height, target_room) = map(floor_and_room, arrow)
    return room != target_room and target_height >= height


def rings(arrows: set[tuple[str, str]]) -> list[list[str]]:
    """The sets of modules that all reach each other, of two and more, the largest first."""
    targets: dict[str, set[str]] = {}
    for module, target in arrows:
        targets.setdefault(module, set()).add(target)

    def reached(start: str) -> set[str]:
        seen, waiting = set(), [start]
        while waiting:
            for target in targets.get(waiting.pop(), set()) - seen:
                seen.add(target)
                waiting.append(target)
        return seen

    reach = {module: reached(module) for module in targets}
    found = {frozenset(other for other in seen if module in reach.get(other, ())) for module, seen in reach.items()}
    return sorted((sorted(ring) for ring in found if len(ring) > 1), key=lambda ring: (-len(ring), ring))


def test_arrows_point_downwards():
    upward = {arrow for arrow in arrows() if points_upward(arrow)}
    assert upward == set(UPWARD), "move what is imported to a lower room, or what imports it to a higher one"
    assert len(UPWARD) <= 3


def test_rings_are_small():
    assert [ring for ring in rings(arrows()) if len(ring) > LARGEST_RING] == []


def test_nothing_lies_loose():
    loose = {path.name for path in (ROOT / "zoo").iterdir() if path.is_file()}
    assert loose == {"__init__.py", "__main__.py", "py.typed"}
    rooms = {path.name for path in (ROOT / "zoo").iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    named = {room.removeprefix("zoo.") for floor in FLOORS for room in floor if room.startswith("zoo.")}
    assert rooms == named - {"__main__"}


def test_every_way_to_import_is_seen(tmp_path):
    known = dict.fromkeys(("zoo", "zoo.common", "zoo.common.files", "zoo.nets", "zoo.nets.a"), tmp_path / "x.py")
    (tmp_path / "x.py").write_text(
        "import zoo.nets\nfrom ..common import files\nif TYPE_CHECKING:\n    from .. import common\n"
        "def f():\n    from .a import g\n    importlib.import_module('zoo')\n    from torch import nn\n"
    )
    found = list(imports("zoo.nets.b", tmp_path / "x.py", known))
    assert sorted(found) == ["zoo", "zoo.common", "zoo.common.files", "zoo.nets", "zoo.nets.a"]


def test_upward_arrows_and_rings_are_found():
    assert points_upward(("zoo.common.files", "zoo.schema.config"))
    assert points_upward(("zoo.inference.fuse", "zoo.checkpoints.hub"))
    assert points_upward(("zoo.cli.app", "training"))
    assert points_upward(("training.engine", "training.studies.sweep"))
    assert points_upward(("zoo.evaluation.plan", "zoo"))
    assert not points_upward(("training.studies.sweep", "training.run.trainer"))
    assert not points_upward(("zoo.cli.app", "zoo.common.text"))
    assert rings({("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d")}) == [
        ["a", "b", "c"],
        ["d", "e"],
    ]
