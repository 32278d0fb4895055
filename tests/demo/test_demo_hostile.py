"""A config of somebody else's on the page: what it says is shown as text, and lines to copy are what they seem."""

from __future__ import annotations

import ast
import html
import html.parser
import re
import shlex
from urllib.parse import parse_qs

import pytest
import torch
from markdown_it import MarkdownIt

import zoo
from zoo.demo import (
    drawing as pictures,
)
from zoo.demo import (
    encoding as files,
)
from zoo.demo import (
    links,
    snippets,
    style,
    validation,
)
from zoo.demo import (
    model_list as catalogue,
)
from zoo.demo.neighbours import Neighbours

HOSTILE = (
    "<img src=x onerror=alert(1)>", "</p><script>alert(1)</script>", '" onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    '")); import os #', "'\"\\", '"""', "`id`", "$(id)", "; rm -rf ~", "a\nb\r\nc", "\x1b]0;owned\x07", "\x00",
    "\u202etxt",
    "\u2028", "💣", "&lt;b&gt;", "[x](javascript:alert(1))", "![x](http://a.example/x.png)", "-rf",
    "--out=/etc/passwd", "all", "", " ", "a,b", "é", "\\", "{x}", "%s",
)  # fmt: skip


def _config(text: str):
    """A config that says `text` wherever it may say something, past whatever a file of it is checked for."""
    config = zoo.info("contragan/digits")
    data = config.data.model_copy(update={"dataset": text, "class_names": (text, *"123456789")})
    published = (
        zoo.info("contragan/cifar10").published[0].model_copy(update={"source": text, "tag": None, "metric": text})
    )
    update = {"title": text, "paper": text, "license": text, "notes": (text,), "data": data, "published": (published,)}
    return config.model_copy(update=update)


class _Tags(html.parser.HTMLParser):
    """The tags and attributes of a piece of HTML."""

    def __init__(self, text: str):
        super().__init__()
        self.found, self.open = set(), []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found |= {(tag, name) for name, _ in attributes} | {(tag, "")}
        self.open += [tag] if tag != "img" else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def _pieces(text: str) -> list[str]:
    config, images = _config(text), zoo.Images(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    near = Neighbours(images[:1], images, (1.0, 2.0), (0, 1), (1.0, 1.5), 2, text)
    return [
        catalogue.facts(config, "contragan/digits"), catalogue.scores(config, "contragan/digits"), near.html(),
        files.strips([pictures.Row(text, images)], text, text), style.notice([text]), style.status(text),
        files.picture(b"", text),
    ]  # fmt: skip


@pytest.mark.parametrize("text", [text for text in HOSTILE if text])
def test_html_has_no_tags_but_ours(text):
    for ours, theirs in zip(_pieces("word"), _pieces(text), strict=True):
        expected, found = _Tags(ours), _Tags(theirs)
        assert found.found == expected.found, theirs
        assert not found.open
        assert "javascript:" not in "".join(re.findall(r'(?:href|src)="([^"]*)"', theirs))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("label", [0, None, [0, 1], "all"])
def test_lines_to_copy_are_one_call_each_whatever_classes_are_called(text, label):
    config = _config(text)
    wanted = validation.classes(config, label, 64)
    request = validation.Sample(config, config.name, 12, wanted, 3, None)
    for lines in (
        snippets.python(request, 4), snippets.interpolation(config.name, 1, 2, 3, text),
        snippets.python(validation.Sample(config, text, 12, None, 3, None)),
    ):  # fmt: skip
        _only_these_calls(lines)
    words = shlex.split(snippets.command(request, 4))
    assert words[:3] == ["zoo", "sample", "contragan/digits"]
    assert snippets.command(request, 4).isprintable()
    if label == 0:
        chosen = words[words.index("--label") + 1]
        assert zoo.schema.labels.index(config, chosen) == 0
    query = parse_qs(links.query(request)[1:], keep_blank_values=True)
    assert set(query) <= {"model", "n", "seed", "label"}


def _only_these_calls(lines: str) -> None:
    tree = ast.parse(lines)
    kinds = {type(node).__name__ for node in ast.walk(tree)}
    assert lines.isprintable() or all(line.isprintable() for line in lines.split("\n"))
    assert [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names] == ["zoo"]
    called = {ast.unparse(node.func).split(".")[-1] for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert called <= {"load", "sample", "save", "interpolate", "range"}, lines
    assert not kinds & {"JoinedStr", "Lambda", "With", "ImportFrom", "Delete"}
    assert 2 <= len(tree.body) <= 4


@pytest.mark.parametrize("text", HOSTILE)
def test_a_literal_is_the_text_and_shows_all_of_it(text):
    assert ast.literal_eval(snippets.literal(text)) == text
    assert snippets.literal(text).isprintable()
    assert snippets.literal("plain") == '"plain"'


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.isprintable()])
def test_a_card_shows_no_html_of_a_config(text):
    pytest.importorskip("gradio")
    from zoo.demo.tabs import about

    config = zoo.info("contragan/digits").model_copy(update={"license": text, "notes": (text,)})
    page = MarkdownIt("gfm-like", {"linkify": False}).render(about.card(config))
    elements = Elements()
    elements.feed(page)
    assert not elements.found & {"img", "script", "svg", "iframe"}
    assert all(target.startswith("https://") for target in elements.targets)
    licence = "".join(elements.text).rpartition("Licence")[2]
    assert licence.strip() == " ".join(text.split())


class Elements(html.parser.HTMLParser):
    """The elements of a page, where its links lead, and its text."""

    def __init__(self):
        super().__init__()
        self.found: set[str] = set()
        self.targets: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)
        self.targets += [value for key, value in attrs if key in ("href", "src")]

    def handle_data(self, data):
        self.text.append(data)
