"""Text of others is shown, and does nothing else."""

import io

import pytest
from markdown_it import MarkdownIt

from zoo.cli import app as cli
from zoo.common import text
from zoo.common.errors import ZooError

HONEST = [
    'the "best" one',
    "it's",
    "a | b",
    "5 * 3 * 2",
    "snake_case and _this_",
    "[1, 2] and (3)",
    "C# > D",
    "1. first",
    "- not a list",
    "# no heading",
    "> no quotation",
    "back\\slash and `ticks`",
    "a < b && c &lt; d",
    "~~gone~~ $x$",
    "猫, кошка, می‌خواهم, 👩‍🚀",
    "<b>bold</b> <!-- x -->",
    "![a](http://b) [c](javascript:d)",
    "--- +++ ===",
]


@pytest.mark.parametrize("honest", HONEST)
def test_markdown_shows_it_as_it_is(honest):
    for place in ("# {}", "- {}", "some words, {}", "| a |\n|---|\n| {} |"):
        tokens = MarkdownIt("commonmark").enable("table").parse(place.format(text.markdown(honest)))
        inline = [token for token in tokens if token.type == "inline"][-1]
        assert {child.type for child in inline.children} <= {"text", "text_special"}
        assert "".join(child.content for child in inline.children).removeprefix("some words, ") == honest
    assert "<" not in text.markdown(honest)


def test_a_fence_is_not_closed_by_what_is_in_it():
    block = text.fenced("a\n```\n````\nb")
    tokens = MarkdownIt().parse(block)
    assert [(token.type, token.content) for token in tokens] == [("fence", "a\n```\n````\nb\n")]


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u200bb", "a\\u200bb"),
        ("a\u200db", "a\\u200db"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_acts_instead_of_being_shown_is_written_out(hidden, shown):
    assert text.visible(hidden) == shown
    assert str(text.plain(hidden)) == shown
    assert str(ZooError(hidden)) == shown


def test_an_error_is_one_line_that_begins_and_ends_as_it_did():
    told = str(ZooError("first " + "x" * 10**6 + "\n\tremove it"))
    assert told.startswith("first xxx")
    assert told.endswith("xxx remove it")
    assert len(told) < 2000


def test_values_are_named_briefly():
    for value in ("x" * 10**6, 10**5000, ["x" * 10**5] * 10**5, {"a": 1}, [[[["deep"]]]], None, 0.5):
        assert len(text.short(value)) < 200
    assert text.short("cat") == "'cat'"
    assert text.short([1, 2]) == "[1, 2]"


def test_rich_takes_nothing_for_markup():
    assert (
        text.plain("[bold]x[/bold] [/] [link=http://x]y[/link]").plain == "[bold]x[/bold] [/] [link=http://x]y[/link]"
    )


def test_the_command_prints_errors_as_one_line_without_effect(command, monkeypatch):
    result = command("info", "\x1b]0;owned\x07" + "n" * 10_000)
    assert result.returncode == 2
    assert "\x1b" not in result.stderr
    assert result.stderr.count("\n") == 1
    assert len(result.stderr) < 2000
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 5 bytes")):
        monkeypatch.setattr("zoo.info", lambda name, error=error: (_ for _ in ()).throw(error))
        result = command("info", "contragan/digits")
        assert (result.returncode, result.stderr.count("\n")) == (1, 1)
        assert "not enough memory" in result.stderr
    monkeypatch.setattr("zoo.info", lambda name: (_ for _ in ()).throw(OSError(28, "No space", "x\x1b]0;owned\x07")))
    result = command("info", "contragan/digits")
    assert result.stderr == "zoo: No space: x\\x1b]0;owned\\x07; free some space, or give another place\n"


def test_names_that_are_no_text_are_printed(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="strict")
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.argv", ["zoo", "--version"])
    with pytest.raises(SystemExit):
        cli.main()
    print("caf\udce9 猫", flush=True)
    assert out.buffer.getvalue().splitlines()[-1] == "caf\\udce9 猫".encode()
