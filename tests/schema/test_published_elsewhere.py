"""Checkpoints and figures of mmagic, BigGAN-PyTorch and BigGAN-deep in hub_configs, against the facts, both ways."""

from collections import Counter

from published_facts import CONFIGS, OTHER_SOURCES, OTHERS

SOURCES = {"mmagic", "mmagic-rgb", "biggan-pytorch", "biggan-deep"}
NOT_MEASURED = {"SWD", "MS-SSIM"}  # of mmagic's, which nothing here computes
FILES = [record for record in OTHERS if "source" in record]


def test_checkpoints_are_the_facts():
    expected = Counter(
        (r["config"], r["tag"], r["mirror"], r["source"], r["url"], r["path"], r["sha256_start"]) for r in FILES
    )
    found = Counter()
    for name, config in CONFIGS.items():
        for w in config.weights:
            places = [(False, w.upstream)] + [(True, mirror) for mirror in w.mirrors]
            for is_mirror, u in places:
                if u and u.source in SOURCES:
                    found[name, w.tag, is_mirror, u.source, u.url, u.path, u.sha256_start] += 1
    assert found == expected
    assert all(r["url"].startswith("https://") and r["url"].endswith("/" + r["path"]) for r in FILES)


def test_published_figures_are_the_facts():
    expected = Counter(
        (r["config"], r["tag"], metric, value, r.get("std", {}).get(metric), r["score_source"], bool(r["settings"]))
        for r in OTHERS
        for metric, value in r["scores"].items()
        if metric not in NOT_MEASURED
    )
    found = Counter()
    for name, config in CONFIGS.items():
        for p in config.published:
            if p.source in OTHER_SOURCES:
                again = p.settings.get("remeasured_by") == "mmagic"
                found[name, p.tag, p.metric, p.value, p.std, p.source, again] += 1
    assert found == expected


def test_every_figure_belongs_to_weights():
    for name, config in CONFIGS.items():
        for p in config.published:
            assert p.source not in OTHER_SOURCES or p.tag in config.tags, name


def test_who_measured_converted_weights_is_said():
    """Their conversions: another pipeline measured weights that were published with scores of their own, or none."""
    converted = {(r["config"], r["tag"]) for r in FILES if r["source"] != "mmagic"}
    assert len(converted) == 8
    for name, tag in converted:
        scores = [p for p in CONFIGS[name].published if p.tag == tag and p.source.startswith("mmagic")]
        assert {p.metric for p in scores} == {"FID", "IS"}, name
        assert all(p.settings == {"remeasured_by": "mmagic"} for p in scores), name
