"""Protocols are what the sources state, and every published score has one."""

import json
from pathlib import Path

import pytest

from zoo.evaluation.protocols import claims, published
from zoo.evaluation.protocols.protocol import Sampling
from zoo.evaluation.protocols.published import PROTOCOLS
from zoo.evaluation.protocols.reasons import reasons
from zoo.evaluation.report import verdicts
from zoo.schema import registry
from zoo.schema.entries import Published

FACTS = Path(__file__).parents[2] / "published"
MIMICRY, STUDIOGAN, INFOMAX, CONTRAGAN = (
    json.loads((FACTS / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("mimicry_checkpoints", "studiogan_checkpoints", "infomax_gan_paper", "contragan_paper")
)
SCORES = [
    (config, score) for name in registry.names() for config in [registry.config(name)] for score in config.published
]


def test_mimicrys():
    facts, p = MIMICRY["evaluation_protocol"], PROTOCOLS["mimicry"]
    assert (p.fid.num_real, p.fid.num_fake) == (facts["FID"]["n_real"], facts["FID"]["n_fake"])
    assert (p.kid.num_real, p.kid.num_fake) == (facts["KID"]["n_real"], facts["KID"]["n_fake"])
    assert (p.kid.subsets, p.isc.splits) == (facts["KID"]["splits"], facts["IS"]["splits"])
    assert f"{p.kid.subsets} random subsets of {p.kid.subset_size:,}" == facts["KID"]["splits_in_code"]
    assert p.isc.num_fake == facts["IS"]["n_fake"]
    assert len(p.seeds) == facts["seeds"]
    said = {item["topic"]: item["code"] for item in MIMICRY["differences"]}
    assert "smallest and largest value" in said["image scaling in evaluation"]
    assert (p.fid.sampling.quantise, p.isc.sampling.quantise) == ("min-max", "min-max-batch")
    assert "batch statistics of 50 images" in said["generator mode for IS"]
    assert (p.isc.sampling.batch_norm, p.isc.sampling.batch_size) == ("batch", 50)
    assert "(no bias)" in said["IS splits"]
    assert p.isc.logits == "without-bias"


def test_infomax_gans():
    p = PROTOCOLS["infomax-gan"]
    for facts in INFOMAX["evaluation_settings"]["per_dataset"].values():
        assert (p.fid.num_real, p.fid.num_fake) == (facts["FID"]["n_real"], facts["FID"]["n_fake"])
        assert (p.kid.num_real, p.kid.num_fake) == (facts["KID"]["n_real"], facts["KID"]["n_fake"])
        assert p.isc.num_fake == facts["IS"]["n_fake"]
        assert len(p.seeds) == facts["FID"]["seeds"]


def test_contragans():
    p, facts = PROTOCOLS["contragan"], CONTRAGAN["evaluation_protocol"]
    for dataset, name, split in (("CIFAR10", "cifar10", "test"), ("Tiny ImageNet", "tiny-imagenet", "valid")):
        assert facts[dataset]["reference_split"] in (split, "validation")
        assert p.split(name, "train") == split
        assert (p.fid.num_real, p.fid.num_fake) == (facts[dataset]["n_real"], facts[dataset]["n_fake"])


def test_studiogans():
    facts = STUDIOGAN["evaluation_protocol"]
    for rows, name, dataset in (
        ("CIFAR10 (all but StyleGAN2)", "studiogan-2021", "cifar10"),
        ("Tiny ImageNet", "studiogan-2021", "tiny-imagenet"),
        ("ImageNet", "studiogan-2021-imagenet", "imagenet"),
    ):
        p = PROTOCOLS[name]
        assert p.split(dataset, "train") == facts[rows]["reference_split"]
        assert (p.fid.num_real, p.fid.num_fake) == (facts[rows]["n_real"], facts[rows]["n_fake"])
        mode = facts[rows]["batch_norm_in_command"].split()[0]
        assert p.fid.sampling.batch_norm == mode
        assert p.isc.splits == 1
        assert p.fid.sampling.quantise == "none"
    assert "without 8-bit rounding" in facts["common_2021"]["input"]
    assert "with bias" in facts["common_2021"]["IS"]
    p = PROTOCOLS["studiogan-2023"]
    assert "8 bit" in facts["head_2023"]["input"]
    assert (p.fid.sampling.quantise, p.resize, p.split("cifar10", "x")) == ("fixed", "pillow", "train")
    assert p.fid.sampling.batch_norm == "standing"


def test_the_clean_protocol_has_torch_fidelitys_settings():
    from torch_fidelity.defaults import DEFAULTS

    p = PROTOCOLS["clean"]
    assert (p.kid.subsets, p.kid.subset_size) == (DEFAULTS["kid_subsets"], DEFAULTS["kid_subset_size"])
    assert (p.isc.splits, p.isc.shuffle) == (DEFAULTS["isc_splits"], DEFAULTS["samples_shuffle"])
    assert p.pr.neighbours == DEFAULTS["prc_neighborhood"]
    assert p.quirks == ()


@pytest.mark.parametrize("metric", ["FID", "KID", "IS", "F_8", "F_1/8"])
def test_every_published_score_has_a_protocol_with_its_own_counts(metric):
    found = [(config, score, published.of_score(score, config)) for config, score in SCORES if score.metric == metric]
    assert len(found) > 40
    count_of_fake, count_of_real = ("max_count",) * 2 if metric.startswith("F_") else ("num_fake", "num_real")
    for config, score, protocol in found:
        assert protocol is not None, score.source
        settings = protocol.settings("prd" if metric.startswith("F_") else metric.lower())
        assert settings is not None, (config.name, score.source)
        doubtful = published.doubt_about(score, config, protocol)
        if score.num_fake and not doubtful:
            assert getattr(settings, count_of_fake) == score.num_fake
        if score.num_real:
            assert getattr(settings, count_of_real) == score.num_real
            assert protocol.split(config.data.dataset, "?") == score.split


def test_no_published_figure_is_left_without_a_metric():
    no_scores_of_images = ("million parameters", "seconds per iteration")
    left, measured = [], 0
    for name in registry.names():
        config = registry.config(name)
        for entry in config.weights:
            for claim in claims.claims(config, entry.tag):
                if not isinstance(claim.score, Published) or claim.score.metric in no_scores_of_images:
                    continue
                if claim.score.metric == "IFID" and not config.conditional:
                    assert claim.why_not == "this model takes no classes"
                    continue
                measured += 1
                if claim.protocol is None or not claim.task.settings or claim.why_not:
                    left.append((name, claim.score.metric, claim.why_not))
    assert not left
    assert measured > 350


def test_three_rows_are_doubtful_and_measured_with_the_papers_count():
    doubtful = [
        (config.name, doubt.num_fake)
        for config, score in SCORES
        if (doubt := published.doubt_about(score, config, PROTOCOLS["mimicry"])) and score.source.startswith("Mimicry")
    ]
    names = [f"{method}/imagenet128" for method in ("infomax-gan", "sngan", "ssgan")]
    assert sorted(doubtful) == [(name, 10_000) for name in names]
    equal = [v for v in MIMICRY["cross_check_with_paper_table_1"]["values"] if v["metric"] == "FID" and v["equal"]]
    assert {(v["dataset"], v["resolution"]) for v in equal} == {("ImageNet", 128)}
    assert len(equal) == 3


def test_differences_are_told_by_field():
    told = PROTOCOLS["infomax-gan"].differences(PROTOCOLS["mimicry"])
    assert told == ("fid.num_fake: 10000, not 50000",)
    assert PROTOCOLS["clean"].differences(PROTOCOLS["clean"]) == ()
    told = PROTOCOLS["contragan"].differences(PROTOCOLS["clean"])
    assert "fid.sampling.batch_norm: batch, not running" in told
    assert "resize: bilinear, not tensorflow" in told


def test_a_protocol_refuses_nonsense():
    with pytest.raises(ValueError, match="batch_size belongs to"):
        Sampling(batch_norm="batch")
    with pytest.raises(ValueError, match="batch_size belongs to"):
        Sampling(batch_size=50)


# --------------------------------------------------------------------------------------------------- verdicts


def test_the_usual_spreads_are_the_largest_of_mimicrys_readme():
    for metric, kind in (("FID", "fid"), ("KID", "kid"), ("IS", "is")):
        spreads = [r[metric]["std"] / r[metric]["mean"] for r in MIMICRY["records"] if r[metric] and r[metric]["std"]]
        assert verdicts.USUAL[kind] == pytest.approx(max(spreads), rel=0.1), metric


@pytest.mark.parametrize(
    ("kind", "published", "std", "measured", "measured_std", "verdict"),
    [
        ("fid", 17.14, 0.2, 17.5, 0.1, "reproduced"),
        ("fid", 17.14, 0.2, 17.7, 0.1, "not reproduced"),
        ("fid", 17.14, 0.2, 16.5, 0.1, "better"),
        ("fid", 14.04, 0.02, 14.2, 0.02, "reproduced"),  # a tiny published spread does not make the rule absurd
        ("fid", 8.065, None, 8.25, None, "reproduced"),  # one run: the usual spread stands in, twice
        ("fid", 8.065, None, 8.4, None, "not reproduced"),
        ("is", 8.08, 0.08, 8.3, 0.02, "better"),
        ("is", 8.08, 0.08, 7.8, 0.02, "not reproduced"),
        ("kid", 0.0112, 0.0001, 0.0115, 0.0001, "reproduced"),
        ("intra-class fid as assigned", 40, None, 41, None, "reproduced"),
        ("intra-class fid", 40, None, 43, None, "not reproduced"),
        ("class accuracy", 0.95, 0.001, 0.94, 0.001, "reproduced"),
        ("class accuracy", 0.95, 0.001, 0.90, 0.001, "not reproduced"),
    ],
)
def test_verdicts(kind, published, std, measured, measured_std, verdict):
    allowed = verdicts.tolerance(kind, published, std, measured_std)
    assert verdicts.judge(kind, published, measured, allowed) == verdict


@pytest.mark.parametrize(
    ("changes", "metric", "why"),
    [
        ({"seeds": (7,)}, "fid", None),
        ({"splits": {"celeba": "test"}}, "fid", None),
        ({"num_fake": 500}, "fid", "50,000 generated images, here 500"),
        ({"num_fake": 500}, "pr", "10,000 images on either side, here 500"),
        ({"num_real": 1000, "splits": {"cifar10": "test"}}, "fid", "real images of train, here of test; all real"),
        ({"num_real": 1000, "splits": {"cifar10": "test"}}, "is", None),
        (
            {"quantise": "none", "resize": "pillow", "num_fake": 9, "truncation": 0.5},
            "fid",
            "50,000 generated images, here 9; truncation none, here 0.5",
        ),
        ({"kid": {"subsets": 10, "subset_size": 1000}}, "kid", "subsets 100, here 10"),
    ],
)
def test_the_one_or_two_reasons_that_matter(changes, metric, why):
    clean, config = PROTOCOLS["clean"], registry.config("contragan-snresgan/cifar10")
    found = reasons(clean, clean.updated(**changes), metric, config)
    assert found == why or (why and found.startswith(why) and found.count(";") == why.count(";"))
