"""A user's own loss: the example of training/README.md trains, and what cannot be used says what to do."""

import json
import re

import pytest
import torch
from test_objectives import batches_of, linear_discriminator
from typer.testing import CliRunner

from training import objectives, table
from zoo.cli.app import app
from zoo.common.errors import ConfigError


def run_training(*options: str):
    command = ["train", "infomax-gan/digits", "--device", "cpu", "--batch-size", "4", "--steps", "1", "--width", "8"]
    return CliRunner().invoke(app, [*command, *map(str, options)], catch_exceptions=True)


@pytest.fixture
def example(tmp_path):
    """The example of training/README.md, and its options."""
    text = table.README.read_text(encoding="utf-8").split("## Add your own loss")[1]
    path = tmp_path / "my_losses.py"
    path.write_text(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], encoding="utf-8")
    yield path, re.search(r"--set '(training\.regularizers=.*?)'", text)[1]
    objectives.plugins._factories.clear()


def test_the_example_in_the_readme_trains(example, tmp_path):
    path, option = example
    result = run_training("--plugin", path, "--set", option, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    logged = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    assert logged["d/r1"] > 0
    assert "g/r1" not in logged
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["training"]["regularizers"] == [{"type": "custom", "name": "r1", "arguments": {"gamma": 0.1}}]


def test_the_example_is_r1(example):
    """A linear discriminator has the same gradient everywhere: gamma / 2 times its squared norm."""
    path, _ = example
    objectives.load_plugin(path)
    term = objectives.plugins.make("r1", {"gamma": 0.6})
    slope = linear_discriminator()(torch.eye(12).view(12, 3, 2, 2), None).logits
    assert term.discriminator_loss(*batches_of()).item() == pytest.approx(0.3 * slope.square().sum().item(), rel=1e-5)


def test_plugins_that_cannot_be_used_say_what_to_do(example, tmp_path):
    path, option = example
    missing = run_training("--set", option, "--out", tmp_path / "run")
    assert isinstance(missing.exception, ConfigError)
    assert "--plugin" in str(missing.exception)
    with pytest.raises(ConfigError, match="does not exist"):
        objectives.load_plugin(tmp_path / "nowhere.py")
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0")
    with pytest.raises(ConfigError, match=r"broken\.py: ZeroDivisionError"):
        objectives.load_plugin(broken)
    objectives.load_plugin(path)
    with pytest.raises(ConfigError, match='"r1" does not take these arguments'):
        objectives.plugins.make("r1", {"gama": 1})
    objectives.register("wrong")(dict)
    with pytest.raises(ConfigError, match="not a Term"):
        objectives.plugins.make("wrong", {})
    idle = type("Idle", (objectives.Term,), {"discriminator": lambda self, batch: None})
    objectives.register("idle")(idle)
    with pytest.raises(ConfigError, match='"idle" would change nothing; give it one of the methods discriminator_loss'):
        objectives.plugins.make("idle", {})
    assert not (tmp_path / "run").exists()
