"""Model cards: what the Hub reads of them, every score with its source, and the files that are committed."""

import json
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image

from zoo.release import card, card_files
from zoo.release.card_metadata import source_url
from zoo.schema import registry
from zoo.schema.entries import Measured
from zoo.schema.licenses import license_of_model

CARDS = Path(__file__).resolve().parents[2] / "model_cards"
CONFIGS = {name: registry.config(name) for name in registry.names()}
BUNDLED = [name for name, config in CONFIGS.items() if any(entry.bundled for entry in config.weights)]


@pytest.mark.parametrize("name", CONFIGS)
def test_huggingface_hub_reads_the_metadata(name):
    config = CONFIGS[name]
    data = ModelCard(card.render(config)).data
    assert (data.license, data.library_name) == (license_of_model(config).lower(), "contrastive-gan-zoo")
    assert set(data.tags) >= {"gan", config.method, config.data.dataset}
    assert ("class-conditional" in data.tags) == config.conditional
    assert len(data.datasets) == 1
    entry = next((w for w in config.weights if w.tag == config.default_tag), None)
    scores = [] if entry is None else [*(s for s in config.published if s.tag == entry.tag), *entry.scores]
    found = data.eval_results or []
    assert [(r.metric_name, r.metric_value) for r in found] == [(s.metric, s.value) for s in scores]
    for result, score in zip(found, scores, strict=True):
        assert (result.metric_type == "fid") == (score.metric == "FID")
        assert result.metric_args.get("extractor") == score.extractor
        assert result.metric_args.get("num_fake") == score.num_fake
        assert (result.source_url is None) == isinstance(score, Measured)


def test_every_source_has_an_address():
    sources = {score.source for config in CONFIGS.values() for score in config.published}
    assert [source for source in sources if source_url(source) is None] == []


@pytest.mark.parametrize("name", CONFIGS)
def test_every_score_has_a_row_and_says_where_it_is_from(name):
    config = CONFIGS[name]
    text = card.render(config)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for score in config.published:
        assert any(str(score) in row and score.source in row for row in rows)
    for entry in config.weights:
        for score in entry.scores:
            assert any(str(score) in row and f"`@{entry.tag}`" in row for row in rows)
    for heading in ("## Use", "## Training", "## Limits and biases"):
        assert heading in text
    assert ("zoo verify" in text) == bool(
        config.weights and (config.published or any(w.scores for w in config.weights))
    )


def test_published_and_measured_stand_side_by_side():
    config = CONFIGS["infomax-gan/cifar10"]
    like = {"num_real": 50_000, "num_fake": 50_000, "split": "train", "protocol": "mimicry"}
    measured = Measured(metric="FID", value=15.2, std=0.09, seeds=3, **like)
    entry = config.weights[0].model_copy(update={"scores": (measured,)})
    changed = config.model_copy(update={"weights": (entry, *config.weights[1:])})
    rows = [line for line in card.render(changed).splitlines() if "15.2 ± 0.09" in line]
    assert len(rows) == 1
    assert "| FID | 15.12 ± 0.1 | 15.2 ± 0.09 | 50000 / 50000 | train | `@mimicry` |" in rows[0]
    results = ModelCard(card.render(changed)).data.eval_results
    assert {(result.metric_value, result.source_name) for result in results} >= {
        (15.12, config.published[0].source),
        (15.2, None),  # measured here: the source of its neighbours is not its own
    }


def test_committed_cards_are_those_of_the_bundled_models():
    names = set()
    for config in map(CONFIGS.get, BUNDLED):
        names |= {card.filename(config), card.sheet_filename(config)}
        names |= set(card.record_filenames(config)) if card.has_record(config) else set()
    assert {path.name for path in CARDS.iterdir()} == names


@pytest.mark.parametrize("name", BUNDLED)
def test_committed_cards_are_rendered(name):
    """The text to the byte, the metadata by what the Hub reads: their layout is the library's."""
    committed = ModelCard((CARDS / card.filename(CONFIGS[name])).read_text(encoding="utf-8"))
    rendered = ModelCard(card.render(CONFIGS[name]))
    assert (committed.text, committed.data.to_dict()) == (rendered.text, rendered.data.to_dict()), (
        f"run: zoo card {name} -o model_cards --force"
    )


@pytest.mark.parametrize("name", [name for name in BUNDLED if card.has_record(CONFIGS[name])])
def test_a_committed_record_is_of_the_steps_of_the_recipe(name):
    config = CONFIGS[name]
    log = (CARDS / card.record_filenames(config).log).read_text(encoding="utf-8").splitlines()
    entry = next(entry for entry in config.weights if entry.tag == config.default_tag)
    last, steps = json.loads(log[-1])["step"], config.training.steps
    assert last == steps or f"{last:,} of {steps:,} generator steps" in entry.deviations
    text = card.render(config)
    assert all(f"({file})" in text for file in card.record_filenames(config))


@pytest.mark.parametrize("name", BUNDLED)
def test_committed_sheets_show_the_model(name, tmp_path):
    card_files.write(CONFIGS[name], tmp_path)
    made, shown = (Image.open(folder / card.sheet_filename(CONFIGS[name])) for folder in (tmp_path, CARDS))
    assert made.size == shown.size
    difference = np.abs(np.asarray(made, int) - np.asarray(shown, int))
    assert (difference > 2).mean() < 0.001, f"run: zoo card {name} -o model_cards --force"
