"""Configs of others: read within bounds, refused in one line that names the field, shown without effect."""

from __future__ import annotations

import ast
import copy
import json
import re
import resource
import time
from pathlib import Path
from types import SimpleNamespace

import children
import pytest
import yaml
from markdown_it import MarkdownIt
from wrong_inputs import SPECIAL, put_special

import zoo
from zoo import nets
from zoo.checkpoints import hub
from zoo.cli.describe import describe
from zoo.common import json_files
from zoo.common.errors import ConfigError, WeightsUnavailableError
from zoo.release import card
from zoo.schema import registry
from zoo.schema.config import ModelConfig
from zoo.schema.label_alignment import LabelAlignment, as_line

FULL = "contragan-snresgan/cifar10"  # has weights, scores, an alignment, notes and published figures


def plain() -> dict:
    return registry.config(FULL).model_dump(mode="json")


def leaves(value, path=()):
    """(path, value) of all that is no object; lists too."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
        return
    yield path, value
    if isinstance(value, list | tuple):
        for i, item in enumerate(value[:2]):
            yield from leaves(item, (*path, i))


def changed(path, value) -> dict:
    data = copy.deepcopy(plain())
    *parents, last = path
    node = data
    for key in parents:
        node = node[key]
    node[last] = value
    return data


def refused(data) -> str:
    with pytest.raises(ConfigError) as error:
        ModelConfig.from_dict(data)
    told = str(error.value)
    assert len(told) <= 1100
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", told)
    return told


TEXTS = [path for path, value in leaves(plain()) if isinstance(value, str)]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: ".".join(map(str, path)))
def test_a_text_that_acts_or_has_no_end_is_refused_with_its_field(path):
    was = next(value for where, value in leaves(plain()) if where == path)
    for bad in (was + "\x1b[2J", was + "\n", "\u202e" + was, was + "\u200b", was + "\x9b", was + "x" * 10**5):
        told = refused(changed(path, bad))
        named = ".".join(map(str, path[:-1] if path[-1] in ("architecture", "type") else path))
        assert named in told


def test_an_integer_has_a_bound():
    found = registry.config(FULL).model_dump()
    integers = [path for path, value in leaves(found) if type(value) is int and "as_paper" not in path]
    assert len(integers) > 30
    for path in integers:
        told = refused(changed(path, 10**30))
        assert str(path[-1]) in told or "unknown" in told or "alignment" in told


def test_a_list_has_a_bound():
    begin = time.monotonic()
    for path, value in leaves(plain()):
        if isinstance(value, list):
            assert str(path[0]) in refused(changed(path, value + [(value or ["x"])[0]] * 200_000))
            assert str(path[0]) in refused(changed(path, [{"wrong": 1}] * 200_000))
    assert time.monotonic() - begin < 10


def test_large_and_honest_models_are_configs():
    """BigGAN at 512 pixels with ImageNet-21k's classes, and a network for 1,024 pixels."""
    config = registry.config("biggan/imagenet128").updated(
        {
            **{f"{part}.resolution": 512 for part in ("generator", "discriminator", "data")},
            **{f"{part}.num_classes": 21_841 for part in ("generator", "discriminator")},
            "generator.channels": [1536, 1536, 768, 768, 384, 192, 96, 96],
            "generator.latent_dim": 160,
            "generator.attention_after": [4],
            "discriminator.channels": [96, 192, 384, 768, 768, 1536, 1536],
            "discriminator.downsample_blocks": 7,
            "discriminator.attention_after": [3],
            "data.class_names": None,
        }
    )
    assert config.num_classes == 21_841
    side = {f"{part}.resolution": 1024 for part in ("generator", "discriminator", "data")}
    wide = {"generator.channels": [512] * 4 + [256, 128, 64, 32, 16], "discriminator.channels": [16, 32, 64, 512, 512]}
    assert registry.config("sngan/cifar10").updated(side | wide | {"generator.attention_after": []})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested lists"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "nested lists"),
        (b'{"x": ' + b"1" * 5000 + b"}", "5,000 digits"),
        (b'{"x": NaN}', "NaN"),
        (b'{"x": -Infinity}', "Infinity"),
        (b'{"x": 1e999}', "too large"),
        (b'{"title": "a", "title": "b"}', '"title" twice'),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "byte order mark"),
        (b'{"x": "\xe9"}', "UTF-8"),
        (b" " * (17 << 20), "bytes"),
        (b"{" + b",".join(b'"k%d":0' % i for i in range(20_000)) + b"}", "20,000 keys"),
        (b"", "line 1: not valid JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_plain_json_is_refused(tmp_path, text, reason):
    (tmp_path / "config.json").write_bytes(text)
    with pytest.raises(ConfigError, match=r"config\.json") as error:
        zoo.info(tmp_path)
    assert reason in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("kind", SPECIAL)
def test_only_files_are_read(tmp_path, kind):
    path = tmp_path / "config.json"
    put_special(path, kind)
    with pytest.raises(ConfigError, match=r"config\.json"):
        ModelConfig.from_file(path)
    with pytest.raises((OSError, json_files.UnreadableError)):
        json_files.read_json(path)


def test_a_problem_is_echoed_briefly():
    told = refused(plain() | {"title": ["x" * 100] * 20_000})
    assert "title" in told
    assert len(told) < 300
    many = refused(plain() | {f"key{i}": i for i in range(5000)})
    assert "and 4,995 more" in many
    assert "title" in refused(plain() | {"title": "\ud800 half a pair"})
    assert "unknown key" in refused(plain() | {"\x1b[2J" * 1000: 1})


def test_texts_in_json_are_left_alone():
    odd = registry.config("contragan/digits").updated({"title": 'sizes [1,   2] and "[ true ,\\u0020false ]"'})
    assert ModelConfig.from_dict(json.loads(odd.to_json())) == odd


def _built_within(part: str, changes: dict, spare: int) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + spare, used + spare))
    config = registry.config("sngan/cifar10").updated(changes)
    getattr(nets, f"build_{part}")(getattr(config, part))


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="the limit is set by what is in use")
@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_a_network_without_end_is_refused_before_it_takes_memory(part):
    for width, reason in ((16_384, "at most 500 million are built"), (2400, "there is not so much memory")):
        changes = dict.fromkeys(("generator.channels", "discriminator.channels"), [width] * 4)
        outcome = children.run(_built_within, part, changes, 1 << 29, environment={})
        assert outcome.error == "ConfigError", outcome
        assert reason in outcome.message


