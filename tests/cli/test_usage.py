"""What a command line does when it is wrong, what its help shows, and what a shell completes."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from test_help_panels import COMMANDS, ZOO

import zoo
from zoo.cli import checkup, completion, data, evaluate, places
from zoo.common.errors import UnknownModelError, WeightsCorruptedError
from zoo.datasets import contact_sheet
from zoo.evaluation.protocols import published
from zoo.schema import registry


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sampel", "x"], "did you mean sample?"),
        (["frobnicate"], "see zoo -h"),
        (["cache", "lst"], "did you mean list?"),
        (["sweep", "rn"], "did you mean run?"),
        (["sample"], "see zoo sample -h"),
        (["sample", "contragan/digits", "--colums", "3"], "did you mean --columns?"),
        (["sample", "contragan/digits", "-n", "0"], "-n"),
        (["sample", "contragan/digits", "-n", "many"], "-n"),
        (["sample", "contragan/digits", "--dtype", "float8"], "float32, float16, bfloat16"),
        (["sample", "contragan/digits", "too", "many"], "see zoo sample -h"),
        (["sample", "contragan/digits", "--label"], "--label"),
        (["list", "--sort", "colour"], "'name', 'score', 'size', 'resolution'"),
        (["list", "--available", "online"], "offline"),
        (["export", "contragan/digits", "-f", "onxx"], "did you mean onnx?"),
        (["export", "contragan/digits", "-f", "onnx", "--dtype", "float16"], "float32"),
        (["evaluate", "contragan/digits", "-m", "fid,kod"], "did you mean kid?"),
        (["evaluate", "contragan/digits", "--protocol", "cleen"], "did you mean clean?"),
        (["align", "contragan/digits", "--classifier", "imagent"], "did you mean imagenet?"),
        (["verify"], "--all"),
        (["card", "contragan/digits", "--run", "x"], "-o"),
        (["publish"], "--space"),
        (["train", "contragan/digits", "--out", "x", "--compile", "onn"], "did you mean on?"),
        (["train", "contragan/digits"], "--out"),
        (["sample", "contragan/digits", "--" + "x" * 5000], "no such option"),
        (["sample", "contragan/digits", "--weights", "gone"], 'no weights tagged "gone"; it has zoo'),
        (
            ["sample", "contragan/digits", "--device", "gpu"],
            'device "gpu" cannot be used; give "cpu", "cuda" or "auto"',
        ),
        (["data", "prepare", "cifar9"], "neither a data set"),
        (
            ["train", "contragan/digits", "--out", "x", "--set", "training.batch_sise=3"],
            "training.batch_sise: unknown key",
        ),
        (["sweep", "run", "infomax-weigths"], "did you mean infomax-weights"),
        (["sweep", "run", "infomax-weights", "--only", "alpha=9"], "there are alpha=0.0"),
        (["sweep", "run", "infomax-weights", "--run", "x"], "has no run x"),
        (["list", "--dataset", "cifar11"], "did you mean cifar10?"),
        (["evaluate", "nothing"], "no model is called"),
        (["info", "runs/nothing"], 'no model is called "runs/nothing", and no folder of this name here holds one'),
        (["papers", "contragn"], 'no paper is called "contragn"; did you mean contragan?'),
        (["papers", "contragan", "table99"], "no part of contragan is called"),
        (["reproduce", "contragan", "table1", "--cell", "nope"], "no cell is called"),
        (["sample", "hf://nope"], "write hf://user/repo"),
        (["publish", "contragan/digits", "--to", "a b", "--dry-run"], "write hf://user/repo"),
        *(
            ([*words, place], said)
            for words, said in {
                "export contragan/digits -f onnx -o": "give a name that ends in .onnx",
                "export contragan/digits -f torchscript -o": "give a name that ends in .pt",
                "sample contragan/digits -o": "unknown format .txt",
                "interpolate contragan/digits -o": "unknown format .txt",
                "data preview . -o": "does not end in .png or .jpg",
                "data prepare digits --preview": "does not end in .png or .jpg",
                "reference make digits -o": ".safetensors (zoo)",
                "papers page -o": "does not end in .md",
                **dict.fromkeys(
                    (
                        "export contragan/digits -o",
                        "evaluate contragan/digits -o",
                        "verify contragan/digits -o",
                        "align contragan/digits -o",
                        "panel contragan/digits -o",
                        "card contragan/digits -o",
                        "registry page -o",
                        "mirror",
                        "train contragan/digits -o",
                        "sweep run infomax-weights -o",
                        "reproduce contragan table1 -o",
                    ),
                    "a folder; give a name without .txt",
                ),
            }.items()
            for words, place in [(words.split(), "x.txt")]
        ),
        (["export", "contragan/digits", "-o", "x.onnx"], "a folder; give --format onnx"),
        (["export", "contragan/digits", "-f", "onnx", "-o", "x.pt"], "give a name that ends in .onnx"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_one_line_with_status_2(arguments, words, command, tmp_path):
    result = command(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("zoo: ")
    assert words in result.stderr
    assert not re.search("[╭│╰]|Value error|Possible options", result.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_name_with_a_dot_can_be_a_folder_and_previews_are_what_can_be_drawn(tmp_path):
    for name in (None, "run.2", "v1.5", "x"):
        assert places.folder(name and Path(name)) == (name and Path(name))
    (tmp_path / "there.json").mkdir()
    assert places.folder(tmp_path / "there.json") == tmp_path / "there.json"
    assert all(data._PICTURE(Path(f"x{suffix}")) for suffix in contact_sheet._SUFFIXES)


def test_the_program_of_training_says_the_same():
    done = subprocess.run([sys.executable, "-m", "training", "--stepz", "3"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"training: no such option: --stepz; did you mean --steps\?\n", done.stderr)


@pytest.mark.parametrize("arguments", [[], ["cache"], ["data"], ["sweep"]], ids=str)
def test_a_command_alone_shows_its_help(arguments, command):
    result = command(*arguments)
    assert result.returncode == 2
    assert "Usage:" in result.stdout
    assert result.stderr == ""


# ---------------------------------------------------------------------------------------------------------------- help


def examples(name: str) -> list[str]:
    lines = [" ".join(line.split()) for line in (COMMANDS[name].help or "").splitlines()]
    return [line for line in lines if re.match(rf"{name}( |$)", line)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example_that_is_understood(name, monkeypatch):
    assert examples(name), "no example"
    for example in examples(name):
        words = shlex.split(example)[len(name.split()) :]
        COMMANDS[name].make_context(name, words)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_every_command_has_a_short_option_for_help(name, command):
    result = command(*name.split()[1:], "-h")
    assert (result.returncode, result.stderr) == (0, "")
    assert "Usage:" in result.stdout


# ---------------------------------------------------------------------------------------------------------- completion


def completed(line: str, monkeypatch, capsys) -> list[str]:
    """Return what bash would offer for the last word of a line."""
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    monkeypatch.setenv("_ZOO_COMPLETE", "complete_bash")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        ZOO.main([], prog_name="zoo", complete_var="_ZOO_COMPLETE")
    return capsys.readouterr().out.split("\n")[:-1]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("zoo sample contragan/ti", ["contragan/tiny-imagenet"]),
        ("zoo sample contragan/digits@", ["contragan/digits@zoo"]),
        ("zoo sample contragan/cifar10 --label sh", ["ship"]),
        ("zoo sample contragan/cifar10 --weights studiogan-h", ["studiogan-hub", "studiogan-hub-2", "studiogan-hub-3"]),
        ("zoo sample contragan/digits --dtype b", ["bfloat16"]),
        ("zoo sample contragan/digits --device cu", ["cuda"]),
        ("zoo evaluate x --extractor eff", ["efficientnet-lite0", "efficientnet-lite2"]),
        ("zoo evaluate x --metrics fid,ki", ["fid,kid"]),
        ("zoo evaluate x --protocol studiogan-2021-", ["studiogan-2021-imagenet"]),
        ("zoo align x --classifier sh", ["shipped"]),
        ("zoo list --dataset tiny", ["tiny-imagenet"]),
        ("zoo data prepare stl", ["stl10"]),
        ("zoo sweep run infomax-w", ["infomax-weights"]),
        ("zoo train contragan/tiny", ["contragan/tiny-imagenet"]),
        ("zoo sample ru", ["runs/"]),
        ("zoo sample runs/", ["runs/mine"]),
        ("zoo verify runs/m", ["runs/mine"]),
    ],
)
def test_a_shell_completes(line, offered, monkeypatch, capsys, tmp_path):
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "config.json").touch()
    (tmp_path / "runs" / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    assert completed(line, monkeypatch, capsys) == offered


def test_the_words_offered_are_those_that_are_known():
    assert {protocol.name for protocol in published.PROTOCOLS.values()} <= {*evaluate.PROTOCOLS}
    for name in evaluate.PROTOCOLS:
        if name != "published":
            published.find(name)
    check = completion.among(["a", "b"])["callback"]
    assert [check(None), check("a")] == [None, "a"]
    with pytest.raises(typer.BadParameter, match="give one of a, b"):
        check("zebra")


# ----------------------------------------------------------------------------------------------------- cache and doctor


@pytest.mark.parametrize("verb", ["list", "verify", "clear"])
def test_an_empty_cache_is_said_to_be_empty(verb, command, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    result = command("cache", verb)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == f"zoo: no converted checkpoint in {tmp_path / 'cache'}\n"
    assert "fits sngan/*" in command("cache", verb, "sngan/*").stderr


def test_the_doctor_fails_for_what_is_needed(command, monkeypatch):
    assert command("doctor", "--no-network").returncode == 0
    monkeypatch.setitem(checkup.NEEDED, "pillow", "no_such_module")
    broken = command("doctor", "--no-network")
    assert broken.returncode == 1
    assert re.search(r"pillow .*cannot be imported .*<- pip install pillow", broken.stdout)


def test_the_doctor_finds_damaged_weights(command, monkeypatch):
    def damaged(filename, sha256):
        raise WeightsCorruptedError(f"{filename} is damaged")

    monkeypatch.setattr(checkup.weights_files, "bundled", damaged)
    result = command("doctor", "--no-network")
    assert result.returncode == 1
    assert "contragan-digits.safetensors is damaged   <- install the package again" in result.stdout


def test_the_doctor_shows_the_extras_of_developers_on_request(command):
    def shown(*options: str) -> set[str]:
        text = command("doctor", "--no-network", *options).stdout.partition("extras\n")[2].partition("\n\n")[0]
        return {line.split()[0] for line in text.splitlines()}

    assert shown() == {"compare", "demo", "eval", "export", "train", "upstream", "video"}
    assert shown("--dev") == shown() | {"test", "docs", "dev"}


# ---------------------------------------------------------------------------------------------------------- at the door

NO_NAMES = [None, 5, True, b"contragan/digits", [], {}, object(), ["contragan/digits"]]
WRONG_NAMES = ["", " ", "\n", "\0", "a\0b", "@zoo", "x" * 5000, "é" * 300, "\udcff", "\x1b[31m", "\u202eevil", "😀"]
WRONG_PATHS = ["/etc/passwd", "../../etc/passwd", "~", "~nobody/x", "./x", "/x" * 150, "C:\\x", "https://hf.co/a/b"]


@pytest.mark.parametrize("wrong", NO_NAMES + WRONG_NAMES + WRONG_PATHS, ids=lambda value: repr(value)[:20])
def test_what_names_no_model_is_refused_in_a_line(wrong):
    for call in (zoo.info, lambda name: zoo.load(name, device="cpu")):
        with pytest.raises(UnknownModelError) as error:
            call(wrong)
        text = str(error.value)
        assert text.isprintable() or "😀" in text
        assert len(text) < 400
        assert str(registry.config_files.hub_configs_dir()) not in text
        assert "0x" not in text


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("sagan", ["sagan/cifar10", "sagan/cifar100", "sagan/imagenet128"]),
        ("digits", ["contragan/digits", "infomax-gan/digits"]),
        ("infomax/digits", ["infomax-gan/digits"]),
        ("biggan/cifar", ["biggan/cifar10", "biggan/cifar100"]),
        ("bigan/cifar10", ["biggan/cifar10"]),
        ("dcgan/mnist", ["dcgan/mnist64", "dcgan/stacked-mnist"]),
        ("contragan/imagenet", ["contragan/imagenet128"]),
    ],
)
def test_the_nearest_names_come_first(wrong, meant):
    with pytest.raises(UnknownModelError) as error:
        zoo.info(wrong)
    suggested = re.search(r"did you mean (.*)\?", str(error.value))[1].split(" or ")
    assert suggested[: len(meant)] == meant


def test_a_wrong_tag_is_a_usage_error_that_names_the_tags(command):
    for line in ("info", "card", "sample -n 1"):
        done = command(*line.split(), "contragan/cifar10@studiogan-hubb")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "did you mean studiogan-hub? it has studiogan, studiogan-hub, studiogan-hub-2" in done.stderr
    assert command("info", "contragan/cifar10@studiogan", "--json").returncode == 0
