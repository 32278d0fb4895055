"""Data sets by name, and what a user gets to see of them."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from narrow import tiny
from pictures import image_folder, noise, npz

from training.run.trainer import Options, train
from zoo import datasets
from zoo.common.errors import DataCorruptedError, ZooError
from zoo.schema import registry

pytestmark = pytest.mark.usefixtures("data_root")


def idx(array: np.ndarray) -> bytes:
    """MNIST's file format: magic number, shape, bytes."""
    header = [0x0800 + array.ndim, *array.shape]
    return b"".join(number.to_bytes(4, "big") for number in header) + array.astype(np.uint8).tobytes()


def mnist_files(root: Path, n=30) -> tuple[np.ndarray, np.ndarray]:
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    images, labels = noise(n, 28, 28), (np.arange(n) * 7) % 10
    for part in ("train", "t10k"):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return images, labels


def test_mnist_from_torchvisions_files(data_root):
    images, labels = mnist_files(data_root)
    data = datasets.load("mnist", "test", 28, root=data_root)
    assert np.array_equal(data.images[:, 1], images)
    assert data.labels.tolist() == labels.tolist()
    assert data.class_names == datasets.class_names("mnist")
    (data_root / "MNIST" / "raw" / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0")
    with pytest.raises(DataCorruptedError, match=r"MNIST/raw is damaged .*; remove it"):
        datasets.load("mnist", "test", 32, root=data_root)


def test_a_part_of_a_public_split_counts_only_where_it_was_asked_for(data_root, tmp_path, monkeypatch):
    mnist_files(data_root)
    assert len(datasets.load("mnist", root=data_root)) == 30
    with pytest.raises(DataCorruptedError, match="has 30 train images instead of 60,000; extract its archives again"):
        datasets.load("mnist")
    with pytest.raises(DataCorruptedError, match=r"mnist in .* has 30 train images instead of 60,000"):
        datasets.load("stacked-mnist")
    monkeypatch.setitem(datasets.CATALOGUE["mnist"].splits, "train", 30)
    elsewhere = tmp_path / "elsewhere"
    mnist_files(elsewhere)
    full = datasets.load("mnist", resolution=8, root=elsewhere)
    shutil.rmtree(elsewhere)
    again = datasets.load("mnist", resolution=np.uint8(8))
    assert (again.checksum, again.source) == (full.checksum, str(elsewhere)), "prepared from a path, found by name"


def test_stacked_mnist(data_root, monkeypatch):
    images, labels = mnist_files(data_root)
    monkeypatch.setitem(datasets.CATALOGUE["stacked-mnist"].splits, "train", 500)
    data = datasets.load("stacked-mnist", resolution=28, root=data_root)
    assert data.images.shape == (500, 3, 28, 28)
    assert data.num_classes == 1000
    index = {image.tobytes(): i for i, image in enumerate(images)}
    made_of = np.array([[index[channel.numpy().tobytes()] for channel in image] for image in data.images])
    a, b, c = labels[made_of].T
    assert data.labels.tolist() == (100 * a + 10 * b + c).tolist()
    assert data.class_names[data.labels[0]] == f"{a[0]}{b[0]}{c[0]}"
    assert made_of[:3].tolist() == [[6, 18, 13], [28, 24, 27], [10, 5, 8]], "the same on every machine, for ever"
    counts = np.bincount(made_of.ravel(), minlength=30)
    assert counts.min() > 20, "50 expected of each; uniform"
    assert abs(np.corrcoef(made_of.T)[np.triu_indices(3, 1)]).max() < 0.2, "channels are independent"
    as_npz = npz(data_root / "mnist.npz", train_images=images, train_labels=labels)
    assert datasets.load("stacked-mnist", resolution=28, root=as_npz).checksum == data.checksum


def test_stacked_mnist_has_the_published_numbers_of_images():
    assert datasets.CATALOGUE["stacked-mnist"].splits == {"train": 128_000, "test": 26_000}


def test_digits_are_the_real_ones(data_root):
    data = datasets.load("digits")
    assert data.images.shape == (1797, 3, 32, 32)
    assert data.images.dtype == torch.uint8
    assert torch.bincount(data.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert torch.equal(data.images[:, 0], data.images[:, 2])
    assert data.checksum == datasets.load("digits").checksum != datasets.load("digits", resolution=16).checksum
    assert not data_root.exists()


def test_description(tmp_path):
    images = np.zeros((6, 8, 8, 3), np.uint8)
    images[:, :, :, 1] = 30
    data = datasets.load("custom", resolution=8, root=npz(tmp_path / "x.npz", images=images, labels=[0, 0, 0, 2, 2, 2]))
    lines = dict(line.split(None, 1) for line in datasets.describe(data).splitlines())
    assert lines["source"] == str(tmp_path / "x.npz")
    assert lines["images"] == "6 of 8x8, 8-bit RGB, 1 kB"  # 6 x 8 x 8 x 3 bytes
    assert lines["classes"] == "3: 0 3, 1 0, 2 3"
    assert lines["pixels"] == "0 ... 30, mean (0.0, 30.0, 0.0)"
    assert lines["checksum"] == data.checksum
    many = datasets.Dataset(
        data.images, torch.tensor([0, 0, 1, 14, 14, 14]), 20, class_names=tuple("abcdefghijklmnopqrst")
    )
    assert "20, 1 (b) to 3 (o) images; 17 without images" in datasets.describe(many)
    assert "classes   none" in datasets.describe(datasets.Dataset(data.images, data.labels * 0, 1))
    large = datasets.Dataset(torch.zeros(25_000, 3, 1, 1, dtype=torch.uint8), torch.zeros(25_000, dtype=torch.int64), 1)
    assert "of 8,334 evenly spaced images" in datasets.describe(large)


def test_sizes_and_counts_of_any_kind():
    data = datasets.load("digits", resolution=torch.tensor(16))
    assert data.images.shape[2:] == (16, 16)
    assert datasets.first_classes(data, np.int8(3)).checksum == datasets.first_classes(data, 3).checksum
    for wrong in (0, 1.5, True, "16"):
        with pytest.raises(ZooError, match=r"resolution is .*; give a whole number of at least 1"):
            datasets.load("digits", resolution=wrong)
    with pytest.raises(ZooError, match="11 classes requested, the data has 10"):
        datasets.first_classes(data, np.uint8(11))


def test_classes_that_do_not_fit_are_explained(tmp_path):
    config = tiny(registry.config("contragan/digits"))

    def refusal(root) -> str:
        with pytest.raises(ZooError) as error:
            datasets.check_classes(config, datasets.load("custom", resolution=20, root=root))
        return str(error.value)

    right = image_folder(tmp_path / "data" / "images", [f"{i}/1.png" for i in range(10)])
    datasets.check_classes(config, datasets.load("custom", resolution=20, root=right))
    message = f"the data has 1 class; there is one folder level too many: 10 class folders are in {right}; give {right}"
    assert message in refusal(right.parent)
    below_train = image_folder(tmp_path / "parts", [f"train/images/{i}/1.png" for i in range(10)])
    assert f"10 class folders are in {below_train / 'train' / 'images'}" in refusal(below_train)
    flat = image_folder(tmp_path / "flat", ["1.png"])
    assert f"put the images of each class into a separate folder below {flat}" in refusal(flat)
    unlabelled = npz(tmp_path / "x.npz", images=noise(4, 20, 20, 3))
    assert f"add labels to {unlabelled}" in refusal(unlabelled)
    six = npz(tmp_path / "six.npz", train_images=np.zeros((6, 28, 28), np.uint8), train_labels=np.arange(6))
    assert "has 10 classes, the data has 6" in refusal(six)
    assert "change generator.num_classes" in refusal(six)
    datasets.check_classes(registry.config("infomax-gan/digits"), datasets.load("custom", resolution=20, root=flat))
    with pytest.raises(ZooError, match="of several classes, the data has 1 class; put the images of each class into"):
        train(config, Options(tmp_path / "run", data=flat))
    other = config.updated({"generator.num_classes": 4, "discriminator.num_classes": 4})
    with pytest.raises(ZooError, match="has 4 classes, the data has 6"):
        train(other, Options(tmp_path / "run", data=six))
    assert not (tmp_path / "run").exists()


@pytest.fixture
def zoo_data(capsys, monkeypatch):
    """Run `zoo data ...` in this process: exit status, output, errors."""
    from zoo.cli import app as cli

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["zoo", "data", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code or 0, *capsys.readouterr()

    return run


def test_the_commands(zoo_data, tmp_path, data_root):
    assert f"no data set is prepared in {data_root / 'prepared'} yet" in " ".join(zoo_data("list")[1].split())
    folder = image_folder(tmp_path / "own", ["a/1.png", "b/2.png"])
    status, out, _ = zoo_data("prepare", "custom", "--root", folder, "--resolution", 16)
    assert status == 0
    assert "2: a 1, b 1" in out
    status, out, _ = zoo_data("prepare", "infomax-gan/celeba64", "--root", folder)
    assert "2 of 64x64" in out, "split and resolution are the model's"
    assert zoo_data("prepare", "digits", "--quiet")[:2] == (0, "")
    rows = {row["name"]: row for row in map(json.loads, zoo_data("list", "--json")[1].splitlines())}
    assert list(datasets.CATALOGUE) == [name for name in rows if name != "custom"]
    (celeba,) = rows["celeba"]["prepared"]
    assert (celeba["split"], celeba["resolution"], celeba["count"], celeba["bytes"]) == ("all", 64, 2, 2 * 64 * 64 * 3)
    assert Path(celeba["folder"]).parent == data_root / "prepared"
    (data_root / "cifar-10-batches-py").mkdir()
    table = zoo_data("list")[1]
    assert str(data_root / "cifar-10-batches-py") in table
    assert re.search(rf"custom train 16x16 2 1[.]5 kB {folder}", " ".join(table.split()))


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["prepare", "imagenet"], 1, "its terms allow no automatic download"),
        (["prepare", "cifar11"], 2, "cifar11 is neither a data set (did you mean cifar10?) nor a model"),
        (
            ["prepare", "custom", "--root", "."],
            1,
            "custom has no usual resolution; give a resolution (--resolution 64)",
        ),
        (["prepare", "cifar10", "--split", "val"], 2, "give train or test"),
        (["prepare", "digits", "--resolution", "0"], 2, "--resolution"),
        (["prepare"], 2, "missing argument"),
    ],
)
def test_refusals_of_the_commands(zoo_data, arguments, status, words):
    code, _, error = zoo_data(*arguments)
    assert code == status
    assert words in " ".join(error.split())
    assert status == 2 or error.count("\n") == 1
