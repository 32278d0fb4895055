"""The runs of PyTorch-StudioGAN's Hub repository: exact files, networks of the stated size, settings as in the YAML."""

import math
import re
from collections import Counter

import pytest
import torch
from published_facts import CONFIGS, HUB, STUDIOGAN
from test_published_recipes import REGULARIZERS

from zoo import nets
from zoo.checkpoints.upstream import studiogan
from zoo.schema.entries import Upstream

RUNS = [(r, CONFIGS[r["model"]]) for r in HUB["runs"]]
ENTRIES = [(r, next(w for w in config.weights if w.tag == r["tag"])) for r, config in RUNS]


def files():
    """(facts of the run, kind of the file, entry) of all files."""
    for r, weights in ENTRIES:
        yield r, r["generator"], weights.upstream
        if weights.discriminator:
            yield r, "D", weights.discriminator.upstream


def test_every_file_is_an_exact_path_at_an_exact_revision():
    for r, kind, upstream in files():
        folder = f"{HUB['root']}/{r['folder']}/{r['run']}"
        assert upstream == Upstream(
            source="studiogan",
            hub_repo=HUB["repository"],
            revision=HUB["revision"],
            path=f"{folder}/model={kind}-best-weights-step={r['step']}.pth",
            sha256=r["sha256"].get(kind),
        )
    assert re.fullmatch("[0-9a-f]{40}", HUB["revision"])
    exact = [weights.upstream for config in CONFIGS.values() for weights in config.weights if weights.upstream]
    assert not [u for u in exact if u.hub_repo and set(u.path) & set("*?[")]
    assert len({upstream.path for _, _, upstream in files()}) == len(list(files()))


def test_two_runs_of_a_model_are_two_tags_and_say_which_run():
    assert max(Counter((r["model"], r["tag"]) for r, _ in ENTRIES).values()) == 1
    for r, weights in ENTRIES:
        assert f"Run {r['run']}, step {r['step']}." in weights.note
        seen = "The step is that of the run's file" not in weights.note
        assert seen == (r["generator"] in r["seen"])
        assert (weights.discriminator is not None) == r["discriminator"]


def test_scores_say_where_the_scored_run_is_not_stated():
    for row in HUB["scored"]:
        config = CONFIGS[row["model"]]
        scores = [p for p in config.published if p.source == "StudioGAN, benchmark table" and p.tag == row["tag"]]
        runs = [w.tag for w in config.weights if re.fullmatch(rf"{row['tag']}(-\d+)?", w.tag)]
        assert len(scores) == len(HUB["benchmark"]["columns"])
        for score in scores:
            assert (len(runs) > 1) == ("was scored is not stated" in (score.note or ""))
            assert all(tag in (score.note or "") for tag in runs[1:])


def bytes_of(text):
    """(smallest, largest) that a page prints as "37.9 MB" or "1.08 GB"."""
    number, unit = re.fullmatch(r"([\d.]+)([MG])B", text).groups()
    half = 0.5 * 10.0 ** -len(number.partition(".")[2])
    return [(float(number) + side) * {"M": 1e6, "G": 1e9}[unit] for side in (-half, half)]


def size(spec, build, moments):
    """Bytes of a network's float32 state, with two moments of Adam for each parameter if they are in the file."""
    with torch.device("meta"):
        network = build(spec)
    parameters = sum(math.prod(p.shape) for p in network.parameters())
    return 4 * (parameters * (3 if moments else 1) + sum(math.prod(b.shape) for b in network.buffers()))


# The quick ones to build; all were compared when they were added.
QUICK = ["contragan/cifar10", "acgan/cifar10", "lgan/cifar10", "dcgan-deepconv/cifar10", "biggan-ada/cifar10"]


@pytest.mark.parametrize("name", QUICK)
def test_the_files_have_the_size_of_our_networks(name):
    config = CONFIGS[name]
    expected = {
        "G_ema": size(config.generator, nets.build_generator, False),
        "G": size(config.generator, nets.build_generator, True),
        "D": size(config.discriminator, nets.build_discriminator, True),
    }
    runs = [r for r, c in RUNS if c is config]
    assert runs
    for r in runs:
        for kind, text in r["sizes"].items():
            low, high = bytes_of(text)
            assert low - 100_000 <= expected[kind] <= high, (r["run"], kind, "the rest is names and settings")


@pytest.mark.parametrize("name", HUB["configs"])
def test_settings_are_those_of_the_yaml_file(name):
    given, config = HUB["configs"][name], CONFIGS[name]
    s = {key: value for part in STUDIOGAN["config_defaults_head"].values() for key, value in part.items()}
    s |= {key: value for part in given.values() if isinstance(part, dict) for key, value in part.items()}
    s = {key: None if value == "N/A" else value for key, value in s.items()}
    kinds = {"MH": "PD"}  # what stands for the discriminators that are not built here
    s["d_cond_mtd"] = kinds.get(s["d_cond_mtd"], s["d_cond_mtd"])
    assert config.generator == studiogan.generator(s)
    own = "rectify_shortcut", "batch_norm_eps", "spectral_norm_eps", "head_iterates_in_eval"
    kept = {field: getattr(config.discriminator, field) for field in own if hasattr(config.discriminator, field)}
    assert config.discriminator == studiogan.discriminator(s).model_copy(update=kept)
    t, o = config.training, config.training.optimizer
    steps = (t.steps, t.batch_size, t.discriminator_steps)
    assert steps == (s["total_steps"], s["batch_size"], s["d_updates_per_step"])
    assert (o.generator_lr, o.discriminator_lr, o.beta1, o.beta2) == (s["g_lr"], s["d_lr"], s["beta1"], s["beta2"])
    losses = {"vanilla": "non-saturating", "logistic": "non-saturating", "MH": "hinge"}
    assert t.adversarial == losses.get(s["adv_loss"], s["adv_loss"])
    assert (t.ema.decay, t.ema.start) == (s["g_ema_decay"], s["g_ema_start"]) if s["apply_g_ema"] else t.ema is None
    flags = {kind: flag for kind, (flag, _) in REGULARIZERS.items()} | {"adaptive-augment": "apply_ada"}
    assert {x.type for x in t.regularizers} == {kind for kind, flag in flags.items() if s.get(flag)}
    for field, setting in (("weight", "cond_lambda"), ("temperature", "temperature"), ("positive_margin", "m_p")):
        assert getattr(t.conditioning, field, None) == s.get(setting)
    assert config.num_classes == (0 if s["d_cond_mtd"] == "W/O" else given["DATA"]["num_classes"])
    assert config.data.resolution == given["DATA"]["img_size"]
    assert not t.track_statistics_in_discriminator_step