# ---------------------------------------------------------------------------------------- what it is shown as

ODD = [
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "a | b |",
    "``` `x` ```",
    "**bold** __under__ # --- > 1.",
    "'\"\\\"); __import__('os').system('id')  #",
    "[bold red]x[/bold red] [/] [link=http://x]y[/link]",
    "$(id) `id` && $x$",
    "猫 кошка قط",
    "- ---",
    'the "best" one\'s | * ~ & 5 # 1.',
]


def odd_config(text: str) -> ModelConfig:
    """Every text that may be any text is this one."""
    data = plain()
    data["alignment"] = copy.deepcopy(data["weights"][0]["alignment"])
    data |= {"title": text, "license": text, "notes": [text]}
    data["data"] |= {
        "dataset": f"custom:{text}",
        "split": text,
        "class_names": [text, *(f"{text} {i}" for i in range(9))],
    }
    data["training"] |= {"notes": [text]}
    data["training"]["auxiliary"] = [{"type": "custom", "name": text, "arguments": {text: text}}]
    for weights in data["weights"]:
        weights |= {"note": text, "deviations": [text]}
        if weights["upstream"]:
            weights["upstream"]["path"] = text
        for score in weights["scores"]:
            score |= dict.fromkeys(("metric", "split", "extractor", "note", "protocol", "hardware"), text)
    for score in data["published"]:
        score |= dict.fromkeys(("metric", "split", "extractor", "note", "source"), text) | {"settings": {text: text}}
    return ModelConfig.from_dict(data)


def of_odd_run(text: str) -> ModelConfig:
    """A config of the same kind that says where it comes from."""
    seen = {"images": 20, "of_class": [2] * 10, "checksum": text, "place": text}
    origin = {"recipe": "contragan/cifar10", "deviations": [text], "command": text, "data": seen}
    return odd_config(text).updated({"origin": origin})


