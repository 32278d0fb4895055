"""Real images are turned into features once, for everybody, and what is kept is what it says it is."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zoo import datasets
from zoo.common.errors import DataUnavailableError, WeightsCorruptedError, ZooError
from zoo.common.files import sha256
from zoo.evaluation.features import efficientnet, extractors, references, shipped
from zoo.evaluation.features.references import ReferenceData, Selection
from zoo.evaluation.metrics import formulas


@pytest.fixture
def extractor():
    return extractors.load("tiny")


@pytest.fixture
def data():
    return ReferenceData("digits", "train", 32)


def get(data, extractor, selection=None, cache=None, **options):
    options = {"with_features": True, "batch_size": 256} | options
    return references.get(data, selection or Selection(), extractor, cache_dir=cache, **options)


def test_the_second_time_comes_from_the_cache(data, extractor, tmp_path):
    first = get(data, extractor, cache=tmp_path)
    again = get(data, extractor, cache=tmp_path)
    assert (first.about["from"], again.about["from"]) == ("computed", "cache")
    assert torch.equal(first.features, again.features)
    assert torch.equal(first.labels, again.labels)
    assert np.array_equal(first.statistics.sigma, again.statistics.sigma)
    assert first.statistics.mu.dtype == again.statistics.mu.dtype == np.float32, "as torch-fidelity has them"
    expected = formulas.statistics(first.features)
    assert np.array_equal(again.statistics.sigma, expected.sigma)
    manifests = [json.loads(p.read_text()) for p in (tmp_path / "references").glob("*.json")]
    assert {m["checksum"] for m in manifests} == {first.about["checksum"]}
    assert all(m["extractor"] == "tiny" and m["count"] == 1797 for m in manifests)


def test_statistics_alone_take_no_room_for_features(data, extractor, tmp_path):
    found = get(data, extractor, cache=tmp_path, with_features=False)
    assert found.features is None
    assert not list(tmp_path.rglob("*.features.safetensors"))
    assert get(data, extractor, cache=tmp_path).about["from"] == "computed", "features are needed now"


def test_what_differs_is_kept_apart(data, extractor, tmp_path, inception_weights, small_inception):
    get(data, extractor, cache=tmp_path)
    half = get(data, extractor, Selection(900), cache=tmp_path)
    assert (half.about["from"], half.count) == ("computed", 900)
    changed = data.loaded.images.clone()
    changed[0, 0, 0, 0] += 1
    other = ReferenceData("digits", "train", 32, given=datasets.Dataset(changed, data.loaded.labels, 10))
    assert get(other, extractor, cache=tmp_path).about["from"] == "computed"
    extractor.sha256 = "0" * 64
    assert get(data, extractor, cache=tmp_path).about["from"] == "computed"


def test_the_same_images_are_recognised_wherever_they_are(data, extractor, tmp_path):
    """By pixels and labels in order: an .npz and a folder of a data set's images; not with one pixel changed."""
    get(data, extractor, cache=tmp_path)
    digits, labels = data.loaded.images.permute(0, 2, 3, 1).numpy().copy(), data.loaded.labels.numpy()

    def of(name, images, labels):
        np.savez_compressed(tmp_path / name, images=images, labels=labels)
        root = tmp_path / name
        return get(ReferenceData("custom:mine", "train", 32, root), extractor, cache=tmp_path).about["from"]

    assert of("same.npz", digits, labels) == "cache"
    assert of("other labels.npz", digits, (labels + 1) % 10) == "computed"
    assert of("other order.npz", digits[::-1], labels[::-1]) == "computed"
    digits[-1, -1, -1, -1] ^= 1
    assert of("one pixel.npz", digits, labels) == "computed"


def test_a_damaged_file_is_made_again(data, extractor, tmp_path):
    get(data, extractor, cache=tmp_path)
    for path in tmp_path.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-100])
    assert get(data, extractor, cache=tmp_path).about["from"] == "computed"
    assert get(data, extractor, cache=tmp_path).about["from"] == "cache"


def test_a_full_disk_is_a_warning_and_leaves_nothing(data, extractor, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    found = get(data, extractor, cache=tmp_path)
    assert "No space left" in found.warnings[0]
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".lock"]


RACE = """
import sys
sys.path.insert(0, sys.argv[1])
from tiny import register
from zoo.evaluation.features import extraction
from zoo.evaluation.features import extractors, references
register()
made, extract = [], extraction.extract
extraction.extract = lambda *a, **k: made.append(1) or extract(*a, **k)
data, all_of_it = references.ReferenceData("digits", "train", 32), references.Selection()
options = {"with_features": True, "batch_size": 64, "cache_dir": sys.argv[2]}
found = references.get(data, all_of_it, extractors.load("tiny"), **options)
print(len(made), found.features.sum().item())
"""


