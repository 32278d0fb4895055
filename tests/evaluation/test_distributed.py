"""Two processes give the images and the score of one, and fail together."""

from dataclasses import replace
from pathlib import Path

import children
import pytest
import torch

import zoo
from zoo.common import ranks
from zoo.evaluation import PROTOCOLS, make_reference
from zoo.evaluation.names import OFFLINE
from zoo.evaluation.protocols.protocol import CAS
from zoo.evaluation.report.report import Report


def evaluations():
    """A clean one with every metric, and one with Mimicry's scale over all images and batches of 50."""
    model = zoo.load("contragan/digits", device="cpu")
    options = {"extractor": "tiny", "device": "cpu"}
    clean = zoo.evaluate(model, ("fid", "kid", "is", "pr", "classes"), num_fake=300, seeds=1, **options)
    quirks = PROTOCOLS["mimicry"].updated(num_real=1000, seeds=(0,), splits={}, selection="random", kid=None)
    return {"clean": clean, "quirky": zoo.evaluate(model, ("fid", "is"), protocol=quirks, num_fake=150, **options)}


def scarce(out: Path):
    """A score of a classifier that learns, and one against a file of statistics that this makes; few images."""
    model, digits = zoo.load("contragan/digits", device="cpu"), zoo.datasets.load("digits")
    unseen = replace(digits, images=digits.images[:40], labels=digits.labels[:40], checksum="", pixels_sha256="")
    one_epoch = PROTOCOLS["clean"].updated(cas=CAS(epochs=1), seeds=(0,))
    made = make_reference("digits", out, extractor="tiny", device="cpu", force=True)
    options = {"num_fake": 40, "device": "cpu"}
    cas = zoo.evaluate(model, ("cas",), protocol=one_epoch, held_out=unseen, **options)
    given = zoo.evaluate(model, ("fid",), extractor="tiny", reference=out, seeds=1, **options)
    return {"cas": cas, "given": given}, len(made)


def rank(out: Path) -> None:
    """What each of the two processes does; it writes into this folder."""
    from tiny import register

    register()
    torch.set_num_threads(1)
    here = ranks.rank
    for name, report in evaluations().items():
        (out / f"{name}{here()}").write_text(report.to_json())
    reports, made = scarce(out / "digits.safetensors")
    for name, report in reports.items():
        (out / f"{name}{here()}").write_text(report.to_json())
    (out / f"made{here()}").write_text(str(made))
    shipped = make_reference("cifar10", out / "cifar10.safetensors", extractor=OFFLINE, device="cpu")
    (out / f"shipped{here()}").write_text(str(len(shipped)))
    assert ranks._group is not None
    waits = ranks._group._get_backend(torch.device("cpu")).options._timeout
    (out / f"waits{here()}").write_text(str(waits.total_seconds()))
    broken = zoo.load("contragan/digits", device="cpu")
    if here() == 1:
        for buffer in broken._renderer.network.buffers():
            buffer[...] = float("nan")
    try:
        zoo.evaluate(broken, ("fid",), extractor="tiny", num_fake=300, seeds=1, device="cpu")
    except zoo.ZooError as error:
        (out / f"error{here()}").write_text(str(error))
    ranks.stop()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder that two processes have written."""
    out = tmp_path_factory.mktemp("ranks")
    outcomes = children.run_two_ranks(rank, out, environment={"ZOO_CACHE": str(out / "cache")})
    assert [outcome.error for outcome in outcomes] == [None, None], outcomes
    return out


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return evaluations() | scarce(tmp_path_factory.mktemp("one") / "digits.safetensors")[0]


@pytest.mark.parametrize("which", ["clean", "quirky", "cas", "given"])
def test_the_score_is_that_of_one_process(which, one, two):
    alone, together = one[which], Report.from_file(two / f"{which}0")
    assert (alone.environment["ranks"], together.environment["ranks"]) == ("1", "2")
    assert [r.metric for r in alone.results] == [r.metric for r in together.results]
    for mine, theirs in zip(alone.results, together.results, strict=True):
        # Features are float32, and a kernel distance is a small difference of their large products.
        allowed = {"rel": 1e-6, "abs": 1e-7 if mine.kind == "kid" else 1e-9}
        assert mine.per_seed == pytest.approx(theirs.per_seed, **allowed), mine.metric
    assert alone.classes == together.classes


@pytest.mark.parametrize("which", ["clean", "cas", "given"])
def test_every_rank_has_the_report(two, which):
    assert (two / f"{which}0").read_text() == (two / f"{which}1").read_text()


def test_one_rank_writes_a_reference(two):
    for what in ("made", "shipped"):
        assert [(two / f"{what}{rank}").read_text() for rank in (0, 1)] == ["1", "0"]


def test_ranks_wait_while_one_trains_a_classifier_or_computes_metrics(two):
    assert [float((two / f"waits{rank}").read_text()) for rank in (0, 1)] == [7 * 24 * 3600] * 2


def test_ranks_fail_together(two):
    errors = [(two / f"error{rank}").read_text() for rank in (0, 1)]
    assert "another process of this run failed (rank 1: ZooError: image 192" in errors[0]
    assert "not finite" in errors[1]
