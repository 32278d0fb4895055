"""What the README, the pages of docs/ and the cards say is so."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.release import card
from zoo.schema import registry

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
WEIGHTS = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
BUNDLED = [n for n in registry.names() if any(w.bundled for w in registry.config(n).weights)]


def test_the_first_command_makes_the_picture_in_the_readme(tmp_path):
    command = re.search(r"pip install \. && zoo (sample .+)", README)[1]
    _is_the_picture(shlex.split(command), re.search(r"!\[[^]]*\]\(([^)]+)\)", README)[1], tmp_path)


def test_the_digits_are_those_of_the_model(tmp_path):
    command = ["sample", "contragan/digits", "-n", "100", "--label", "all", "--seed", "0", "-o", "digits.png"]
    _is_the_picture(command, "docs/digits.png", tmp_path)


def _is_the_picture(command, shown, folder):
    result = subprocess.run([sys.executable, "-m", "zoo", *command], cwd=folder, capture_output=True)
    assert result.returncode == 0, result.stderr
    made, shown = Image.open(folder / command[-1]), Image.open(ROOT / shown)
    assert made.size == shown.size
    difference = np.abs(np.asarray(made, int) - np.asarray(shown, int))
    assert (difference > 2).mean() < 0.001, "the same images, but for other processors' rounding"


@pytest.mark.parametrize("page", ["README.md", "docs/sampling.md", "docs/fine-tuning.md", "docs/discriminators.md"])
def test_python_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    code = "\n".join(blocks).replace("50_000", "50").replace("range(100)", "range(3)").replace("range(5)", "range(1)")
    exec(compile(code, page, "exec"), {})


def test_the_count_of_models_is_right():
    assert f"The registry holds {len(zoo.list_models())} models" in README


def test_every_bundled_model_is_named():
    """On the front page, or, as the material of a study, on the page of weights."""
    for name in BUNDLED:
        assert f"`{name}`" in README or f"[{name}]" in WEIGHTS


def test_the_page_of_weights_has_a_row_for_each_model_of_the_front_page():
    front = README.split("| bundled model |")[1].split("\n\n")[0]
    table = WEIGHTS.split("## Bundled models")[1].split("\n## ")[0]
    named = [name for name in BUNDLED if f"`{name}`" in front]
    assert len(named) > 4
    assert [name for name in named if f"| `{name}` |" not in table] == []


def test_the_bundled_discriminators_are_named():
    page = (ROOT / "docs" / "discriminators.md").read_text(encoding="utf-8").split("among the bundled models")[0]
    having = [name for name in BUNDLED if any(w.discriminator for w in registry.config(name).weights if w.bundled)]
    assert [name for name in having if f"`{name}`" not in page] == []
    assert having


def test_the_names_of_methods_exist():
    methods = {name.split("/")[0] for name in registry.names()}
    table = WEIGHTS.split("| methods |")[1].split("\n\n")[0]
    for name in re.findall(r"`([a-z][a-z0-9-]+)`", table):
        assert name in methods


@pytest.mark.parametrize("name", BUNDLED)
def test_cards_are_rendered_from_the_configs(name):
    config = registry.config(name)
    path = ROOT / "model_cards" / card.filename(config)
    assert path.read_text(encoding="utf-8") == card.render(config), f"run: zoo card {name} -o model_cards --force"