def test_of_two_processes_one_waits(tmp_path):
    command = [sys.executable, "-c", RACE, str(Path(__file__).parents[2] / "helpers"), str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [process.communicate(timeout=300)[0].split() for process in processes]
    assert sorted(made for made, _ in found) == ["0", "1"]
    assert found[0][1] == found[1][1]


def test_selections(data):
    labels = data.loaded.labels
    assert references.select(labels, 10, Selection(), data) is None
    assert references.select(labels, 10, Selection(1797), data) is None
    drawn = references.select(labels, 10, Selection(500), data)
    assert len(drawn.unique()) == 500
    assert torch.equal(drawn, references.select(labels, 10, Selection(500), data))
    balanced = references.select(labels, 10, Selection(500, balanced=True), data)
    assert torch.bincount(labels[balanced]).tolist() == [50] * 10
    with pytest.raises(ZooError, match=r"1,797 images, 50,000"):
        references.size_of(data, 50_000, extractors.load("tiny"), with_features=True)
    with pytest.raises(ZooError, match="multiple of 10"):
        references.select(labels, 10, Selection(501, balanced=True), data)
    with pytest.raises(ZooError, match="178 images of class 0"):
        references.select(labels, 10, Selection(1790, balanced=True), data)


def test_images_of_another_size_are_refused(data, extractor, tmp_path):
    other = ReferenceData("digits", "train", 64, given=data.loaded)
    with pytest.raises(ZooError, match="32x32, the images to be measured are 64x64"):
        get(other, extractor, cache=tmp_path)


# -------------------------------------------------------------------------------------------------- what ships


def test_packed_statistics_give_the_same_distance():
    draw = np.random.RandomState(0)
    mix = draw.randn(60, 60)
    real, fake = (formulas.statistics(torch.from_numpy(draw.randn(500, 60) @ mix + m).float()) for m in (0, 0.3))
    packed = shipped.pack(real)
    assert packed["correlations"].dtype == np.float16
    restored = shipped.unpack(packed, 500)
    assert np.array_equal(restored.mu, real.mu)
    assert np.abs(restored.sigma - real.sigma).max() < 5e-4 * np.diag(real.sigma).max()
    exact, rounded = (formulas.frechet_distance(fake, s) for s in (real, restored))
    assert rounded == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("entry", shipped.manifest(), ids=lambda e: e["file"].removesuffix(".safetensors"))
def test_what_ships_is_whole_and_found_without_data(entry, tmp_path, monkeypatch):
    pytest.importorskip(efficientnet.VARIANTS[entry["extractor"]].package)
    monkeypatch.setattr(datasets, "load", lambda *a, **k: pytest.fail("data was asked for"))
    extractor = extractors.load(entry["extractor"])
    assert extractor.identity == {key: entry[key] for key in extractor.identity}
    data = ReferenceData(entry["dataset"], entry["split"], entry["resolution"])
    found = get(data, extractor, with_features=False, cache=tmp_path)
    assert (found.about["from"], found.count) == ("shipped", entry["count"])
    assert formulas.frechet_distance(found.statistics, found.statistics) == pytest.approx(0, abs=1e-3)
    assert np.linalg.eigvalsh(found.statistics.sigma).min() > -1e-3
    extractor.sha256 = "0" * 64
    assert shipped.find("cifar10", "train", 32, None, extractor) is None


@pytest.fixture
def ships_a_few(monkeypatch, tmp_path, extractor):
    """Statistics of 40 images ship as those of "cifar10 test"; returns the images (N, 32, 32, 3)."""
    from safetensors.numpy import save_file

    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    found = formulas.statistics(extractor(tensor, ("12",))["12"])
    save_file(shipped.pack(found), tmp_path / "few.safetensors")
    about = {"dataset": "cifar10", "split": "test", "resolution": 32, "count": 40, "classes": 10, "file": "few"}
    checksum = shipped.pixels_in_any_order(tensor)
    entry = about | extractor.identity | {"checksum": checksum, "file_sha256": sha256(tmp_path / "few.safetensors")}
    monkeypatch.setattr(shipped, "manifest", lambda: (entry,))
    monkeypatch.setattr(shipped, "data_path", lambda *_: tmp_path / "few.safetensors")
    return images


def test_given_images_that_ship_are_recognised_in_any_order(ships_a_few, extractor, tmp_path, monkeypatch):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i, image in enumerate(ships_a_few[::-1]):
        Image.fromarray(image).save(pictures / f"{i:02d}.png")
    np.savez(tmp_path / "same.npz", images=ships_a_few)
    options = {"cache": tmp_path / "cache", "with_features": False}
    for root in (tmp_path / "same.npz", pictures):
        found = get(ReferenceData("custom:mine", "train", 32, root), extractor, **options)
        assert found.about["from"] == f"shipped, {root.name} has these images"
        assert (found.about["dataset"], found.about["split"]) == ("cifar10", "test")
    data = ReferenceData("custom:mine", "train", 32, pictures)
    assert get(data, extractor, Selection(30), **options).about["from"] == "computed"
    assert get(data, extractor, cache=tmp_path / "cache").about["from"] == "computed", "features do not ship"
    changed = ships_a_few.copy()
    changed[7, 0, 0, 0] ^= 1
    Image.fromarray(changed[7]).save(pictures / "32.png")
    assert get(ReferenceData("custom:mine", "train", 32, pictures), extractor, **options).about["from"] == "computed"


def test_statistics_without_features_do_not_give_a_kernel_distance(tmp_path, monkeypatch):
    def not_here(*_, **__):
        raise DataUnavailableError("cifar10 is not here")

    monkeypatch.setattr(datasets, "load", not_here)
    data, extractor = ReferenceData("cifar10", "train", 32), extractors.load("efficientnet-lite0")
    with pytest.raises(DataUnavailableError):
        get(data, extractor, cache=tmp_path)
    assert get(data, extractor, cache=tmp_path, with_features=False).count == 50_000


def test_a_damaged_shipped_file_is_refused(monkeypatch):
    entry = dict(shipped.manifest()[0]) | {"file_sha256": "0" * 64}
    with pytest.raises(WeightsCorruptedError):
        shipped._read(entry)
