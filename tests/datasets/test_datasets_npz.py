"""Files of arrays: their forms, when they are prepared again, and what is wrong with them."""

import os

import numpy as np
import pytest
import torch
from pictures import noise, npz, prepared
from PIL import Image

import zoo
from zoo import datasets
from zoo.common.errors import DataCorruptedError, DataUnavailableError, UsageError

pytestmark = pytest.mark.usefixtures("data_root")


def test_npz_of_the_right_size_is_read_directly(tmp_path, data_root):
    images, labels = noise(6, 16, 16, 3), np.array([2, 0, 1, 1, 0, 0])
    path = npz(tmp_path / "own.npz", train_images=images, train_labels=labels, test_images=images[:2])
    data = datasets.load("custom", resolution=16, root=path)
    assert np.array_equal(data.images.permute(0, 2, 3, 1), images)
    assert data.images.is_contiguous(memory_format=torch.channels_last)
    assert data.labels.tolist() == labels.tolist()
    assert (data.num_classes, data.source) == (3, str(path))
    assert not data_root.exists(), "nothing is cached"
    assert datasets.load("custom", "test", 16, path).num_classes == 1, "labels may be missing"
    same = npz(tmp_path / "copy.npz", train_images=images, train_labels=labels)
    assert datasets.load("custom", resolution=16, root=same).checksum == data.checksum
    for changed in (
        npz(tmp_path / "1.npz", train_images=images ^ 1, train_labels=labels),
        npz(tmp_path / "2.npz", train_images=images, train_labels=labels[::-1]),
    ):
        assert datasets.load("custom", resolution=16, root=changed).checksum != data.checksum


def test_grey_and_transparent_npz(tmp_path, data_root):
    grey = npz(tmp_path / "grey.npz", images=noise(5, 28, 28), labels=np.arange(5, dtype=np.uint8))
    data = datasets.load("mnist", resolution=28, root=grey)
    assert np.array_equal(data.images[:, 0], noise(5, 28, 28))
    assert torch.equal(data.images[:, 0], data.images[:, 2])
    single = npz(tmp_path / "single.npz", images=noise(5, 28, 28, 1), labels=np.arange(5))
    assert datasets.load("mnist", resolution=28, root=single).checksum == data.checksum
    larger = datasets.load("mnist", resolution=32, root=single)
    expected = Image.fromarray(noise(5, 28, 28)[3]).resize((32, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(larger.images[3, 1], np.asarray(expected))
    clear = npz(tmp_path / "clear.npz", images=np.zeros((2, 8, 8, 4), np.uint8))
    assert int(datasets.load("custom", resolution=8, root=clear).images.min()) == 255


def test_what_zoo_sample_writes_is_data(tmp_path):
    path = tmp_path / "digits.npz"
    images = zoo.load("contragan/digits").sample(20, label=[i % 10 for i in range(20)], seed=1)
    images.save(path)
    data = datasets.load("digits", root=path)
    assert torch.equal(data.images, images.uint8)
    assert data.labels.tolist() == [i % 10 for i in range(20)]
    assert data.class_names == datasets.class_names("digits")


def test_npz_is_prepared_again_only_if_its_content_changes(tmp_path, data_root):
    path = npz(tmp_path / "own.npz", images=noise(6, 24, 24, 3))
    first = datasets.load("custom", resolution=16, root=path)
    (pixels,) = (data_root / "prepared").glob("*/*.uint8")
    made = pixels.stat().st_ino
    os.utime(path, ns=(1, 1))
    for _ in range(2):  # the second time it is known by its new time
        assert datasets.load("custom", resolution=16, root=path).checksum == first.checksum
        assert pixels.stat().st_ino == made
    npz(path, images=noise(6, 24, 24, 3, seed=1))
    second = datasets.load("custom", resolution=16, root=path)
    assert second.checksum != first.checksum
    assert len(prepared(data_root)) == 2


@pytest.mark.parametrize(
    ("arrays", "split", "words"),
    [
        ({"train_images": noise(2, 8, 8)}, "test", "has no test_images and no images; it has train_images"),
        ({"images": noise(2, 3, 8, 8)}, "train", r"images are uint8 \(2, 3, 8, 8\); make them uint8 \(N, H, W, 3\)"),
        ({"images": np.zeros((2, 8, 8, 3), np.float32)}, "train", "images are float32"),
        ({"images": noise(0, 8, 8, 3)}, "train", r"images are uint8 \(0, 8, 8, 3\)"),
        ({"images": noise(2, 8, 8, 3), "labels": np.arange(3)}, "train", r"labels are int64 \(3,\)"),
        (
            {"images": noise(2, 8, 8, 3), "labels": np.array([0, -1])},
            "train",
            "give each of the 2 images one integer from 0",
        ),
        ({"images": noise(2, 8, 8, 3), "labels": np.array([0.0, 1.0])}, "train", "labels are float64"),
    ],
)
@pytest.mark.parametrize("side", [8, 16])
def test_npz_that_is_refused(tmp_path, arrays, split, words, side):
    with pytest.raises((DataUnavailableError, DataCorruptedError), match=words):
        datasets.load("custom", split, side, npz(tmp_path / "own.npz", **arrays))


def test_files_that_are_no_npz(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    np.save(tmp_path / "one.npy", noise(2, 8, 8, 3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    whole = npz(tmp_path / "whole.npz", images=noise(50, 8, 8, 3)).read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    bent = bytearray(whole)
    bent[len(whole) // 2] ^= 1
    (tmp_path / "bent.npz").write_bytes(bent)
    for name in ("text", "one", "half", "bent"):
        with pytest.raises(DataCorruptedError, match=rf"{name}.npz is damaged or not an .npz file .*; make it again"):
            datasets.load("custom", resolution=8, root=tmp_path / f"{name}.npz")
    with pytest.raises(DataUnavailableError, match="does not exist"):
        datasets.load("mnist", root=tmp_path / "no.npz")
    (tmp_path / "data.txt").write_text("")
    with pytest.raises(DataUnavailableError, match=r"neither a folder nor an \.npz file"):
        datasets.load("mnist", root=tmp_path / "data.txt")
    with pytest.raises(DataUnavailableError, match="does not exist; give a folder of images"):
        datasets.load("celeba", "all", root=tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["cifar10", "CIFAR-10", "tiny_imagenet"])
def test_the_name_of_a_data_set_is_not_a_path(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"{name} is the name of a data set, and no path; .* without --data"):
        datasets.load("cifar10", root=name)
    (tmp_path / name).mkdir()
    with pytest.raises(DataUnavailableError, match="no images"):  # of a folder that is called so
        datasets.load("custom", resolution=8, root=name)


@pytest.mark.parametrize(("name", "split"), [("celeba", "all"), ("stl10", "unlabeled")])
def test_training_images_stand_in_for_a_split_that_own_pictures_lack(tmp_path, data_root, name, split):
    images = noise(5, 8, 8, 3)
    path = npz(tmp_path / "x.npz", train_images=images, test_images=images[:2])
    assert np.array_equal(datasets.load(name, split, 8, path).images.permute(0, 2, 3, 1).numpy(), images)
    both = npz(tmp_path / "y.npz", train_images=images, **{f"{split}_images": images[:3]})
    assert len(datasets.load(name, split, 8, both)) == 3, "a split of this name comes first"
