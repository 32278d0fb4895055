"""Every protocol of the registry's scores runs, on a stand-in for its data set and with few images."""

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo import datasets
from zoo.common.errors import DataUnavailableError, ZooError
from zoo.datasets.catalogue import CATALOGUE, own_split
from zoo.evaluation.features.extractors import metric_name
from zoo.evaluation.protocols import claims
from zoo.schema import registry
from zoo.schema.entries import Measured, Published


def _published():
    """One published score of each metric, protocol, data set and split."""
    found = {}
    for name in registry.names():
        config = registry.config(name)
        for entry in config.weights:
            for claim in claims.claims(config, entry.tag):
                if claim.protocol and isinstance(claim.score, Published):
                    key = claim.protocol.name, config.data.dataset, claim.score.split, claim.kind
                    found.setdefault(key, (claim, config.data.dataset))
    return list(found.values())


def _stand_in(count):
    def load(dataset, split, resolution, *_):
        if split not in CATALOGUE[dataset].splits:
            raise DataUnavailableError(f"{dataset} has no {split} split")
        images = torch.randint(0, 256, (count, 3, resolution, resolution), dtype=torch.uint8)
        return datasets.Dataset(images, torch.arange(count) % 2, 2, checksum=f"{dataset} {split} {resolution}")

    return load


def _register(dataset, scores):
    config = registry.config("infomax-gan/digits")
    weights = config.weights[0].model_copy(update={"scores": ()})
    data = config.data.model_copy(update={"dataset": dataset, "class_names": None})
    changes = {"name": f"test/{dataset}", "weights": (weights,), "published": scores, "data": data}
    registry.register(config.model_copy(update=changes), replace=True)
    return f"test/{dataset}"


def _small(score, count, **changes):
    counts = {"num_fake": count} | ({"num_real": count} if score.num_real else {})
    return score.model_copy(update={"tag": "zoo", "settings": {}, **counts, **changes})


@pytest.mark.parametrize("dataset", sorted({dataset for _, dataset in _published()}))
def test_every_published_protocol_runs(dataset, monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "load", _stand_in(24))
    monkeypatch.setattr("zoo.evaluation.protocols.batch_norm_modes.STANDING_BATCHES", 2)
    monkeypatch.setattr("zoo.evaluation.plan._sample_size_warnings", lambda *_: ())
    few = {
        name: p.updated(
            seeds=(0,),
            **({"fid": p.fid.model_copy(update={"num_real": p.fid.num_real and 24})} if p.fid else {}),
            **({"kid": p.kid.model_copy(update={"subset_size": 10, "subsets": 2})} if p.kid else {}),
            **({"prd": p.prd.model_copy(update={"runs": 1})} if p.prd else {}),
        )
        for name, p in zoo.evaluation.PROTOCOLS.items()
    }
    monkeypatch.setattr("zoo.evaluation.protocols.published.PROTOCOLS", few)
    scores = [
        _small(claim.score, 24, metric=metric_name(claim.kind, "tiny"))
        for claim, found in _published()
        if found == dataset and claim.kind != "intra-class fid"  # of conditional models; test_alignment has them
    ]
    monkeypatch.setattr(claims.published, "doubt_about", lambda *_: None)
    report = zoo.verify(_register(dataset, tuple(scores)), device="cpu", cache_dir=tmp_path)
    assert len(report.comparisons) == len(scores) > 0
    for score, comparison in zip(scores, report.comparisons, strict=True):
        assert comparison.measured is not None, (score.metric, comparison.why)
        assert comparison.verdict != "not comparable", comparison.why
        if score.split:
            assert own_split(dataset, score.split) in {data["split"] for data in report.references}


@pytest.mark.parametrize("dataset", ["tiny-imagenet", "imagenet"])
def test_the_validation_split_of_a_paper_is_read_from_the_publishers_folders(dataset, data_root, monkeypatch):
    """ "valid" in the tables, val on the disk."""
    ids = datasets.class_ids("tiny-imagenet")[:2] if dataset == "tiny-imagenet" else ["n01440764", "n01443537"]
    draw, table = np.random.RandomState(0), []
    for i in range(4):
        tiny = dataset == "tiny-imagenet"
        folder = data_root / ("tiny-imagenet-200/val/images" if tiny else f"imagenet/val/{ids[i % 2]}")
        folder.mkdir(parents=True, exist_ok=True)
        name = f"val_{i}.JPEG"
        Image.fromarray(draw.randint(0, 256, (64, 64, 3), np.uint8)).save(folder / name)
        table.append(f"{name}\t{ids[i % 2]}\t0\t0\t63\t63\n")
    if dataset == "tiny-imagenet":
        (data_root / "tiny-imagenet-200" / "val" / "val_annotations.txt").write_text("".join(table))
    monkeypatch.setitem(CATALOGUE[dataset].splits, "val", 4)
    found = datasets.load(dataset, "valid", 32)
    assert len(found) == 4
    assert torch.equal(found.images, datasets.load(dataset, "val", 32).images)


def test_split_names():
    assert own_split("tiny-imagenet", "valid") == own_split("imagenet", "validation") == "val"
    assert own_split("celeba", "val") == own_split("celeba", "valid") == "valid"
    assert own_split("cifar10", "valid") == "valid", "there is none, and the data set says so"
    assert own_split("custom:mine", "valid") == "valid"


def test_an_extractor_that_no_score_has_is_one_line():
    score = Measured(
        metric="FD (efficientnet-lite0)", value=1, protocol="clean", extractor="efficientnet-lite0", num_fake=100
    )
    config = registry.config("infomax-gan/digits")
    weights = config.weights[0].model_copy(update={"scores": (score,)})
    registry.register(config.model_copy(update={"name": "test/other-extractor", "weights": (weights,)}), replace=True)
    with pytest.raises(ZooError, match="was measured with tiny, so nothing compares") as error:
        zoo.verify("test/other-extractor", extractor="tiny", device="cpu")
    assert "\n" not in str(error.value)
