"""Checkpoints and figures of mmagic, BigGAN-PyTorch and BigGAN-deep in hub_configs, against the facts, both ways."""

import re
from collections import Counter

from published_facts import CONFIGS, OTHER_SOURCES, OTHERS

SOURCES = {"mmagic", "mmagic-rgb", "biggan-pytorch", "biggan-deep"}
NOT_MEASURED = {"SWD", "MS-SSIM"}  # of mmagic's, which nothing here computes
PLACE = ("source", "url", "google_drive_file", "archive", "path", "sha256_start")
FILES = [record for record in OTHERS if "source" in record]


def test_checkpoints_are_the_facts():
    expected = Counter((r["config"], r["tag"], r["mirror"], *(r.get(key) for key in PLACE)) for r in FILES)
    found = Counter()
    for name, config in CONFIGS.items():
        for w in config.weights:
            places = [(False, w.upstream)] + [(True, mirror) for mirror in w.mirrors]
            for is_mirror, u in places:
                if u and u.source in SOURCES:
                    found[(name, w.tag, is_mirror, *(getattr(u, key) for key in PLACE))] += 1
    assert found == expected
    of_servers = [r for r in FILES if r["url"]]
    assert all(r["url"].startswith("https://") and r["url"].endswith("/" + r["path"]) for r in of_servers)


def test_discriminators_are_in_the_files_of_their_generators():
    """What mmagic trained; what it converted from others is not known to have them. In-place activations differ."""
    expected, in_archives = {}, {(r["config"], r["tag"]): r["discriminator"] for r in FILES if "discriminator" in r}
    for r in (r for r in FILES if r["source"] == "mmagic"):
        in_place = "biggan_imagenet1k" in r["path"] or re.search("wReLUinplace", r["path"]) is not None
        expected[r["config"], r["tag"]] = r["path"], in_place
    found = {}
    for name, config in CONFIGS.items():
        for w in config.weights:
            place = w.discriminator and w.discriminator.upstream
            if place and place.source == "mmagic":
                assert (place, w.discriminator.mirrors) == (w.upstream, w.mirrors)
                spec = config.of_weights(w.tag).discriminator
                assert w.discriminator.rectify_shortcut != getattr(config.discriminator, "rectify_shortcut", False)
                found[name, w.tag] = place.path, getattr(spec, "rectify_shortcut", False)
            elif place and place.source == "biggan-pytorch":
                assert place == w.mirrors[0].model_copy(update={"path": in_archives.pop((name, w.tag))})
    assert found == expected
    assert not in_archives


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
