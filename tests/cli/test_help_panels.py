"""Help pages with many entries are grouped in panels, of the same few names everywhere."""

import subprocess
import sys

import pytest
import typer

from zoo.cli import app, installed, panels

MANY = 8  # options without panels
ANNOUNCED = """
import sys, typer
from zoo.cli import app
group = typer.main.get_group(app.app)
commands = {name: group.get_command(None, name) for name in group.list_commands(None)}
print([(name, commands[name].rich_help_panel) for name in ("train", "sweep")])
print([name for name in ("torch", "training") if name in sys.modules])
"""


def commands(group, prefix="zoo") -> dict[str, typer.core.TyperCommand]:
    """All commands below a group, by what a user types."""
    found = {}
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        command = command.load() if isinstance(command, installed.Announced) else command
        below = isinstance(command, typer.core.TyperGroup)
        found |= commands(command, f"{prefix} {name}") if below else {f"{prefix} {name}": command}
    return found


ZOO = typer.main.get_group(app.app)
COMMANDS = commands(ZOO)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_of_long_help_pages_are_in_panels(name):
    options = [option for option in COMMANDS[name].params if option.param_type_name == "option"]
    chosen = {option.name: option.rich_help_panel for option in options}
    assert set(chosen.values()) <= {*panels.OPTIONS, None}
    if len(options) > MANY:
        assert None not in chosen.values(), chosen


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help_that_ends_its_sentence(name):
    for parameter in COMMANDS[name].params:
        assert parameter.help, parameter.name
        assert parameter.help.endswith("."), parameter.help
        assert not parameter.help.startswith(("Of ", "That ", "Then ")), "its head is missing"


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_page_cuts_a_name_at_80_columns(name, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 80)
    assert "…" not in command(*name.split()[1:], "-h").stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_page_cuts_a_name_on_a_narrow_terminal(name, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    words = command(*name.split()[1:], "-h").stdout.replace(",", " ").split()
    assert {option for parameter in COMMANDS[name].params for option in parameter.opts if "-" in option} <= {*words}


@pytest.mark.parametrize("group", [[], ["cache"], ["data"], ["reference"], ["registry"], ["sweep"]], ids=" ".join)
def test_the_page_of_a_group_is_whole_on_a_narrow_terminal(group, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    page = command(*group, "-h").stdout
    found = ZOO.get_command(None, group[0]) if group else ZOO
    found = found.load() if isinstance(found, installed.Announced) else found
    for name in found.list_commands(None):
        sentence = found.get_command(None, name).help.partition("\n\n")[0]
        assert " ".join(f"{name} {sentence}".split()) in " ".join(page.split())
    if not group:
        assert [line[:-1] for line in page.splitlines() if line[:-1] in panels.COMMANDS] == list(panels.COMMANDS)
        assert "--install-completion" in page.split()


def test_the_long_ones_are_among_them():
    assert {"zoo sample", "zoo evaluate", "zoo train", "zoo demo", "zoo align"} <= {
        name for name, command in COMMANDS.items() if len(command.params) > MANY
    }


def test_commands_are_in_panels_in_order():
    shown = [ZOO.get_command(None, name).rich_help_panel for name in ZOO.list_commands(None)]
    assert list(dict.fromkeys(shown)) == list(panels.COMMANDS)


def test_the_panel_of_an_installed_command_is_read_from_its_source_alone():
    """`zoo --help` shows `train` and `sweep` in their panel, and imports neither them nor torch."""
    done = subprocess.run([sys.executable, "-c", ANNOUNCED], capture_output=True, text=True, check=True)
    assert done.stdout == "[('train', 'Train'), ('sweep', 'Train')]\n[]\n"
