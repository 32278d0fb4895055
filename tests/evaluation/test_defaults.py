"""What is measured by default: with what is on this machine, and said in one line."""

import shutil
from pathlib import Path

import pytest
import torch

import zoo
from zoo import datasets
from zoo.common.errors import DataUnavailableError, ZooError
from zoo.evaluation import PROTOCOLS, defaults, verifying
from zoo.evaluation.features import inception, shipped
from zoo.evaluation.protocols import claims
from zoo.schema import registry
from zoo.schema.entries import Measured, Published


@pytest.fixture
def tiny_is_offline(monkeypatch):
    """The extractor without a download costs nothing here."""
    monkeypatch.setattr(defaults, "OFFLINE", "tiny")


def test_without_inception_the_offline_extractor_is_taken_and_said(tiny_is_offline, unconditional, capsys):
    report = zoo.evaluate(unconditional, ("fid",), num_fake=100, seeds=1)
    assert [result.metric for result in report.results] == ["FD (tiny)"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("zoo: the extractor is tiny, as Inception's weights are not on this machine")
    assert "--extractor inception, which downloads them" in line


def test_inception_is_the_default_where_its_weights_are(inception_weights, monkeypatch, capsys):
    assert defaults.extractor(inception_weights) == "inception"
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    folder.mkdir(parents=True)
    shutil.copy(inception_weights, folder / inception.FILE_NAME)
    with pytest.raises(zoo.WeightsCorruptedError):  # it is looked at, and never replaced by another in silence
        defaults.extractor()
    assert defaults.extractor_for("dinov2-vit-l-14", ("tiny",)) == "dinov2-vit-l-14"
    assert capsys.readouterr().err == ""


def test_a_given_file_that_is_missing_is_no_reason_for_another_extractor():
    with pytest.raises(zoo.WeightsUnavailableError, match=r"gone\.pth does not exist"):
        zoo.evaluate("infomax-gan/digits", inception_weights="gone.pth")


def test_where_only_statistics_are_here_what_needs_images_is_left_out(monkeypatch, capsys):
    def not_here(*_, **__):
        raise DataUnavailableError("cifar10 is not here")

    monkeypatch.setattr(datasets, "load", not_here)
    report = zoo.evaluate("contragan-snresgan/cifar10", num_fake=64, seeds=1, device="cpu")
    assert [result.kind for result in report.results] == ["fid", "is"]
    assert "only the statistics of cifar10 train are on this machine, not its images, so kid and pr are left out" in (
        capsys.readouterr().err
    )
    with pytest.raises(DataUnavailableError, match="leave the others out"):  # asked for, they are not left out
        zoo.evaluate("contragan-snresgan/cifar10", ("fid", "kid"), num_fake=64, seeds=1, device="cpu")


def test_few_real_images_have_a_kernel_distance_alone(unconditional, capsys):
    few = datasets.Dataset(
        *(part[:12] for part in (datasets.load("digits").images, datasets.load("digits").labels)), 10
    )
    protocol = PROTOCOLS["clean"].updated(num_fake=50, seeds=(0,))
    report = zoo.evaluate(unconditional, protocol=protocol, extractor="tiny", data=few)
    assert "fid" not in {result.kind for result in report.results}
    assert "12 real images are too few for a covariance of 12 features, so fid is left out" in capsys.readouterr().err
    report = zoo.evaluate(unconditional, num_fake=50, seeds=1, extractor="tiny", data=few)
    assert "fid" in {result.kind for result in report.results}, "counts that are given are a choice"


def test_verify_takes_the_recorded_scores_where_inception_is_not_here(tiny_is_offline, capsys):
    score = {"extractor": "tiny", "protocol": "clean", "num_real": 1797, "num_fake": 100, "split": "train"}
    config = registry.config("infomax-gan/digits")
    weights = config.weights[0].model_copy(update={"scores": (Measured(metric="FD (tiny)", value=1.0, **score),)})
    published = (Published(metric="FID", value=20, num_fake=100, num_real=1797, source="Mimicry README", tag="zoo"),)
    changes = {"name": "test/both", "weights": (weights,), "published": published}
    registry.register(config.model_copy(update=changes))
    found = {c.metric: c for c in zoo.verify("test/both", device="cpu").comparisons}
    assert found["FD (tiny)"].measured is not None
    assert found["FID"].why == "measured with inception; --extractor inception does that"
    assert "zoo: the extractor is tiny" in capsys.readouterr().err
    with pytest.raises(zoo.WeightsUnavailableError):
        zoo.verify("test/both", extractor="inception")


def test_every_bundled_model_can_be_verified_and_scored_with_what_ships():
    """The default extractor is one of its scores', and the statistics of its data ship or its data are here."""
    names = [name for name in registry.names() if any(entry.bundled for entry in registry.config(name).weights)]
    assert len(names) >= 7
    statistics = {(e["dataset"], e["split"], e["resolution"], e["extractor"]) for e in shipped.manifest()}
    for name in names:
        config = registry.config(name)
        stated = claims.claims(config, config.default_tag)
        assert verifying.extractor_of(stated, None, None, said=False) == "efficientnet-lite0", name
        data = config.data
        key = (data.dataset, data.split, data.resolution, "efficientnet-lite0")
        assert key in statistics or data.dataset == "digits", name


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"data": torch.zeros(12, 3, 8, 8, dtype=torch.uint8)}, "data is of type Tensor; give the name of a data set"),
        ({"data": [1, 2]}, "data is of type list; give the name of a data set"),
        ({"data": 3}, "data is of type int; give the name of a data set"),
        ({"split": 3}, "split is 3; give its name"),
        ({"extractor": 3}, 'no extractor is called "3"'),
        ({"protocol": None}, 'no protocol is called "None"'),
        ({"metrics": 3}, "metrics is a list of names"),
        ({"metrics": ["fid", None]}, 'no metric is called "None"'),
        ({"metrics": iter(())}, "no metric is named"),
    ],
)
def test_an_argument_of_another_kind_is_a_line_before_any_work(unconditional, arguments, line):
    arguments = {"extractor": "tiny", "num_fake": 12} | arguments
    with pytest.raises(ZooError, match=f"^{line}"):
        zoo.evaluate(unconditional, **arguments)
