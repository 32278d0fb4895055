"""The panel of a set of weights: its values are those of the metrics, real test images stand beside, nothing twice."""

import json
from shutil import copy

import numpy as np
import pytest
import torch

import zoo
from zoo.common.errors import ConfigError
from zoo.evaluation import panel
from zoo.evaluation.features import extractors
from zoo.evaluation.metrics import formulas
from zoo.release import card, card_panel
from zoo.release.card_panel import panel_section
from zoo.schema import config_files, registry
from zoo.schema.panel_scores import Panel

NAME, COUNT, SEEDS = "biggan/cifar10-small", 100, 2


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """An .npz like CIFAR-10: every class in both splits."""
    path, chance = tmp_path_factory.mktemp("data") / "data.npz", np.random.default_rng(0)
    arrays = {}
    for split in ("train", "test"):
        arrays[f"{split}_images"] = chance.integers(0, 256, (COUNT, 32, 32, 3), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(COUNT) % 10
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def measured(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("panels")
    options = {"num_real": COUNT, "num_fake": COUNT, "seeds": SEEDS, "data": data, "device": "cpu"}
    options |= {"extractors": ("tiny",), "cache_dir": folder / "cache", "hardware": "a CPU"}
    return panel.measure(NAME, folder, **options), folder, options


def score(found, metric):
    return next(score for score in found.scores if score.metric == f"{metric} (tiny)")


def test_values_are_those_of_evaluate_and_of_real_test_images(measured, data):
    found = measured[0]
    assert (found.seeds, found.split, found.held_out, found.num_held_out) == (SEEDS, "train", "test", COUNT)
    metrics = {score.short_name for score in found.scores}
    assert metrics >= {"FD", "KD", "CS", "precision", "recall", "density", "coverage", "F_8", "F_1/8", "MD", "AuthPct"}
    assert metrics >= {"C_T", "class accuracy", "class accuracy as assigned", "intra-class KD"}
    report = zoo.evaluate(
        NAME, ("fid",), extractor="tiny", data=data, num_real=COUNT, num_fake=COUNT, seeds=SEEDS, device="cpu"
    )
    assert score(found, "FD").value == pytest.approx(report["fid"].value, rel=1e-2)
    assert score(found, "FD").std == pytest.approx(report["fid"].std, rel=1e-1)
    with np.load(data) as arrays:
        pixels = [torch.from_numpy(arrays[f"{s}_images"]).permute(0, 3, 1, 2) for s in ("test", "train")]
    statistics = [formulas.statistics(extractors.load("tiny")(x, ("12",))["12"]) for x in pixels]
    fd = score(found, "FD")
    assert fd.test == pytest.approx(formulas.frechet_distance(*statistics), abs=fd.std / 10), "rounded like the value"
    assert score(found, "C_T").test is None
    assert 0 <= score(found, "class accuracy").test <= 1


def test_the_same_call_measures_nothing_again(measured, monkeypatch):
    found, folder, options = measured
    runs = []
    run = panel.Scorer.run
    monkeypatch.setattr(
        panel.Scorer, "run", lambda self, *a, **k: runs.append(self.target.subject.name) or run(self, *a, **k)
    )
    assert panel.measure(NAME, folder, **options) == found
    assert runs == []
    of_test = next(folder.glob("cifar10-test-*.json"))
    of_test.write_text("{}")
    assert panel.measure(NAME, folder, **options) == found
    assert runs == ["cifar10 test"], "what is damaged is measured again, and nothing else"
    panel.measure(NAME, folder, **options | {"seeds": 1})
    assert runs[1:] == [NAME, "cifar10 test"], "another protocol is"


def test_data_without_other_images_have_no_real_column(tmp_path, command, monkeypatch):
    monkeypatch.setattr(panel, "EXTRACTORS", ("tiny",))
    out = command("panel", "contragan/digits", "-o", tmp_path, "--num-fake", 60, "--num-real", 60, "--seeds", 1)
    assert out.returncode == 0, out.stderr
    assert "C_T" not in out.stdout
    assert "60 / 60" in out.stdout
    assert "no images that the weights have not seen" in " ".join(out.stdout.split())
    arguments = ("-o", tmp_path, "--num-fake", 60, "--num-real", 60, "--seeds", 1, "--json")
    found = json.loads(command("panel", "contragan/digits", *arguments).stdout)
    assert "held_out" not in found
    assert not any("test" in score for score in found["scores"])


def test_it_is_kept_in_the_config_of_its_weights_and_shown_on_the_card(measured, tmp_path):
    found = measured[0]
    path = tmp_path / "hub_configs" / "biggan" / "cifar10-small.json"
    path.parent.mkdir(parents=True)
    for file in config_files.paths()[NAME].parent.glob("*.json"):
        copy(file, path.parent)
    sha256 = registry.config(NAME).default_weights.sha256
    with pytest.raises(ConfigError, match="does not bundle"):
        panel.into_config(path, found, "0" * 64)
    panel.into_config(path, found, sha256)
    config = registry.ModelConfig.from_file(path)
    assert config.default_weights.panel == found
    text = card.render(config)
    fd = score(found, "FD")
    assert f"| FD | {COUNT} / {COUNT} | {fd.value:g} ± {fd.std:g} | {fd.test:g} |" in text
    assert "over 2 sampling seeds of one training run" in text
    assert "no order of models follows" in text
    assert f"`zoo panel {NAME} --num-real {COUNT} --num-fake {COUNT}`" in text
    assert panel_section(config.default_weights.model_copy(update={"panel": None}), NAME) == ""


def test_images_have_no_panel(command):
    assert "is no model; a panel is of a model's weights" in command("panel", "digits:train").stderr


def _panel(c_t: float, authentic: float, of_test: float | None = 84.4) -> Panel:
    about = {"extractor": "tiny", "num_fake": 100}
    scores = [
        {"metric": "AuthPct (tiny)", "value": authentic, "test": of_test, **about},
        {"metric": "C_T (tiny)", "value": c_t, **about},
    ]
    return Panel(protocol="clean", split="train", seeds=3, held_out="test", num_held_out=100, scores=scores)


@pytest.mark.parametrize(
    ("c_t", "authentic", "said"),
    [
        (-14.37, 90.49, "(tiny: C_T -14.37, AuthPct 90.49 against 84.4): the two disagree, and copying is not shown."),
        (-14.37, 60.0, "(tiny: C_T -14.37, AuthPct 60 against 84.4): both are as with copies of training images"),
        (-2.9, 60.0, None),
        (4.5, 88.0, None),
    ],
)
def test_a_c_t_far_below_0_is_read_beside_authpct(c_t, authentic, said):
    text = card_panel.about(_panel(c_t, authentic))
    assert said in text if said else "C_T is" not in text and "A C_T" not in text
    alone = card_panel.about(_panel(c_t, authentic, of_test=None))
    assert "copies" not in alone, "nothing real is there to compare with"
