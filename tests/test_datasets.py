"""Data sets: every form comes out as the same kind of tensor, made once, whole or not at all."""

import functools
import hashlib
import http.server
import io
import json
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from narrow import tiny
from PIL import Image
from torchvision import datasets as torchvision_datasets
from torchvision import transforms

import zoo
from training.data import Batches
from training.trainer import Options, train
from zoo import datasets, registry
from zoo.datasets import collections, preparation
from zoo.errors import DataCorruptedError, DataUnavailableError, ZooError


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    """An empty data folder for each test."""
    folder = tmp_path / "root"
    monkeypatch.setenv("ZOO_DATA", str(folder))
    return folder


def noise(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def picture(width, height, seed=0) -> Image.Image:
    """Smooth, so that it survives being made smaller, with detail, so that filters differ."""
    coarse = Image.fromarray(noise(height // 8 + 1, width // 8 + 1, 3, seed=seed))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def image_folder(path: Path, names, side=20) -> Path:
    for i, name in enumerate(names):
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(side, side, 3, seed=i)).save(file)
    return path


def npz(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def prepared(root: Path) -> list[Path]:
    return sorted((root / "prepared").glob("*/*"))


# ------------------------------------------------------------------------------------------------ crop and filter


@pytest.mark.parametrize(
    ("dataset", "who", "side", "crop", "filter"),
    [
        ("celeba", None, 64, 178, "BILINEAR"),
        ("celeba", "mimicry", 128, 178, "BILINEAR"),
        ("imagenet", None, 32, 224, "BILINEAR"),
        ("imagenet", "mimicry", 128, 224, "BILINEAR"),
        ("lsun-bedroom", None, 128, 256, "BILINEAR"),
        ("imagenet", "studiogan", 128, None, "LANCZOS"),
        ("stl10", None, 48, None, "BILINEAR"),
        ("mnist", None, 32, None, "BICUBIC"),
        ("custom", None, 64, None, "LANCZOS"),
    ],
)
@pytest.mark.parametrize("size", [(178, 218), (500, 375), (301, 256), (223, 400), (97, 60), (33, 33)])
def test_crop_and_resize_are_the_reference_codes(dataset, who, side, crop, filter, size):
    """Bit for bit what torchvision's transforms do to a PIL image, because that is what the published scores rest on.

    Mimicry: CenterCrop(crop), Resize(side). StudioGAN: CenterCropLongEdge, Resize(side, LANCZOS). Images smaller than
    the crop are framed in black by CenterCrop, and so here.
    """
    image = picture(*size)
    reference = transforms.Compose(
        [
            transforms.CenterCrop(crop or min(size)),
            transforms.Resize((side, side), transforms.InterpolationMode[filter]),
        ]
    )
    made = preparation.of(dataset, who).apply(image, side)
    assert np.array_equal(made, np.asarray(reference(image)))


def test_resizing_is_antialiased():
    """An independent implementation agrees to rounding (Pillow rounds after each pass); one without it does not."""
    image = picture(384, 384)
    made = torch.tensor(preparation.Preparation(None, "bilinear").apply(image, 48)).permute(2, 0, 1).float()
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()[None]
    smooth, aliased = (
        F.interpolate(pixels, (48, 48), mode="bilinear", antialias=antialias)[0] for antialias in (True, False)
    )
    assert (made - smooth).abs().max() <= 1
    assert (made - aliased).abs().max() > 20


def test_celeba_is_cropped_as_published(root):
    """CenterCrop(178) of 178 x 218 pixels is columns 0 ... 177 of rows 20 ... 197: (218 - 178) / 2 = 20."""
    rows, columns = np.mgrid[0:218, 0:178].astype(np.uint8)
    folder = root / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    for i in range(3):
        Image.fromarray(np.stack([rows, columns, np.full_like(rows, i)], 2)).save(folder / f"{i:06d}.png")
    data = datasets.load("celeba", "all", 178, root=root)
    assert data.images.shape == (3, 3, 178, 178)
    assert torch.equal(data.images[0, 0], torch.arange(20, 198, dtype=torch.uint8)[:, None].expand(178, 178))
    assert torch.equal(data.images[0, 1], torch.arange(178, dtype=torch.uint8).expand(178, 178))
    assert data.images[:, 2, 0, 0].tolist() == [0, 1, 2]
    assert data.num_classes == 1
    (root / "celeba" / "list_eval_partition.txt").write_text("000000.png 0\n000001.png 2\n000002.png 0\n")
    assert datasets.load("celeba", "train", 64, root=root).images.shape == (2, 3, 64, 64)
    assert datasets.load("celeba", "test", 178, root=folder).images[:, 2, 0, 0].tolist() == [1]


def test_images_that_were_reduced_before_are_not_framed_in_black(tmp_path):
    reduced = npz(tmp_path / "celeba64.npz", images=np.full((4, 64, 64, 3), 255, np.uint8))
    assert int(datasets.load("celeba", "all", 32, root=reduced).images.min()) == 255
    (manifest,) = (json.loads(path.read_text()) for path in prepared(datasets.default_root()) if path.suffix == ".json")
    assert manifest["requested"]["crop"] == 178
    assert manifest["preparation"] == {"crop": None, "filter": "bilinear", "upright": False}


def test_every_mode_becomes_rgb(tmp_path):
    base = picture(40, 40)
    grey16 = np.linspace(0, 65535, 1600).reshape(40, 40).astype(np.uint16)
    clear = Image.new("RGBA", (40, 40), (10, 20, 30, 0))
    clear.paste((200, 0, 0, 255), (0, 0, 40, 20))
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown turned by a quarter, clockwise
    half = Image.fromarray(np.concatenate([np.zeros((20, 40), np.uint8), np.full((20, 40), 255, np.uint8)]))
    images = {
        "a-grey.png": base.convert("L"),
        "b-bit.png": base.convert("1"),
        "c-palette.gif": base.convert("P"),
        "d-cmyk.jpg": base.convert("CMYK"),
        "e-grey16.png": Image.fromarray(grey16),
        "f-clear.png": clear,
        "g-clear-palette.png": clear.quantize(),
        "h-wide.png": picture(80, 40),
        "i-turned.jpg": half,
    }
    for name, image in images.items():
        image.save(tmp_path / name, **({"exif": turned} if "turned" in name else {}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = datasets.load("custom", resolution=40, root=tmp_path)
    by_name = dict(zip(sorted(images), data.images.permute(0, 2, 3, 1).numpy(), strict=True))
    assert np.array_equal(by_name["a-grey.png"], np.asarray(base.convert("L").convert("RGB")))
    assert set(np.unique(by_name["b-bit.png"])) == {0, 255}
    with Image.open(tmp_path / "c-palette.gif") as image:
        assert np.array_equal(by_name["c-palette.gif"], np.asarray(image.convert("RGB")))
    assert np.abs(by_name["d-cmyk.jpg"].astype(int) - np.asarray(base)).mean() < 12
    assert np.array_equal(by_name["e-grey16.png"][..., 0], (grey16 / 257).round())
    for name in ("f-clear.png", "g-clear-palette.png"):
        assert by_name[name][5, 5].tolist() == [200, 0, 0], name
        assert by_name[name][35, 5].tolist() == [255, 255, 255], name
    assert np.array_equal(by_name["h-wide.png"], np.asarray(picture(80, 40))[:, 20:60])
    assert by_name["i-turned.jpg"][20, 35].max() < 20, "the dark upper half is now on the right"
    assert by_name["i-turned.jpg"][20, 5].min() > 235


def test_imagenet_of_studiogan_is_prepared_as_studiogan_does(tmp_path):
    for name in registry.names():
        config = registry.config(name)
        published_by = {weights.upstream.source for weights in config.weights if weights.upstream}
        if config.data.dataset == "imagenet" and published_by:
            assert published_by == {config.data.preparation or "mimicry"}, name
    folder = tmp_path / "train" / "n01440764"
    folder.mkdir(parents=True)
    picture(300, 260).save(folder / "a.png")
    for name, who in (("contragan/imagenet128", "studiogan"), ("sngan/imagenet128", "mimicry")):
        made = datasets.load_for(registry.config(name), root=tmp_path).images[0].permute(1, 2, 0).numpy()
        assert np.array_equal(made, preparation.of("imagenet", who).apply(picture(300, 260), 128))


# --------------------------------------------------------------------------------------------------------- folders


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
    with pytest.raises(DataUnavailableError, match="no test split; it has Validation, train"):
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


def test_a_changed_folder_is_prepared_again(tmp_path, root):
    folder = image_folder(tmp_path / "own", ["a/1.png", "b/2.png"])
    before = datasets.load("custom", resolution=20, root=folder)
    files = prepared(root)
    assert [path.suffix for path in files] == [".uint8", ".json"]
    assert datasets.load("custom", resolution=20, root=folder).checksum == before.checksum
    assert prepared(root) == files
    kept = before.images.clone()
    Image.fromarray(noise(20, 20, 3, seed=9)).save(folder / "b" / "3.png")
    after = datasets.load("custom", resolution=20, root=folder)
    assert (len(before), len(after)) == (2, 3)
    assert after.checksum != before.checksum
    assert len(prepared(root)) == 2, "the older pixels are gone from the disk"
    assert torch.equal(before.images, kept), "but not from who has them mapped"
    Image.fromarray(noise(20, 20, 3, seed=10)).save(folder / "b" / "3.png")  # same name, perhaps the same size
    assert datasets.load("custom", resolution=20, root=folder).checksum != after.checksum


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        ([], DataUnavailableError, "holds no images"),
        (["a/1.png", "2.png"], DataCorruptedError, "holds 1 images beside folders of images"),
        (["a/1.png", "b/"], DataCorruptedError, "b holds no images"),
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
def test_a_damaged_image_is_named(tmp_path, root, damage):
    folder = image_folder(tmp_path / "own", [f"{i}.png" for i in range(70)])
    victim = folder / "41.png"
    if damage == "float":
        victim.unlink()
        victim = folder / "41.tif"
        Image.fromarray(np.zeros((20, 20), np.float32)).save(victim)
    else:
        whole = victim.read_bytes()
        victim.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}[damage])
    with pytest.raises(DataCorruptedError, match=rf"own/{victim.name} cannot be read as an image .*; repair or"):
        datasets.load("custom", resolution=20, root=folder)
    assert prepared(root) == [], "nothing half made stays behind"
    victim.unlink()
    assert len(datasets.load("custom", resolution=20, root=folder)) == 69


# ------------------------------------------------------------------------------------------------------- npz files


def test_npz_of_the_right_size_is_read_directly(tmp_path, root):
    images, labels = noise(6, 16, 16, 3), np.array([2, 0, 1, 1, 0, 0])
    path = npz(tmp_path / "own.npz", train_images=images, train_labels=labels, test_images=images[:2])
    data = datasets.load("custom", resolution=16, root=path)
    assert np.array_equal(data.images.permute(0, 2, 3, 1), images)
    assert data.images.is_contiguous(memory_format=torch.channels_last)
    assert data.labels.tolist() == labels.tolist()
    assert (data.num_classes, data.source) == (3, str(path))
    assert not root.exists(), "nothing is cached"
    assert datasets.load("custom", "test", 16, path).num_classes == 1, "labels may be missing"
    same = npz(tmp_path / "copy.npz", train_images=images, train_labels=labels)
    assert datasets.load("custom", resolution=16, root=same).checksum == data.checksum
    for changed in (
        npz(tmp_path / "1.npz", train_images=images ^ 1, train_labels=labels),
        npz(tmp_path / "2.npz", train_images=images, train_labels=labels[::-1]),
    ):
        assert datasets.load("custom", resolution=16, root=changed).checksum != data.checksum


def test_grey_and_transparent_npz(tmp_path, root):
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


def test_npz_is_prepared_again_only_if_its_content_changes(tmp_path, root):
    path = npz(tmp_path / "own.npz", images=noise(6, 24, 24, 3))
    first = datasets.load("custom", resolution=16, root=path)
    (pixels,) = (root / "prepared").glob("*/*.uint8")
    made = pixels.stat().st_ino
    os.utime(path, ns=(1, 1))
    for _ in range(2):  # the second time it is known by its new time
        assert datasets.load("custom", resolution=16, root=path).checksum == first.checksum
        assert pixels.stat().st_ino == made
    npz(path, images=noise(6, 24, 24, 3, seed=1))
    second = datasets.load("custom", resolution=16, root=path)
    assert second.checksum != first.checksum
    assert len(prepared(root)) == 2


@pytest.mark.parametrize(
    ("arrays", "split", "words"),
    [
        ({"train_images": noise(2, 8, 8)}, "test", "has no test_images and no images; it holds train_images"),
        ({"images": noise(2, 3, 8, 8)}, "train", r"images are uint8 \(2, 3, 8, 8\); make them uint8 \(N, H, W, 3\)"),
        ({"images": np.zeros((2, 8, 8, 3), np.float32)}, "train", "images are float32"),
        ({"images": noise(0, 8, 8, 3)}, "train", r"images are uint8 \(0, 8, 8, 3\)"),
        ({"images": noise(2, 8, 8, 3), "labels": np.arange(3)}, "train", r"labels are int64 \(3,\)"),
        ({"images": noise(2, 8, 8, 3), "labels": np.array([0, -1])}, "train", "one integer from 0 for each of the 2"),
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


# ------------------------------------------------------------------------------------- whole, or not there at all


def many_images(folder: Path, n: int) -> Path:
    """n names of one image that takes a while to decode."""
    folder.mkdir()
    Image.fromarray(noise(160, 160, 3)).save(folder / "0.png")
    for i in range(1, n):
        os.link(folder / "0.png", folder / f"{i}.png")
    return folder


LOAD = """
import sys
from zoo import datasets
data = datasets.load("custom", resolution=32, root=sys.argv[1])
(pixels,) = datasets.default_root().glob("prepared/*/*.uint8")
print(data.checksum, pixels.stat().st_ino)
"""


def start(folder: Path, **options) -> subprocess.Popen:
    """Prepare a folder in another process."""
    return subprocess.Popen(
        [sys.executable, "-c", LOAD, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def in_the_middle(builder: subprocess.Popen, root: Path) -> subprocess.Popen:
    """Wait until some pixels are written, but not all."""
    while not any(path.stat().st_size for path in (root / "prepared").glob("*/.building-*")):
        assert builder.poll() is None, builder.stderr.read()
        time.sleep(0.005)
    return builder


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill so")
def test_a_killed_builder_leaves_nothing_that_counts(tmp_path, root):
    folder = many_images(tmp_path / "own", 800)
    builder = in_the_middle(start(folder), root)
    builder.kill()
    builder.communicate()
    assert builder.returncode == -signal.SIGKILL, "it was still at it"
    (half,) = prepared(root)
    assert half.name.startswith(".building-")
    data = datasets.load("custom", resolution=32, root=folder)
    assert len(data) == 800
    assert torch.equal(data.images, data.images[:1].expand_as(data.images))
    assert [path.suffix for path in prepared(root)] == [".uint8", ".json"], "what the dead one left is gone"


def test_two_builders_take_turns(tmp_path, root):
    folder = many_images(tmp_path / "own", 800)
    first = in_the_middle(start(folder), root)
    first.send_signal(signal.SIGSTOP)
    second = start(folder)
    assert second.stderr.readline() == "another process is preparing custom, train; waiting for it\n"
    first.send_signal(signal.SIGCONT)
    outputs = [builder.communicate(timeout=120) for builder in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    assert outputs[0] == outputs[1], "the second finds what the first has made: the same file"
    assert [path.suffix for path in prepared(root)] == [".uint8", ".json"]


def test_a_full_disk_is_said_before_and_while_writing(tmp_path, root, monkeypatch):
    folder = many_images(tmp_path / "own", 700)  # 2.2 MB
    limit = 1 << 20
    builder = start(folder, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    _, error = builder.communicate(timeout=120)
    assert "ZooError: 0.0 GB are needed in" in error
    assert "File too large" in error
    assert "set ZOO_DATA to a folder on another disk" in error
    assert prepared(root) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    with pytest.raises(ZooError, match=r"are needed in .*\(0.0 GB are free\)"):
        datasets.load("custom", resolution=32, root=folder)


def test_damage_to_what_is_prepared(tmp_path, root):
    folder = image_folder(tmp_path / "own", ["a/1.png", "b/2.png"])
    first = datasets.load("custom", resolution=20, root=folder)
    pixels, manifest = prepared(root)
    size = pixels.stat().st_size
    for break_it in (
        lambda: os.truncate(pixels, size - 1),
        lambda: manifest.write_text(manifest.read_text()[:100]),
        manifest.unlink,
        pixels.unlink,
        lambda: manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": 0})),
    ):
        break_it()
        assert datasets.load("custom", resolution=20, root=folder).checksum == first.checksum
        assert prepared(root) == [pixels, manifest]
        assert pixels.stat().st_size == size
    flipped = bytearray(pixels.read_bytes())
    flipped[0] ^= 1
    pixels.write_bytes(flipped)  # of the right size: only reading it all tells
    with pytest.raises(DataCorruptedError, match=r"uint8 is damaged; remove .*, and it is prepared again"):
        datasets.prepare("custom", resolution=20, root=folder)


def test_mapped_images_are_read_when_they_are_looked_at(tmp_path, root):
    folder = many_images(tmp_path / "own", 300)
    data = datasets.load("custom", resolution=64, root=folder)
    data = datasets.load("custom", resolution=64, root=folder)
    (pixels,) = (root / "prepared").glob("*/*.uint8")
    assert data.images.shape == (300, 3, 64, 64)
    assert data.images.is_contiguous(memory_format=torch.channels_last)

    def resident() -> int:
        """Kilobytes of the file in this process's memory."""
        maps = Path("/proc/self/smaps").read_text().split(pixels.name)[1:]
        return sum(int(part.partition("Rss:")[2].split()[0]) for part in maps)

    if Path("/proc/self/smaps").exists():
        assert resident() == 0
        assert int(data.images[:10].sum()) > 0
        assert 0 < resident() < pixels.stat().st_size // 1024
    written = pixels.read_bytes()
    data.images[:] = 0
    assert pixels.read_bytes() == written, "a process writes to its own copy"
    config = tiny(registry.config("sngan/celeba64")).updated({"training.batch_size": 4})
    images, labels = Batches(config, datasets.load("custom", resolution=64, root=folder), seed=0).real(0)
    assert images.shape == (4, 3, 64, 64)
    assert labels is None


# ----------------------------------------------------------------------------------------- public data sets by name


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


def test_mnist_from_torchvisions_files(root):
    images, labels = mnist_files(root)
    data = datasets.load("mnist", "test", 28, root=root)
    assert np.array_equal(data.images[:, 1], images)
    assert data.labels.tolist() == labels.tolist()
    assert data.class_names == datasets.class_names("mnist")
    (root / "MNIST" / "raw" / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0")
    with pytest.raises(DataCorruptedError, match=r"MNIST/raw is damaged .*; remove it"):
        datasets.load("mnist", "test", 32, root=root)


def test_a_part_of_a_public_split_counts_only_where_it_was_asked_for(root, tmp_path, monkeypatch):
    mnist_files(root)
    assert len(datasets.load("mnist", root=root)) == 30
    with pytest.raises(DataCorruptedError, match="has 30 train images instead of 60,000; extract its archives again"):
        datasets.load("mnist")
    monkeypatch.setitem(datasets.CATALOGUE["mnist"].splits, "train", 30)
    elsewhere = tmp_path / "elsewhere"
    mnist_files(elsewhere)
    full = datasets.load("mnist", resolution=8, root=elsewhere)
    shutil.rmtree(elsewhere)
    again = datasets.load("mnist", resolution=8)
    assert (again.checksum, again.source) == (full.checksum, str(elsewhere)), "prepared from a path, found by name"


def test_stacked_mnist(root, monkeypatch):
    images, labels = mnist_files(root)
    monkeypatch.setitem(datasets.CATALOGUE["stacked-mnist"].splits, "train", 500)
    data = datasets.load("stacked-mnist", resolution=28, root=root)
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
    as_npz = npz(root / "mnist.npz", train_images=images, train_labels=labels)
    assert datasets.load("stacked-mnist", resolution=28, root=as_npz).checksum == data.checksum


def test_stacked_mnist_has_the_published_numbers_of_images():
    assert datasets.CATALOGUE["stacked-mnist"].splits == {"train": 128_000, "test": 26_000}


def test_digits_are_the_real_ones(root):
    data = datasets.load("digits")
    assert data.images.shape == (1797, 3, 32, 32)
    assert data.images.dtype == torch.uint8
    assert torch.bincount(data.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert torch.equal(data.images[:, 0], data.images[:, 2])
    assert data.checksum == datasets.load("digits").checksum != datasets.load("digits", resolution=16).checksum
    assert not root.exists()


# The publishers' files cannot be had here. Stand-ins of the same layout are read by torchvision's own classes; only the
# addresses and checksums of the real files are replaced.


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def tar(path: Path, files: dict[str, bytes]) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, data in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return path.read_bytes()


class Web:
    """A server of a folder on this machine."""

    def __init__(self, folder: Path):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        folder.mkdir()
        self.folder = folder
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{name}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def web(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Web(tmp_path / "web")
    yield server
    server.close()


def publish(cls, monkeypatch, web: Web, archive: str, files: dict[str, bytes], **lists) -> None:
    """Let a torchvision class download these files from here."""
    data = tar(web.folder / archive, {f"{cls.base_folder}/{name}": content for name, content in files.items()})
    monkeypatch.setattr(cls, "url", web.url(archive))
    monkeypatch.setattr(cls, "tgz_md5", md5(data))
    for attribute, names in lists.items():
        monkeypatch.setattr(cls, attribute, [[name, md5(files[name])] for name in names])


def png(image: Image.Image | np.ndarray) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "cls"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_cifar_is_downloaded_once(root, tmp_path, web, monkeypatch, name, cls):
    cls = getattr(torchvision_datasets, cls)
    rows, key = noise(12, 3, 32, 32), "labels" if name == "cifar10" else "fine_labels"
    parts = ["data_batch_1", "data_batch_2"] if name == "cifar10" else ["train"]
    each = 12 // len(parts)
    files = {
        part: pickle.dumps({"data": rows[k * each : (k + 1) * each].reshape(each, -1), key: list(range(each))})
        for k, part in enumerate(parts)
    }
    files["test"] = pickle.dumps({"data": rows[:2].reshape(2, -1), key: [9, 8]})
    files[cls.meta["filename"]] = pickle.dumps({cls.meta["key"]: list("abc")})
    publish(cls, monkeypatch, web, cls.filename, files, train_list=parts, test_list=["test"])
    monkeypatch.setitem(cls.meta, "md5", md5(files[cls.meta["filename"]]))
    monkeypatch.setitem(datasets.CATALOGUE[name].splits, "train", 12)
    data = datasets.load(name)
    assert np.array_equal(data.images, rows)
    assert data.labels.tolist() == [i % each for i in range(12)]
    assert (root / cls.base_folder / "test").is_file()
    shutil.rmtree(root / cls.base_folder)
    (web.folder / cls.filename).unlink()
    assert datasets.load(name).checksum == data.checksum, "its files are needed once"
    with pytest.raises(DataUnavailableError, match=rf"cifar.* cannot be downloaded \(.*\); extract {cls.filename} of"):
        datasets.load(name, resolution=16, root=tmp_path)


def test_a_download_that_is_not_the_publishers_is_refused(web, monkeypatch, root):
    cls = torchvision_datasets.CIFAR10
    (web.folder / "wrong.tar.gz").write_bytes(b"<html>quota exceeded</html>")
    monkeypatch.setattr(cls, "url", web.url("wrong.tar.gz"))
    with pytest.raises(DataUnavailableError, match=r"cannot be downloaded .*corrupted"):
        datasets.load("cifar10")
    assert prepared(root) == []


def test_stl10_is_its_unlabeled_part(root, web, monkeypatch):
    images = [np.array(picture(96, 96, seed=i)) for i in range(5)]
    columns_first = np.stack(images).transpose(0, 3, 2, 1).tobytes()  # channels, then columns, then rows
    files = {
        "train_X.bin": columns_first[: 2 * 96 * 96 * 3],
        "train_y.bin": bytes([1, 10]),
        "unlabeled_X.bin": columns_first,
        "test_X.bin": columns_first[: 96 * 96 * 3],
        "test_y.bin": bytes([3]),
    }
    cls = torchvision_datasets.STL10
    publish(
        cls,
        monkeypatch,
        web,
        cls.filename,
        files,
        train_list=["train_X.bin", "train_y.bin", "unlabeled_X.bin"],
        test_list=["test_X.bin", "test_y.bin"],
    )
    monkeypatch.setitem(datasets.CATALOGUE["stl10"].splits, "unlabeled", 5)
    config = registry.config("sngan/stl10")
    data = datasets.load_for(config)
    assert data.images.shape == (5, 3, 48, 48)
    reference = transforms.Resize(48)(Image.fromarray(images[3]))
    assert np.array_equal(data.images[3].permute(1, 2, 0), np.asarray(reference))
    assert (data.labels.tolist(), data.num_classes, data.class_names) == ([0] * 5, 1, ())
    assert datasets.load("stl10", "train", 48, root=root).labels.tolist() == [0, 9]


def test_tiny_imagenet_in_its_own_layout(root, web, monkeypatch):
    ids = datasets.class_ids("tiny-imagenet")
    files = {f"train/{wnid}/images/{wnid}_{k}.PNG": png(noise(4, 4, 3, seed=k)) for wnid in ids for k in (0, 1)}
    files |= {f"val/images/val_{i}.PNG": png(noise(4, 4, 3, seed=i)) for i in range(4)}
    files["val/val_annotations.txt"] = "".join(f"val_{i}.PNG\t{ids[9 - i]}\t0\t0\t4\t4\n" for i in range(4)).encode()
    archive = web.folder / "tiny.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in files.items():
            file.writestr(f"tiny-imagenet-200/{name}", data)
    monkeypatch.setattr(collections.TinyImageNet, "url", web.url("tiny.zip"))
    monkeypatch.setattr(collections.TinyImageNet, "md5", md5(archive.read_bytes()))
    monkeypatch.setitem(datasets.CATALOGUE["tiny-imagenet"].splits, "train", 400)
    data = datasets.load("tiny-imagenet", "train", 4)
    assert data.labels.tolist() == [i // 2 for i in range(400)]
    assert data.class_names == datasets.class_names("tiny-imagenet")
    assert np.array_equal(data.images[5].permute(1, 2, 0), noise(4, 4, 3, seed=1)), "nothing is lost at its own size"
    assert not list(root.glob("*.part"))
    val = datasets.load("tiny-imagenet", "val", 4, root=root)
    assert val.labels.tolist() == [6, 7, 8, 9]
    assert np.array_equal(val.images[0].permute(1, 2, 0), noise(4, 4, 3, seed=3))


def test_imagenet_is_extracted_by_torchvision(root, tmp_path, monkeypatch):
    scipy_io = pytest.importorskip("scipy.io")
    wnids = ["n01440764", "n01443537"]
    synsets = np.array(
        [(i + 1, wnid, f"name {i}", "gloss", 0) for i, wnid in enumerate(wnids)],
        dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")],
    )
    meta = io.BytesIO()
    scipy_io.savemat(meta, {"synsets": synsets})
    kit = "ILSVRC2012_devkit_t12"
    pictures = [png(picture(250, 230, seed=k)) for k in (0, 1)]
    inner = {
        f"{wnid}.tar": tar(tmp_path / "x.tar", {f"{wnid}_{k}.JPEG": data for k, data in enumerate(pictures)})
        for wnid in wnids
    }
    folder = root / "imagenet"
    archives = {
        "train": tar(folder / "ILSVRC2012_img_train.tar", inner),
        "devkit": tar(
            folder / f"{kit}.tar.gz",
            {f"{kit}/data/meta.mat": meta.getvalue(), f"{kit}/data/ILSVRC2012_validation_ground_truth.txt": b"1\n"},
        ),
    }
    known = torchvision_datasets.imagenet.ARCHIVE_META
    with pytest.raises(DataUnavailableError, match=r"archives cannot be extracted .*corrupted"):
        datasets.load("imagenet", root=root)
    for part, data in archives.items():
        monkeypatch.setitem(known, part, (known[part][0], md5(data)))
    made = datasets.load("imagenet", resolution=32, root=root)
    assert made.labels.tolist() == [0, 0, 1, 1]
    assert made.class_names == tuple(wnids)
    expected = transforms.Compose([transforms.CenterCrop(224), transforms.Resize(32)])(picture(250, 230, seed=1))
    assert np.array_equal(made.images[3].permute(1, 2, 0), np.asarray(expected))


def test_lsun_from_its_database(root, tmp_path):
    lmdb = pytest.importorskip("lmdb")
    path = root / "lsun" / "bedroom_train_lmdb"
    path.mkdir(parents=True)
    with lmdb.open(str(path), map_size=1 << 24) as database, database.begin(write=True) as transaction:
        for key in (b"c", b"a", b"b"):
            transaction.put(key, png(picture(300, 256, seed=key[0])))
    before = set(Path.cwd().iterdir())
    data = datasets.load("lsun-bedroom", resolution=128, root=root)
    assert set(Path.cwd().iterdir()) == before
    reference = transforms.Compose([transforms.CenterCrop(256), transforms.Resize(128)])
    for image, key in zip(data.images, b"abc", strict=True):
        assert np.array_equal(image.permute(1, 2, 0), np.asarray(reference(picture(300, 256, seed=key))))
    assert data.num_classes == 1
    exported = image_folder(tmp_path / "exported", ["0/a/1.png", "0/b/2.png", "1/c/3.png"])
    assert datasets.load("lsun-bedroom", resolution=20, root=exported).num_classes == 1


@pytest.mark.parametrize(
    ("name", "split", "words"),
    [
        ("imagenet", "train", "imagenet is not in {root} and cannot be downloaded; its terms allow no automatic"),
        ("lsun-bedroom", "train", "bedroom_train_lmdb.zip (43 GB) from http://dl.yf.io/lsun/scenes and extract it in"),
        ("celeba", "all", "get img_align_celeba.zip and list_eval_partition.txt from https://mmlab.ie.cuhk.edu.hk"),
        ("cifar10", "val", "cifar10 has no val split; it has train, test; choose one of these"),
        ("digits", "test", "digits has no test split; it has train"),
        ("photographs", "train", "photographs is no data set of the zoo (cifar10, "),
    ],
)
def test_what_is_not_here_says_where_to_get_it(root, monkeypatch, name, split, words):
    monkeypatch.setitem(sys.modules, "gdown", None)  # CelebA is on Google Drive: without it, no download is tried
    with pytest.raises(DataUnavailableError) as error:
        datasets.load(name, split)
    assert words.format(root=root) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("module", "name"), [("torchvision", "cifar10"), ("sklearn.datasets", "digits")])
def test_a_missing_package_is_named(monkeypatch, module, name):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, f"{module}.datasets", None)
    with pytest.raises(
        DataUnavailableError, match=r"which is not installed; run: pip install (torchvision|scikit-learn)"
    ):
        datasets.load(name)


# ----------------------------------------------------------------------------------------- what a user gets to see


def test_description(tmp_path):
    images = np.zeros((6, 8, 8, 3), np.uint8)
    images[:, :, :, 1] = 30
    data = datasets.load("custom", resolution=8, root=npz(tmp_path / "x.npz", images=images, labels=[0, 0, 0, 2, 2, 2]))
    lines = dict(line.split(None, 1) for line in datasets.describe(data).splitlines())
    assert lines["source"] == str(tmp_path / "x.npz")
    assert lines["images"] == "6 of 8x8, 8-bit RGB, 0 MB"
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


def test_classes_that_do_not_fit_are_explained(tmp_path):
    config = tiny(registry.config("contragan/digits"))

    def refusal(root) -> str:
        with pytest.raises(ZooError) as error:
            datasets.check_classes(config, datasets.load("custom", resolution=20, root=root))
        return str(error.value)

    right = image_folder(tmp_path / "data" / "images", [f"{i}/1.png" for i in range(10)])
    datasets.check_classes(config, datasets.load("custom", resolution=20, root=right))
    message = (
        f"the data has 1 class; there is one folder level too many: 10 class folders lie in {right}; give that one"
    )
    assert message in refusal(right.parent)
    flat = image_folder(tmp_path / "flat", ["1.png"])
    assert f"put the images of each class in a folder of its own below {flat}" in refusal(flat)
    unlabelled = npz(tmp_path / "x.npz", images=noise(4, 20, 20, 3))
    assert f"add labels to {unlabelled}" in refusal(unlabelled)
    six = npz(tmp_path / "six.npz", train_images=np.zeros((6, 28, 28), np.uint8), train_labels=np.arange(6))
    assert "has 10 classes, the data has 6" in refusal(six)
    assert "change generator.num_classes" in refusal(six)
    datasets.check_classes(registry.config("infomax-gan/digits"), datasets.load("custom", resolution=20, root=flat))
    with pytest.raises(ZooError, match="10 classes, the data has 6"):
        train(config, Options(tmp_path / "run", data=six))
    assert not (tmp_path / "run").exists()


@pytest.fixture
def zoo_data(capsys, monkeypatch):
    """Run `zoo data ...` in this process: exit status, output, errors."""
    from zoo import cli

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["zoo", "data", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code or 0, *capsys.readouterr()

    return run


def test_the_commands(zoo_data, tmp_path, root):
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
    assert Path(celeba["folder"]).parent == root / "prepared"
    (root / "cifar-10-batches-py").mkdir()
    table = zoo_data("list")[1]
    assert str(root / "cifar-10-batches-py") in table
    assert f"train 16x16, 2 of {folder}" in table


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["prepare", "imagenet"], 1, "its terms allow no automatic download"),
        (["prepare", "cifar11"], 1, "is no data set (cifar10, "),
        (["prepare", "custom", "--root", "."], 1, "custom has no usual resolution; give one (--resolution 64)"),
        (["prepare", "cifar10", "--split", "val"], 1, "it has train, test"),
        (["prepare", "digits", "--resolution", "0"], 2, "--resolution"),
        (["prepare"], 2, "Missing argument"),
    ],
)
def test_refusals_of_the_commands(zoo_data, arguments, status, words):
    code, _, error = zoo_data(*arguments)
    assert code == status
    assert words in " ".join(error.split())
    assert status == 2 or error.count("\n") == 1
