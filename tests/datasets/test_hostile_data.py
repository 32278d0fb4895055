"""Data of others: arrays, images, folders and public files that lie, are not files, or ask for all memory."""

from __future__ import annotations

import io
import os
import resource
import struct
import time
import zipfile
import zlib
from pathlib import Path

import children
import numpy as np
import pytest
from pictures import image_folder, noise, npz
from PIL import Image

from zoo import datasets
from zoo.common.errors import DataCorruptedError, DataUnavailableError, ZooError
from zoo.datasets.npz import read_arrays
from zoo.evaluation.features import sources

pytestmark = pytest.mark.usefixtures("data_root")


def claiming(path: Path, shape: str, dtype: str = "|u1", data: bytes = b"", compression=zipfile.ZIP_DEFLATED) -> Path:
    """An .npz whose array says of itself what it is not."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("images.npy", array)
    return path


@pytest.mark.parametrize(
    ("shape", "dtype", "reason"),
    [
        ("(1000000000, 64, 64, 3)", "|u1", "12,288,000,000,000 bytes, the archive has"),
        (f"({'9' * 3000}, 8, 8, 3)", "|u1", "impossible shape"),
        ("(-1, 8, 8, 3)", "|u1", "impossible shape"),
        ("(2, 8, 8, 3)", "|O", "Python objects"),
        ("(2, 8, 8, 3)", "|V1000000000", "bytes, the archive has"),
        ("(" * 200, "|u1", "damaged"),
        ("(2, 8, 8, 3)", "|u1, |u1", "damaged"),
        ("(2.0, 8, 8, 3)", "|u1", "damaged"),
    ],
    ids=["terabytes", "digits", "negative", "objects", "wide", "nested", "two types", "float"],
)
def test_an_array_that_claims_what_is_not_there(tmp_path, shape, dtype, reason):
    path = claiming(tmp_path / "x.npz", shape, dtype, bytes(2 * 8 * 8 * 3))
    for read in (read_arrays, sources.pictures, lambda path: datasets.load("custom", resolution=8, root=path)):
        with pytest.raises(DataCorruptedError, match=r"x\.npz") as error:
            read(path)
        assert reason in str(error.value)
        assert len(str(error.value)) < 500


def _read_within(path: Path, spare: int) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + spare, used + spare))
    read_arrays(path)


def bomb(path: Path, count: int) -> Path:
    """Black images, packed a thousand times."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({count}, 1024, 1024, 1), }}".encode()
    packed = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with packed as archive, archive.open("images.npy", "w", force_zip64=True) as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)
        for _ in range(count):
            file.write(bytes(1 << 20))
    return path


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="the limit is set by what is in use")
def test_a_bomb_is_refused_unread_and_small_black_images_are_read(tmp_path):
    outcome = children.run(_read_within, bomb(tmp_path / "bomb.npz", 300), 64 << 20, environment={})
    assert (outcome.error, "unpacked from" in outcome.message) == ("DataCorruptedError", True), outcome
    outcome = children.run(_read_within, bomb(tmp_path / "large.npz", 100), 64 << 20, environment={})
    assert (outcome.error, "does not fit into memory" in outcome.message) == ("DataCorruptedError", True), outcome
    assert read_arrays(tmp_path / "large.npz")[0].shape == (100, 1024, 1024, 1)


@pytest.mark.parametrize(
    "labels",
    [
        np.full(4, np.nan),
        np.full(4, 1e30),
        np.full(4, 0.5),
        np.full(4, -1),
        np.array([0, 1, 2, 10**9]),
        np.full(4, 2**63, np.uint64),
        np.full(4, True),
        np.array(["cat"] * 4),
        np.full(4, 1j),
        np.zeros((4, 1), int),
        np.zeros(3, int),
        np.int64(3),
    ],
    ids=lambda labels: f"{labels.dtype} {labels.shape} {labels.flat[0]}",
)
def test_labels_are_checked_before_they_are_cast(tmp_path, labels):
    path = npz(tmp_path / "x.npz", images=noise(4, 8, 8, 3), labels=labels)
    for read in (read_arrays, sources.pictures, lambda path: datasets.load("custom", resolution=8, root=path)):
        with pytest.raises(
            DataCorruptedError, match=r"x\.npz: labels are .* give each of the 4 images one integer from 0"
        ):
            read(path)
    right = npz(tmp_path / "y.npz", images=noise(4, 8, 8, 3), labels=np.array([2, 0, 1, 99_999], np.uint32))
    assert read_arrays(right)[1].tolist() == [2, 0, 1, 99_999]
    assert read_arrays(right)[1].dtype == np.int64


