"""Folders of images: forms, splits, order, changes, and what is wrong with them."""

import shutil

import numpy as np
import pytest
import torch
from pictures import image_folder, noise, prepared
from PIL import Image
from torchvision import datasets as torchvision_datasets

from zoo import datasets
from zoo.common.errors import DataCorruptedError, DataUnavailableError
from zoo.datasets.find import find

pytestmark = pytest.mark.usefixtures("data_root")


def test_class_folders_are_in_torchvisions_order(tmp_path):
    names = ["dog/b.png", "dog/sub/a.png", "dog/A.PNG", "cat/z.png", "zebra fish/1.jpg", ".hidden/x.png", "dog/.y.png"]
    folder = image_folder(tmp_path / "pets", names)
    (folder / "readme.txt").write_text("not an image")
    data = datasets.load("custom", resolution=20, root=folder)
    shutil.rmtree(folder / ".hidden")
    (folder / "dog" / ".y.png").unlink()
    reference = torchvision_datasets.ImageFolder(folder)
    assert list(data.class_names) == reference.classes == ["cat", "dog", "zebra fish"]
    assert data.num_classes == 3
    assert data.labels.tolist() == reference.targets
    for image, (expected, _) in zip(data.images, reference, strict=True):
        assert np.array_equal(image.permute(1, 2, 0), np.asarray(expected))


def test_flat_folders_and_splits(tmp_path):
    flat = image_folder(tmp_path / "flat", ["b.png", "a.png"])
    data = datasets.load("custom", resolution=20, root=flat)
    assert (len(data), data.num_classes, data.class_names) == (2, 1, ())
    assert np.array_equal(data.images[0].permute(1, 2, 0), noise(20, 20, 3, seed=1)), "a.png first"

    parts = image_folder(tmp_path / "parts", ["train/x/1.png", "train/y/2.png", "train/y/3.png", "Validation/x/4.png"])
    image_folder(parts, ["Validation/y/5.png"])
    assert datasets.load("custom", "train", 20, parts).labels.tolist() == [0, 1, 1]
    assert datasets.load("custom", "val", 20, parts).labels.tolist() == [0, 1]
    assert datasets.load("custom", "valid", 20, parts).labels.tolist() == [0, 1]
    assert datasets.load("custom", "all", 20, parts).labels.tolist() == [0, 0, 1, 1, 1]
    with pytest.raises(DataUnavailableError, match="no test split; give Validation or train"):
        datasets.load("custom", "test", 20, parts)

    toys = image_folder(tmp_path / "toys", ["train/1.png", "car/2.png"])
    assert datasets.load("custom", "train", 20, toys).class_names == ("car", "train"), "a class, not a split"
    numbered = image_folder(tmp_path / "numbered", [f"{i}/1.png" for i in range(12)])
    assert datasets.load("custom", "train", 20, numbered).class_names == tuple(map(str, range(12)))


def test_folders_with_public_names_have_the_public_labels(tmp_path):
    folder = image_folder(tmp_path / "stl", [f"{name}/1.png" for name in datasets.class_names("stl10")])
    assert datasets.load("stl10", "train", 20, folder).class_names == datasets.class_names("stl10")
    ids = datasets.class_ids("tiny-imagenet")
    tiny_folder = image_folder(tmp_path / "tiny", [f"{wnid}/1.png" for wnid in ids], side=4)
    data = datasets.load("tiny-imagenet", "train", 4, tiny_folder)
    assert data.class_names == datasets.class_names("tiny-imagenet")
    assert data.labels.tolist() == list(range(200))


def test_a_changed_folder_is_prepared_again(tmp_path, data_root):
    folder = image_folder(tmp_path / "own", ["a/1.png", "b/2.png"])
    before = datasets.load("custom", resolution=20, root=folder)
    files = prepared(data_root)
    assert [path.suffix for path in files] == [".uint8", ".json"]
    assert datasets.load("custom", resolution=20, root=folder).checksum == before.checksum
    assert prepared(data_root) == files
    kept = before.images.clone()
    Image.fromarray(noise(20, 20, 3, seed=9)).save(folder / "b" / "3.png")
    after = datasets.load("custom", resolution=20, root=folder)
    assert (len(before), len(after)) == (2, 3)
    assert after.checksum != before.checksum
    assert len(prepared(data_root)) == 2, "the older pixels are gone from the disk"
    assert torch.equal(before.images, kept), "but not from who has them mapped"
    Image.fromarray(noise(20, 20, 3, seed=10)).save(folder / "b" / "3.png")  # same name, perhaps the same size
    assert datasets.load("custom", resolution=20, root=folder).checksum != after.checksum


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        ([], DataUnavailableError, "has no images"),
        (["a/1.png", "2.png"], DataCorruptedError, "has 1 images beside folders of images"),
        (["a/1.png", "b/"], DataCorruptedError, "b has no images"),
        (["train/a/1.png", "val/b/1.png"], DataCorruptedError, "different class folders"),
    ],
)
def test_folders_that_are_refused(tmp_path, names, error, words):
    folder = image_folder(tmp_path / "own", [name for name in names if not name.endswith("/")])
    for name in ["", *names]:
        if name.endswith("/") or not name:
            (folder / name).mkdir(parents=True, exist_ok=True)
    with pytest.raises(error, match=words):
        datasets.load("custom", "all", 20, folder)


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "float"])
def test_a_damaged_image_is_named(tmp_path, data_root, damage):
    folder = image_folder(tmp_path / "own", [f"{i}.png" for i in range(70)])
    victim = folder / "41.png"
    if damage == "float":
        victim.unlink()
        victim = folder / "41.tif"
        Image.fromarray(np.full((20, 20), 1.5, np.float32)).save(victim)
    else:
        whole = victim.read_bytes()
        victim.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}[damage])
    with pytest.raises(DataCorruptedError, match=rf"own/{victim.name} cannot be read as an image .*; repair or"):
        datasets.load("custom", resolution=20, root=folder)
    assert prepared(data_root) == [], "nothing half made stays behind"
    victim.unlink()
    assert len(datasets.load("custom", resolution=20, root=folder)) == 69


@pytest.mark.parametrize("name", ["baby-imagenet", "papa-imagenet", "grandpa-imagenet"])
def test_a_subset_of_imagenet_is_known_by_its_hundred_wordnet_ids(name, tmp_path):
    ids = datasets.class_ids("imagenet")[7:107]
    folder = image_folder(tmp_path / "set", [f"train/{wnid}/1.png" for wnid in reversed(ids)], side=4)
    data = datasets.load(name, "train", 4, folder)
    assert data.class_names == tuple(sorted(ids))
    assert data.labels.tolist() == list(range(100))
    assert find(name, "train", folder).official
    image_folder(folder, ["train/own/1.png"])
    assert not find(name, "train", folder).official, "another class makes it data of one's own"


def test_afhq_is_known_by_its_three_classes(tmp_path):
    folder = image_folder(tmp_path / "set", [f"train/{name}/1.png" for name in ("wild", "cat", "dog")], side=4)
    source = find("afhq-v2", "train", folder)
    assert source.official
    assert source.layout.class_names == ("cat", "dog", "wild") == datasets.class_names("afhq-v2")
