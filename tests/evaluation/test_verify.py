"""`zoo.verify` under the protocols of stated scores: verdicts, reasons, what is missing, and going on after a stop."""

import json

import pytest

import zoo
from zoo import datasets
from zoo.common.errors import DataUnavailableError, WeightsUnavailableError, ZooError
from zoo.evaluation import PROTOCOLS, rounds
from zoo.evaluation.protocols import claims
from zoo.evaluation.report import verdicts as verdicts_of
from zoo.evaluation.report.report import Report
from zoo.schema import registry
from zoo.schema.entries import Measured, Published

RECORDED = {"extractor": "tiny", "protocol": "clean", "num_fake": 100, "seeds": 2, "hardware": "a CPU"}
WITH_REAL = RECORDED | {"num_real": 1797, "split": "train"}


def register(name, scores=(), published=(), of="infomax-gan/digits", **changes):
    """A copy of a bundled model, with other scores stated about it."""
    config = registry.config(of)
    weights = config.weights[0].model_copy(update={"scores": tuple(scores)})
    new = config.model_copy(update={"name": name, "weights": (weights,), "published": tuple(published), **changes})
    return registry.register(new, replace=True)


def recorded(metric, value, std=None, **changes):
    own = RECORDED if metric.startswith("CS") else WITH_REAL
    return Measured(metric=metric, value=value, std=std, **(own | changes))


def verify(name, **options):
    return zoo.verify(name, device="cpu", **options)


@pytest.fixture(scope="module")
def measured():
    """What the scores really are, once."""
    names = ("fid", "kid", "is", "pr")
    options = {"extractor": "tiny", "num_fake": 100, "seeds": 2, "device": "cpu"}
    return zoo.evaluate("infomax-gan/digits", names, **options)


def test_recorded_scores_are_reproduced(measured):
    scores = measured.measured("a CPU")
    assert {score.metric for score in scores} == {
        "FD (tiny)",
        "KD (tiny)",
        "CS (tiny)",
        "precision (tiny)",
        "recall (tiny)",
    }
    register("test/recorded", scores)
    report = verify("test/recorded")
    assert {c.metric: c.verdict for c in report.comparisons} == {score.metric: "reproduced" for score in scores}
    assert report.verdict == "reproduced"
    assert report.extractor.name == "tiny", "that of the recorded scores"
    for comparison in report.comparisons:
        found = report[comparison.metric]
        assert comparison.measured == found.value == measured[comparison.metric].value
        assert comparison.source == "recorded here (a CPU)"


def test_each_verdict(measured):
    distance = measured["fid"].value
    scores = [
        recorded("FD (tiny)", distance * 0.2),
        recorded("KD (tiny)", 1.0),
        recorded("CS (tiny)", measured["is"].value, extractor="tiny"),
        recorded("Frechet distance", 3.0, protocol="by hand"),
        recorded("FD (efficientnet-lite0)", 3.0, extractor="efficientnet-lite0"),
    ]
    register("test/each", scores)
    found = {c.metric: c for c in verify("test/each", extractor="tiny").comparisons}
    verdicts = {metric: c.verdict for metric, c in found.items()}
    assert verdicts["FD (tiny)"] == "not reproduced"
    assert verdicts["KD (tiny)"] == "better"
    assert verdicts["CS (tiny)"] == "reproduced"
    assert verdicts["Frechet distance"] == verdicts["FD (efficientnet-lite0)"] == "not comparable"
    assert "--extractor efficientnet-lite0" in found["FD (efficientnet-lite0)"].why
    assert found["Frechet distance"].why == "Frechet distance is not computed here"
    assert found["FD (tiny)"].tolerance == verdicts_of.tolerance("fid", distance * 0.2, None, measured["fid"].std)


def test_another_protocol_is_not_comparable_and_says_why(measured):
    register("test/other", [recorded("FD (tiny)", measured["fid"].value)])
    report = verify("test/other", protocol="infomax-gan")
    (comparison,) = report.comparisons
    assert comparison.verdict == "not comparable"
    assert comparison.measured is not None, "both numbers stand there"
    assert comparison.why == "pixel scale fixed, here min-max; real images drawn random, here balanced"
    assert report.differences == (
        "infomax-gan, fid.num_fake: 100, not 50000",
        "infomax-gan, fid.num_real: 1797, not the default",
        "infomax-gan, fid.sampling.quantise: min-max, not fixed",
        "infomax-gan, seeds: (0, 1), not (0, 1, 2)",
        "infomax-gan, selection: balanced, not random",
        "infomax-gan, splits.digits: train, not the default",
    )


