"""Every command that prints a table: no blanks at the ends of lines, no word cut or folded, a line a row in a pipe."""

import itertools
import re
import sys

import pytest
from rich.console import Group
from rich.text import Text

from zoo.cli import printing
from zoo.common.tables import columns, columns_that_fit, pairs
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


widths = pytest.mark.parametrize("width", [None, 60, 40], ids=["pipe", "60 columns", "40 columns"])


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


@pytest.mark.parametrize("arguments", [given for given in COMMANDS if given[0] != "labels"], ids=" ".join)
@pytest.mark.parametrize("width", [60, 40])
def test_every_word_of_a_narrow_table_is_a_word_of_the_wide_one(arguments, width, command, on_terminal):
    whole = {word.rstrip(",") for word in command(*arguments).stdout.split()}
    on_terminal(width)
    narrow = {word.rstrip(",") for word in re.sub(r"\x1b\[[\d;]*m", "", command(*arguments).stdout).split()}
    remarks = "a wider terminal shows also: models; `zoo info NAME` describes one `zoo sample makes images"
    assert {word for word in narrow - whole if not word.isdigit()} <= set(remarks.split())


def shown_on(width: int, capsys, *parts) -> list[str]:
    printing.show(*parts)
    return re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()


def test_columns_are_left_out_rather_than_words_folded(capsys, on_terminal):
    table = columns("name", "words", "number", "address", right=["number"], first=["name", "number"])
    table.add_row(*map(Text, ("a-name-of-thirty-characters-now", "some words", "7", "https://example.org/" + "x" * 60)))
    assert shown_on(200, capsys, table)[0].split() == ["name", "words", "number", "address"]
    on_terminal(60)
    assert shown_on(60, capsys, table) == [
        "name                             words       number",
        "a-name-of-thirty-characters-now  some words       7",
        "a wider terminal shows also: address",
    ]
    on_terminal(46)
    assert shown_on(46, capsys, table) == [
        "name                             words  number",
        "a-name-of-thirty-characters-now  some        7",
        "                                 words",
        "a wider terminal shows also: address",
    ]
    on_terminal(40)
    assert shown_on(40, capsys, table)[:2] == [
        "name                             number",
        "a-name-of-thirty-characters-now       7",
    ]
    on_terminal(10)
    assert shown_on(10, capsys, table)[:2] == ["name", "a-name-of-thirty-characters-now"]


def test_the_least_important_column_drops_first():
    kept = [columns_that_fit([5] * 4, [0, 2, 1, 3], line) for line in range(40)]
    assert kept[0] == [0]
    assert kept[12] == [0, 2]
    assert kept[5 * 4 + 2 * 3 - 1] == [0, 1, 2]
    assert kept[5 * 4 + 2 * 3] == [0, 1, 2, 3]
    for narrow, wide in itertools.pairwise(kept):
        assert set(narrow) <= set(wide)


def test_a_text_too_wide_beside_its_name_stands_below_it(capsys, on_terminal):
    address = "https://example.org/" + "x" * 60
    facts = pairs([("key", "some words"), ("", f"from {address} only")])
    on_terminal(100)
    assert shown_on(100, capsys, facts) == ["key  some words", f"     from {address} only"]
    on_terminal(60)
    assert shown_on(60, capsys, facts) == ["key", "  some words", "  from", f"  {address}", "  only"]


@widths
def test_a_narrow_panel_cuts_nothing(width, capsys, on_terminal):
    on_terminal(width)
    panel = registry.config("contragan-snresgan/cifar10").default_weights.panel
    printing.show(as_table(panel), piped=printing.PAGE)
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= (width or printing.PAGE)


def test_a_long_word_of_a_paragraph_stays_whole(capsys, on_terminal):
    on_terminal(30)
    path = "/home/somebody/pictures/of a folder/" + "x" * 40
    shown = shown_on(30, capsys, Group(Text(f"prepared data sets\nare in {path} and nowhere else")))
    assert shown == [
        "prepared data sets",
        "are in",
        "/home/somebody/pictures/of a",
        f"folder/{'x' * 40}",
        "and nowhere else",
    ]