@pytest.mark.parametrize("make", [odd_config, of_odd_run])
@pytest.mark.parametrize("text", ODD)
def test_a_card_shows_every_text_as_it_is(text, make):
    config = make(text)
    shown = card.render(config)
    assert make is of_odd_run or "<" not in shown, "but in a block of code, where it is literal"
    _, front, body = re.split(r"^---\n", shown, maxsplit=2, flags=re.MULTILINE)
    assert yaml.safe_load(front)["license"] == text.lower().replace("<", "‹")
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    kinds = {child.type for token in tokens for child in token.children or ()} | {token.type for token in tokens}
    assert not {"html_inline", "html_block"} & kinds
    assert "heading_open" in kinds
    links = [child.attrs["href"] for token in tokens for child in token.children or () if child.type == "link_open"]
    assert all(link.startswith("https://arxiv.org/abs/") or link.endswith(".jsonl") for link in links)
    headings = [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]
    assert len(headings) == len(re.findall(r"^#+ ", body, re.MULTILINE))
    assert _text(tokens, "h1") == [text]
    (code,) = (token.content for token in tokens if token.type == "fence" and token.info == "python")
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    assert [call.rpartition(".")[2] for call in calls] == ["save", "sample", "load"]
    (label,) = (
        keyword.value.value
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "label"
    )
    looks_like_code = text.startswith(("<", "[", "```", "**", "'\"", "$"))
    assert label == (0 if looks_like_code else text)
    assert "__import__" not in code


def _text(tokens, tag: str) -> list[str]:
    """What headings of a rank show."""
    return [
        "".join(child.content for child in tokens[i + 1].children)
        for i, token in enumerate(tokens)
        if token.type == "heading_open" and token.tag == tag
    ]


@pytest.mark.parametrize("text", ODD)
def test_the_page_of_a_config_shows_every_text_as_it_is(text, capsys):
    from rich.console import Console

    Console(width=4000, highlight=False).print(describe(odd_config(text)))
    shown = capsys.readouterr().out
    assert text in shown.splitlines()[0]
    assert f"custom:{text}" in shown
    assert f"- {text}" in shown


def test_a_config_runs_no_code(tmp_path):
    """A term of the user's own is a name; its plugin is executed by `zoo train --plugin` and by nothing else."""
    folder = tmp_path / "run"
    (folder / "plugins").mkdir(parents=True)
    trace = tmp_path / "trace"
    for place in (folder / "plugins" / "own.py", folder / "own.py", folder / "conftest.py", folder / "zoo.py"):
        place.write_text(f"open({str(trace)!r}, 'w')")
    base = registry.config("contragan/digits")
    own = [{"type": "custom", "name": "own", "arguments": {"x": "own.py"}}]
    config = base.model_copy(update={"weights": (), "default_tag": None}).updated({"training.auxiliary": own})
    (folder / "config.json").write_text(config.to_json(), encoding="utf-8")
    weights = Path(zoo.__file__).parent / "checkpoints" / "bundled" / base.weights[0].bundled
    (folder / "model.safetensors").write_bytes(weights.read_bytes())
    zoo.info(folder)
    assert len(zoo.load(folder, device="cpu").sample(1, seed=0)) == 1
    card.render(zoo.info(folder))
    assert not trace.exists()


def test_data_of_any_path_can_stand_in_an_alignment():
    line = as_line("features of /tmp/<a>|`b`\x1b[2J" + "x" * 500)
    found = registry.config("contragan/digits").weights[0].alignment
    assert LabelAlignment(**found.model_dump() | {"classifier": line}).classifier == line


@pytest.mark.parametrize("value", ["[" * 100_000, "1" * 5000, "NaN", '{"a": 1, "a": 2}', "\x1b[2J"])
def test_a_change_on_the_command_line_is_a_value_or_a_text(command, value, tmp_path):
    result = command("train", "contragan/digits", "--set", f"training.steps={value}", "--out", tmp_path / "run")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "training.steps" in result.stderr
    assert len(result.stderr) < 500


def test_a_config_of_the_hub_without_end_is_not_downloaded(monkeypatch):
    facts = SimpleNamespace(size=1 << 40, etag=None)
    monkeypatch.setattr(hub, "metadata", lambda *_: facts)
    monkeypatch.setattr(hub, "is_offline", lambda: False)
    with pytest.raises(WeightsUnavailableError, match="1,099,511,627,776 bytes, too many for a config"):
        zoo.info("hf://somebody/large")