@pytest.mark.parametrize(
    "images",
    [
        noise(4, 8, 8, 3) / 255,
        np.full((4, 8, 8, 3), np.nan),
        noise(4, 8, 8, 3) * 1j,
        noise(4, 8, 8, 3).astype("S3"),
        [[1, 2], [3]],
        noise(4, 8, 8),
        noise(4, 8, 8, 3).astype(object),
        noise(4, 8, 8, 3).astype("uint16"),
    ],
    ids=["float", "NaN", "complex", "bytes", "rows", "grey", "objects", "16 bits"],
)
def test_images_in_memory_are_checked_before_they_are_cast(images):
    with pytest.raises(ZooError, match=r"images are .*; give uint8 \(N, 3, H, W\)"):
        sources.from_array(images)


@pytest.mark.parametrize("kind", ["pipe", "device", "nothing", "itself"])
def test_what_is_no_file_is_named_and_not_waited_for(tmp_path, kind):
    folder = image_folder(tmp_path / "photographs", ["a.png", "b.png"])
    for path in (folder / "c.png", tmp_path / "x.npz"):
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to({"device": "/dev/zero", "nothing": "nowhere", "itself": path.name}[kind])
    begin = time.monotonic()
    with pytest.raises(DataCorruptedError, match=r"c\.png cannot be read as an image"):
        datasets.load("custom", resolution=8, root=folder)
    with pytest.raises(ZooError, match=r"[cx]\.png|no square|cannot be read"):
        sources.pictures(folder).batch(0, 3)
    with pytest.raises((DataUnavailableError, DataCorruptedError), match=r"x\.npz"):
        datasets.load("custom", resolution=8, root=tmp_path / "x.npz")
    with pytest.raises((DataUnavailableError, DataCorruptedError), match=r"x\.npz"):
        sources.pictures(tmp_path / "x.npz")
    assert time.monotonic() - begin < 5


def test_links_that_lead_round_in_circles(tmp_path):
    folder = image_folder(tmp_path / "photographs", ["a/1.png", "b/1.png"])
    (folder / "a" / "up").symlink_to("..")
    with pytest.raises(DataCorruptedError, match="form a circle"):
        datasets.load("custom", resolution=8, root=folder)
    (folder / "a" / "up").unlink()
    (folder / "a" / "self").symlink_to("self")
    (folder / "c").symlink_to("b")  # a link to another class is followed, as before
    data = datasets.load("custom", resolution=8, root=folder)
    assert data.class_names == ("a", "b", "c")
    assert data.labels.tolist() == [0, 1, 2]


def test_many_folders_of_a_few_links_end(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.datasets.picture_files._MOST_FOLDERS", 500)
    for i in range(12):
        (tmp_path / f"f{i}").mkdir()
        if i:
            (tmp_path / f"f{i}" / "x").symlink_to(f"../f{i - 1}")
            (tmp_path / f"f{i}" / "y").symlink_to(f"../f{i - 1}")
    with pytest.raises(DataCorruptedError, match="form a circle"):
        datasets.load("custom", resolution=8, root=tmp_path / "f11")


def header(side: int, kind: str) -> bytes:
    if kind == "png":
        chunks = {b"IHDR": struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), b"IDAT": zlib.compress(bytes(99))}
        packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks.items())
        return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
    if kind == "bmp":
        return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    return f"P6 {side} {side} 255\n".encode()


