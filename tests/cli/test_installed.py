"""Commands of other packages: announced without being imported, called by name, and hidden by nothing in silence."""

import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
import typer

from zoo.cli import installed

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
COMMAND = '''"""Say hello.

More about it.
"""


def hello(name: str) -> None:
    print(f"hello {name}")
'''


def zoo(*arguments: str, folder: Path, path: Path) -> subprocess.CompletedProcess:
    places = [str(path), *map(os.path.abspath, sys.path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "zoo", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def someones(tmp_path) -> Path:
    """A folder of installed packages: one of somebody's, which adds `hello`; and `train` of ours."""
    path = tmp_path / "installed"
    about = path / "someones-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: someones\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[zoo.commands]\nhello = someones:hello\ntrain = training.command:train\n")
    (path / "someones.py").write_text(COMMAND)
    return path


def test_our_own_are_installed_and_are_commands():
    declared = re.search(r'entry-points."zoo.commands"\]\n((?:.+\n)+)', PYPROJECT.read_text())[1]
    entries = dict(re.findall(r'(\w+) = "(.+)"', declared))
    assert entries == {entry.name: entry.value for entry in entry_points(group=installed.GROUP)}, "install it again"
    for name, value in entries.items():
        command = installed.Announced(EntryPoint(name, value, installed.GROUP)).load()
        assert isinstance(command, typer.core.TyperCommand | typer.core.TyperGroup)
        assert command.name == name


def test_a_package_adds_a_command(someones, tmp_path):
    assert zoo("hello", "you", folder=tmp_path, path=someones).stdout == "hello you\n"
    assert "zoo hello" in zoo("hello", "-h", folder=tmp_path, path=someones).stdout
    (someones / "someones.py").write_text(f"{COMMAND}\nraise SystemExit('it was imported')")
    done = zoo("--help", folder=tmp_path, path=someones)
    assert re.search(r"hello +Say hello\. ", done.stdout)
    assert "it was imported" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["training/__init__.py", "training.py"])
def test_what_hides_a_package_is_named_and_does_nothing(name, someones, tmp_path):
    folder = tmp_path / "work"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("raise SystemExit('it was imported')")
    done = zoo("train", "contragan/digits", folder=folder, path=someones)
    hidden = folder / name.removesuffix("/__init__.py")
    assert done.stderr == (
        f"zoo: {hidden} hides the package training, which adds the command train; work in another folder\n"
    )
    assert done.returncode == 1
    assert "train" in zoo("--help", folder=folder, path=someones).stdout


def test_a_package_that_is_gone_is_named(someones, tmp_path):
    (someones / "someones.py").unlink()
    done = zoo("hello", folder=tmp_path, path=someones)
    assert done.stderr == "zoo: the package someones, which adds the command hello, is missing; install it again\n"


def test_an_installation_without_entry_points_says_what_to_do(command, monkeypatch):
    monkeypatch.setattr(installed, "entry_points", lambda group: [])
    result = command("train", "contragan/digits")
    assert result.stderr == ("zoo: no command 'train'; if another package adds it, install that package again\n")
    assert command("list", "contragan/digits").returncode == 0
