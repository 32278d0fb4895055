"""`zoo labels` and the completion of classes: every class, by whole name, wherever it is printed."""

import json
import sys

import pytest

import zoo
from zoo.cli import app
from zoo.schema import class_names, labels

TINY = "contragan/tiny-imagenet"


@pytest.fixture
def terminal(monkeypatch):
    def of_width(columns: int) -> None:
        monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True, raising=False)
        monkeypatch.setenv("COLUMNS", str(columns))

    return of_width


def test_all_classes_are_lines_for_a_pipe(command):
    lines = [line.split("\t") for line in command("labels", TINY).stdout.splitlines()]
    ids = class_names.class_ids("tiny-imagenet")
    assert lines == [[str(i), name, ids[i]] for i, name in enumerate(labels.class_names(zoo.info(TINY)))]


def test_the_label_that_draws_each_class(command):
    model = zoo.load("contragan-snresgan/cifar10", device="cpu")
    assert model.is_permuted
    rows = [
        json.loads(line) for line in command("labels", "ContraGAN-SNResGAN-cifar10@zoo", "--json").stdout.splitlines()
    ]
    assert [row["name"] for row in rows] == list(model.class_names)
    assert [row["index"] for row in rows] == list(range(10))
    assert [row["label"] for row in rows] == model.trained_labels(range(10), 10).tolist()
    assert {row["id"] for row in rows} == {None}
    plain = command("labels", "contragan-snresgan/cifar10").stdout.splitlines()
    assert plain[8] == f"8\tship\t{rows[8]['label']}"
    rows = [json.loads(line) for line in command("labels", TINY, "--json").stdout.splitlines()]
    assert {row["label"] for row in rows} == {None}, "its weights are not here"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("fish", ["goldfish", "jellyfish"]),
        ("FISH", ["goldfish", "jellyfish"]),
        ("school bus", ["school_bus"]),
        ("n01443537", ["goldfish"]),
    ],
)
def test_classes_are_found_by_name_and_id(command, wanted, found):
    lines = command("labels", TINY, "--find", wanted).stdout.splitlines()
    assert [line.split("\t")[1] for line in lines] == found


def test_what_is_not_found_is_a_line(command):
    done = command("labels", TINY, "--find", "unicorn")
    assert done.returncode == 1
    assert done.stderr == f"zoo: no class of {TINY} contains 'unicorn'; `zoo labels {TINY}` lists all\n"
    assert "zoo list" in command("labels", "nothing-like-it-at-all").stderr
    assert 'no weights tagged "gone"' in command("labels", f"{TINY}@gone").stderr


def test_an_unconditional_model_is_one_line_on_what_it_is(command):
    done = command("labels", "infomax-gan/digits")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "infomax-gan/digits is unconditional: it has no classes, and draws images without a label\n"
    done = command("labels", "infomax-gan/digits", "--json")
    assert (done.returncode, done.stdout) == (0, "")
    assert "unconditional" in done.stderr


def test_a_terminal_gets_a_table_that_cuts_no_name(command, terminal):
    terminal(120)
    shown = command("labels", TINY).stdout
    assert all(name in shown for name in labels.class_names(zoo.info(TINY)))
    assert "zoo align" in shown, "why there is no label"
    terminal(24)
    lines = command("labels", TINY, "--find", "refrigerator").stdout.splitlines()
    assert "refrigerator" in " ".join(lines).split(), "it is whole"


@pytest.mark.parametrize(
    ("name", "label", "said"),
    [
        (
            "contragan-snresgan/cifar10",
            "car",
            "did you mean cat? it has airplane, automobile, bird, cat,",
        ),
        (
            "contragan-snresgan/cifar10",
            "boat",
            'no class "boat"; it has airplane, automobile, bird, cat,',
        ),
        ("contragan/digits", "three", 'no class "three"; it has 0, 1, 2, 3, 4, 5, 6, 7, 8, 9'),
        (TINY, "goldfisch", 'no class "goldfisch"; did you mean goldfish?\n'),
    ],
)
def test_an_unknown_class_is_told_all_of_a_few(name, label, said, command):
    done = command("sample", name, "--weights", "random", "-l", label)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_folder_is_a_model(command, tmp_path):
    zoo.load("contragan-snresgan/cifar10").save_pretrained(tmp_path / "mine")
    assert command("labels", "./mine").stdout == command("labels", "contragan-snresgan/cifar10").stdout


def test_an_unknown_class_names_the_command(command):
    assert f"`zoo labels {TINY}` lists them" in command("sample", TINY, "--weights", "random", "-l", "zzzzzz").stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"zoo sample {TINY} --label gold", ["goldfish", "golden_retriever"]),
        (f"zoo sample -n 3 {TINY} -l goldfish,school", ["goldfish,school_bus"]),
        ("zoo interpolate contragan/cifar10 --from 3 -l s", ["ship"]),
        ("zoo sample infomax-gan/digits -l x", []),
        ("zoo sample nothing-like-it -l x", []),
        ("zoo sample hf://user/repo -l x", []),
        ("zoo sample -l x", []),
        ("zoo labels contragan/ti", [TINY]),
        ("zoo interpolate contragan/ti", [TINY]),
    ],
)
def test_a_shell_completes(monkeypatch, capsys, line, words):
    monkeypatch.setenv("_ZOO_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
    with pytest.raises(SystemExit):
        app.app(prog_name="zoo")
    assert sorted(capsys.readouterr().out.split()) == sorted(words)
