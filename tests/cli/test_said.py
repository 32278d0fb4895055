"""What commands say of names and paths: on one line, and nothing that moves the cursor."""

import ast
import shlex
from pathlib import Path

import pytest

from zoo import cli

NAME = "a\nb\x1b[2Jc"
SHOWN = "a\\x0ab\\x1b[2Jc"
SMALL = ["contragan/digits", "-n", "2", "--seed", "0"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", *SMALL, "-o", f"{NAME}.png"],
        ["sample", *SMALL, "-o", f"{NAME}/"],
        ["sample", *SMALL, "-o", f"{NAME}.npz"],
        ["interpolate", "contragan/digits", "--steps", "2", "-o", f"{NAME}.gif"],
        ["mirror", NAME, "contragan/digits@zoo"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_name_with_control_characters_stays_on_its_line(arguments, command):
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    assert SHOWN in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert not any(line.startswith("b") for line in done.stdout.splitlines())


def test_commands_print_no_name_as_it_is():
    for path in Path(cli.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "print" and node.args:
                shown = ast.unparse(node.args[0])
                known = any(part in shown for part in ("json", "visible(", "card.render", "readme"))
                assert known or not isinstance(node.args[0], ast.JoinedStr), f"{path.name}: {shown}; use printing.say"


def test_the_next_command_can_be_pasted(command, tmp_path):
    """Of a folder with blanks, umlauts and quotes in its name."""
    folder = tmp_path / "Ela's Übung 1"
    said = command("mirror", folder, "contragan/digits@zoo").stdout
    (setting,) = shlex.split(said.partition("use it with ")[2])
    assert setting == f"ZOO_MIRROR={folder}"