def test_published_scores_under_their_protocols(inception_weights, small_inception):
    """Mimicry's and the paper's rows at once: own counts each, Inception that is not the real one, doubts."""
    inception = {"num_real": 40, "split": "train", "extractor": "an Inception"}
    published = [
        Published(metric="FID", value=20, num_fake=40, source="Mimicry README, a7fda06", tag="zoo", **inception),
        Published(metric="FID", value=21, num_fake=20, source="InfoMax-GAN, Table 1", **inception),
        Published(metric="IS", value=2, num_fake=50, source="InfoMax-GAN, Table 1"),
        Published(
            metric="FID", value=9, num_fake=20, source="InfoMax-GAN, Table 4", settings={"alpha": 1}, **inception
        ),
        Published(metric="million parameters", value=48.1, source="ContraGAN, Table 3, column A"),
    ]
    register("test/published", published=published)
    few = {name: p.updated(seeds=(0,), selection="random") for name, p in PROTOCOLS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.evaluation.protocols.published.PROTOCOLS", few)
        patch.setattr("zoo.evaluation.plan._sample_size_warnings", lambda *_: ())
        report = verify("test/published", inception_weights=inception_weights)
    rows = {(c.metric, c.published): c for c in report.comparisons}
    assert set(rows) == {("FID", 20), ("FID", 21), ("IS", 2), ("million parameters", 48.1)}, (
        "other settings are left out"
    )
    assert rows["FID", 20].counts == "40 / 40"
    assert rows["FID", 21].counts == "40 / 20"
    assert (rows["FID", 20].protocol, rows["FID", 21].protocol) == ("mimicry", "infomax-gan")
    assert rows["FID", 21].source == "InfoMax-GAN, Table 1, for the method"
    for row in rows.values():
        assert row.verdict == "not comparable"
    assert "other Inception weights" in rows["IS", 2].why
    assert rows["FID", 20].measured != rows["FID", 21].measured
    assert any("smallest and largest value" in quirk for p in report.protocols for quirk in p.quirks)


def test_doubtful_rows_are_measured_with_the_papers_count_and_say_so():
    stated = claims.claims(registry.config("infomax-gan/imagenet128"), "mimicry")
    claim = next(c for c in stated if c.score.metric == "FID" and c.score.tag == "mimicry")
    assert claim.protocol.fid.num_fake == 10_000
    assert claim.score.num_fake == 50_000
    assert "equals the value of the paper" in claim.note
    assert "measured with 10,000" in claim.note
    swapped = claims.claims(registry.config("wgan/tiny-imagenet"), "studiogan")
    assert all("Listed in the README as WGAN-GP" in claim.note for claim in swapped if claim.protocol)


def test_every_set_of_weights_with_scores_has_claims():
    names = list(rounds._stated())
    assert len(names) > 70
    for name in ("infomax-gan/cifar10@mimicry", "contragan/tiny-imagenet@studiogan"):
        assert name in names


# -------------------------------------------------------------------------------------------------- what is missing


def test_all_that_is_missing_is_said_at_once(monkeypatch):
    monkeypatch.setattr(zoo.GAN, "generate", lambda *_: pytest.fail("it sampled"))
    with pytest.raises(WeightsUnavailableError) as error:
        verify("infomax-gan/cifar10")
    message = str(error.value)
    assert "6726825d.pth" in message
    assert "--inception-weights" in message
    assert "zoo import infomax-gan/cifar10@mimicry" in message
    assert "\n" not in message


def test_nothing_stated_is_an_error():
    register("test/nothing")
    with pytest.raises(ZooError, match="no published or recorded score of test/nothing@zoo can be verified"):
        verify("test/nothing")


def test_scores_that_need_no_features_are_verified_without_data(monkeypatch, measured):
    def not_here(*_, **__):
        raise DataUnavailableError("digits are not here")

    register("test/no-data", [recorded("KD (tiny)", 1.0), recorded("CS (tiny)", measured["is"].value)])
    monkeypatch.setattr(datasets, "load", not_here)
    found = {c.metric: c for c in verify("test/no-data").comparisons}
    assert found["CS (tiny)"].verdict == "reproduced"
    assert found["KD (tiny)"].why == "the real images are not available offline: digits are not here"


# ------------------------------------------------------------------------------------------------------- all of them


def test_a_round_goes_on_where_it_stopped(tmp_path, monkeypatch, measured):
    good, bad = measured.measured()[0], recorded("FD (tiny)", 1e-6)
    register("test/one", [good])
    register("test/two", [bad])
    names = ["test/one@zoo", "test/two@zoo", "infomax-gan/cifar10@mimicry"]
    told = []
    first = rounds.verify_all(names[:1], tmp_path, on_outcome=told.append, device="cpu")
    stamp = (tmp_path / "test-one-zoo" / "report.json").stat().st_mtime_ns
    again = rounds.verify_all(names, tmp_path, on_outcome=told.append, device="cpu")
    assert [o.resumed for o in first + again] == [False, True, False, False]
    assert (tmp_path / "test-one-zoo" / "report.json").stat().st_mtime_ns == stamp
    assert [o.report.verdict if o.report else None for o in again] == ["reproduced", "not reproduced", None]
    assert "Inception weights" in again[2].problem
    assert [o.name for o in told] == [names[0], *names]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [row["model"] for row in summary["compared"]] == names[:2]
    assert list(summary["not verified"]) == names[2:]
    assert "not reproduced" in (tmp_path / "summary.md").read_text()

    (tmp_path / "test-two-zoo" / "report.json").write_text("{")
    register("test/one", [recorded("FD (tiny)", good.value * 1.01)])  # another score is stated now
    third = rounds.verify_all(names[:2], tmp_path, device="cpu")
    assert [o.resumed for o in third] == [False, False]
    assert Report.from_file(tmp_path / "test-two-zoo" / "report.json").verdict == "not reproduced"