@pytest.mark.parametrize("kind", ["png", "bmp", "ppm"])
@pytest.mark.parametrize("side", [9_900, 60_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_of_gigantic_sides_is_refused_unread(tmp_path, kind, side):
    folder = image_folder(tmp_path / "photographs", ["a.png"])
    (folder / f"b.{kind}").write_bytes(header(side, kind))
    with pytest.raises(DataCorruptedError, match=rf"b\.{kind} cannot be read as an image .* pixels.*repair or remove"):
        datasets.load("custom", resolution=8, root=folder)
    with pytest.raises(DataCorruptedError, match=rf"b\.{kind} cannot be read as an image .* pixels.*repair or remove"):
        sources.pictures(folder).batch(0, 2)


def test_a_file_of_another_kind_is_no_image_whatever_its_name(tmp_path):
    """Pillow would read a PCX, and give an EPS to Ghostscript."""
    folder = image_folder(tmp_path / "photographs", ["a.png"], side=8)
    others = {kind: io.BytesIO() for kind in ("PCX", "EPS")}
    for kind, buffer in others.items():
        Image.new("RGB", (8, 8)).save(buffer, kind)
    for data in (
        *(buffer.getvalue() for buffer in others.values()),
        b"",
        b"<svg/>",
        (folder / "a.png").read_bytes()[:60],
    ):
        (folder / "b.png").write_bytes(data)
        with pytest.raises(DataCorruptedError, match=r"b\.png cannot be read as an image"):
            datasets.load("custom", resolution=8, root=folder)
        with pytest.raises(ZooError, match=r"b\.png cannot be read as an image"):
            sources.pictures(folder).batch(0, 2)


def test_names_of_any_bytes_are_names_of_classes(tmp_path):
    folder = tmp_path / "photographs"
    for name in (b"caf\xe9", b"\x1b]0;x\x07", b"a\nb"):
        image_folder(folder, [os.fsdecode(name) + "/1.png"])
    data = datasets.load("custom", resolution=8, root=folder)
    assert data.class_names == ("\\x1b]0;x\\x07", "a\\x0ab", "caf\\udce9")
    assert data.labels.tolist() == [0, 1, 2]
    assert len(datasets.describe(data).splitlines()) == 7


def idx(*dimensions: int, data: bytes) -> bytes:
    return struct.pack(f">HBB{len(dimensions)}I", 0, 8, len(dimensions), *dimensions) + data


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (idx(10**9, 28, 28, data=bytes(28 * 28)), idx(1, data=b"\0")),
        (idx(2**32 - 1, 2**32 - 1, 2**32 - 1, data=b""), idx(1, data=b"\0")),
        (idx(2, 28, 28, data=bytes(2 * 28 * 28)), idx(2, data=b"\0\xff")),
        (idx(2, 28, 28, data=bytes(2 * 28 * 28)), idx(3, data=b"\0\1\2")),
        (idx(2 * 28 * 28, data=bytes(2 * 28 * 28)), idx(2, data=b"\0\1")),
        (idx(0, 28, 28, data=b""), idx(0, data=b"")),
        (b"", b""),
        (b"<html>", b"<html>"),
    ],
    ids=["more than it has", "exabytes", "label 255", "more labels", "one row", "nothing", "empty", "a page"],
)
def test_files_of_mnist_whose_headers_lie(tmp_path, images, labels):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for which in ("train", "t10k"):
        (raw / f"{which}-images-idx3-ubyte").write_bytes(images)
        (raw / f"{which}-labels-idx1-ubyte").write_bytes(labels)
    for name in ("mnist", "stacked-mnist"):
        with pytest.raises((DataCorruptedError, DataUnavailableError), match=r"MNIST|mnist") as error:
            datasets.load(name, root=tmp_path)
        assert len(str(error.value)) < 900


def test_a_pipe_among_public_files_is_not_waited_for(tmp_path):
    for folder, name in (("MNIST/raw", "mnist"), ("cifar-10-batches-py", "cifar10"), ("stl10_binary", "stl10")):
        (tmp_path / folder).mkdir(parents=True)
        os.mkfifo(tmp_path / folder / "train-images-idx3-ubyte")
        with pytest.raises(DataCorruptedError, match="is not a regular file; remove it"):
            datasets.load(name, root=tmp_path)
