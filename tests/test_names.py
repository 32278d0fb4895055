"""One word, one thing: classes and modules have names of their own, but for a part of a config and what it sets up."""

import ast
from collections import defaultdict

from test_floors import ROOT, modules

SHARED = {"__main__", "command"}


def test_no_two_classes_share_a_name():
    homes = defaultdict(set)
    for module, path in modules(ROOT).items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes[node.name].add(module)
    shared = {name: found for name, found in homes.items() if len(found) > 1}
    assert {
        name: sorted(found)
        for name, found in shared.items()
        if len(found) > 2 or not any(module.startswith("zoo.schema.") for module in found)
    } == {}


def test_no_two_modules_share_a_name():
    homes = defaultdict(list)
    for module in modules(ROOT):
        if not module.startswith("zoo.cli."):  # named after their commands
            homes[module.rpartition(".")[2]].append(module)
    shared = {name: found for name, found in homes.items() if len(found) > 1 and name not in SHARED}
    assert {name: found for name, found in shared.items() if not _of_its_own_room(*found)} == {}


def _of_its_own_room(room: str, module: str, *others: str) -> bool:
    return not others and module == f"{room}.{room.rpartition('.')[2]}"
