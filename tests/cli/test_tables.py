"""Every command that prints a table: no blanks at the ends of lines, nothing cut, one line a row in a pipe."""

import re
import sys

import pytest
from rich.text import Text

from zoo.cli import printing
from zoo.common.tables import columns, pairs
from zoo.release.card_panel import as_table
from zoo.schema import registry

COMMANDS = [
    ["list"],
    ["info", "contragan-snresgan/cifar10"],
    ["labels", "contragan/digits"],
    ["data", "list"],
    ["papers", "contragan", "table1"],
    ["sweep", "list"],
]


widths = pytest.mark.parametrize("width", [None, 60], ids=["pipe", "60 columns"])


@pytest.fixture
def on_terminal(monkeypatch):
    """Make standard output a terminal of some columns, from within a test: capturing replaces it before."""

    def on_terminal(width: int | None) -> None:
        if width:
            monkeypatch.setenv("COLUMNS", str(width))
            monkeypatch.setenv("TERM", "dumb")
            monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    return on_terminal


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@widths
def test_no_line_ends_in_blanks_and_nothing_is_cut(arguments, width, command, on_terminal):
    on_terminal(width)
    shown = command(*arguments).stdout
    assert shown.count("\n") > 5
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert not re.search(r"[ \t]\n", plain)
    assert "…" not in plain
    if width is None:
        names = {"list": "biggan-diffaug/cifar10 ", "sweep": "contragan-labels "}
        if wanted := names.get(arguments[0]):  # the longest rows
            assert any(line.startswith(wanted) and len(line) > 120 for line in shown.splitlines())


@widths
def test_a_table_is_as_wide_as_needed_and_folded_where_the_terminal_is_narrower(width, capsys, on_terminal):
    on_terminal(width)
    long = "x" * 150
    table = columns("a", "b", right=["b"])
    table.add_row(" ".join(["word"] * 30), long)
    printing.show(table, pairs([("key", long)]), Text("end"))
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    lines = shown.splitlines()
    assert lines[-1] == "end"
    assert max(map(len, lines)) == (width or 149 + 2 + 150)
    assert shown.count("x") == 300


@widths
def test_a_narrow_panel_cuts_nothing(width, capsys, on_terminal):
    on_terminal(width)
    panel = registry.config("contragan-snresgan/cifar10").default_weights.panel
    printing.show(as_table(panel), piped=printing.PAGE)
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= (width or printing.PAGE)
