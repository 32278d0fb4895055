"""Archives of pictures: their labels, and what is wrong with them."""

from __future__ import annotations

import errno
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from pictures import noise, png

import zoo
from zoo import datasets
from zoo.common.errors import DataCorruptedError, DataUnavailableError, ZooError
from zoo.datasets import archive_files
from zoo.evaluation.features import sources

pytestmark = pytest.mark.usefixtures("data_root")


def tar(path: Path, files: dict[str, bytes], mode="w") -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def picture_of(i: int) -> bytes:
    return png(noise(8, 8, 3, seed=i))


def load(path: Path, split="train") -> datasets.Dataset:
    return datasets.load("custom", split, 8, path)


def seeds(data: datasets.Dataset) -> list[int]:
    """Which pictures these are, in order."""
    known = {noise(8, 8, 3, seed=i).tobytes(): i for i in range(20)}
    return [known[image.permute(1, 2, 0).contiguous().numpy().tobytes()] for image in data.images]


def labelled(suffix: str, *labels: bytes) -> dict[str, bytes]:
    """Samples of webdataset."""
    files = {}
    for i, label in enumerate(labels):
        files |= {f"{i:03}.png": picture_of(i), f"{i:03}{suffix}": label}
    return files


@pytest.mark.parametrize(
    ("suffix", "labels", "expected", "names"),
    [
        (".cls", [b"2", b"0\n", b"1", b"0"], [0, 0, 1, 2], ()),
        (".cls", [b"rose", b"lily", b"rose", b"caf\xe9"], [0, 1, 2, 2], ("caf\\udce9", "lily", "rose")),
        (".json", [b'{"label": 1}', b'{"label": 0}', b'{"label": 1, "caption": "x"}'], [0, 1, 1], ()),
        (".json", [b'{"cls": "b"}', b'{"class": "a"}'], [0, 1], ("a", "b")),
        (".json", [b'{"caption": "x"}', b'{"caption": "y"}'], [0, 0], ()),
        (".json", [b"[1]", b"[2]"], [0, 0], ()),
    ],
)
def test_labels_of_webdataset(tmp_path, suffix, labels, expected, names):
    data = load(tar(tmp_path / "x.tar", labelled(suffix, *labels)))
    assert data.labels.tolist() == expected
    assert data.class_names == names
    assert data.num_classes == max(expected) + 1
    texts = [label.decode("latin").strip() for label in labels]
    if suffix == ".cls" and not names:
        assert [int(texts[seed]) for seed in seeds(data)] == expected
        assert data.survey.left_out == ()


def test_a_sample_ends_at_the_first_dot(tmp_path):
    files = {"a/1.left.png": picture_of(0), "a/1.right.png": picture_of(1), "a/1.cls": b"3", "a/1.txt": b"caption"}
    data = load(tar(tmp_path / "x.tar", files))
    assert data.labels.tolist() == [3, 3]
    without = {"a/1.png": picture_of(0), "b/1.png": picture_of(0), "a/article.cls": b"of LaTeX"}
    assert load(tar(tmp_path / "y.tar", without)).class_names == ("a", "b")
    assert [str(kind) for kind in data.survey.left_out] == ["1 .txt file (1.txt)"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (labelled(".cls", b"1", b"-1"), r"001\.png in .*x\.tar has the label -1 beside it; give every picture a \.cls"),
        (labelled(".cls", b"1", b"1000000"), r"the label 1000000"),
        (labelled(".cls", b"1", b""), r"001\.png in .*x\.tar has no label"),
        (labelled(".cls", b"1") | {"2.png": picture_of(2)}, r"2\.png in .*x\.tar has no label"),
        (labelled(".cls", b"1", b"rose"), r"x\.tar: some labels are names \(rose\), others numbers \(1\)"),
        (labelled(".json", b'{"label": 1}', b'{"label": 1.5}'), "has no label"),
        (labelled(".json", b'{"label": 1}', b"{"), r"001\.json in .*x\.tar is no JSON"),
        (labelled(".json", b"\xff"), r"000\.json in .*x\.tar is no JSON"),
    ],
)
def test_labels_that_are_refused(tmp_path, files, words):
    with pytest.raises(DataCorruptedError, match=words):
        load(tar(tmp_path / "x.tar", files))


def test_what_zoo_sample_writes_is_read_with_its_labels(tmp_path, command):
    model = zoo.load("contragan/digits", device="cpu")
    images = model.sample(20, seed=3)
    assert command("sample", "contragan/digits", "-n", 20, "--seed", 3, "-o", "d.tar", "--exact").returncode == 0
    data = datasets.load("custom", resolution=32, root=tmp_path / "d.tar")
    order = images.labels.argsort(stable=True)
    assert data.labels.tolist() == images.labels[order].tolist()
    exact = model.sample(20, seed=3, exact=True)
    assert torch.equal(data.images, exact.uint8[order])


def test_folders_around_links_and_members_twice(tmp_path):
    path = tmp_path / "x.tar"
    files = {f"./photographs/{cls}/{i}.png": picture_of(i) for cls in "ab" for i in range(2)}
    with tarfile.open(path, "w") as archive:
        for name, data in (*files.items(), ("./photographs/b/1.png", picture_of(7))):  # a later member replaces it
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for kind, name, target in (
            (tarfile.LNKTYPE, "./photographs/a/9.png", "./photographs/b/0.png"),
            (tarfile.SYMTYPE, "./photographs/a/8.png", "0.png"),
            (tarfile.FIFOTYPE, "./photographs/a/pipe.png", ""),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            archive.addfile(entry)
    data = load(path)
    assert data.class_names == ("a", "b")
    assert seeds(data) == [0, 1, 0, 0, 7]
    assert [kind.kind for kind in data.survey.left_out] == ["link"]


def test_splits_in_an_archive_and_a_class_without_pictures(tmp_path):
    files = {f"data/{split}/{cls}/1.png": picture_of(i) for i, split in enumerate(("train", "val")) for cls in "ab"}
    path = tar(tmp_path / "x.tar", files)
    assert seeds(load(path, "val")) == [1, 1]
    assert len(load(path, "all")) == 4
    with pytest.raises(DataUnavailableError, match=r"x\.tar has no test split; give train or val"):
        load(path, "test")
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as archive:
        archive.mkdir("empty") if hasattr(archive, "mkdir") else archive.writestr("empty/", b"")
        archive.writestr("a/1.png", picture_of(0))
        archive.writestr("b/1.png", picture_of(0))
    with pytest.raises(DataCorruptedError, match=r"y\.zip/empty has no images, but the folders beside it are classes"):
        load(tmp_path / "y.zip")


def test_names_in_a_zip(tmp_path):
    """Made on a Mac, names are UTF-8 without saying so; by DOS, in its code page."""
    for i, (raw, shown) in enumerate(((b"\xc3\xa9t\xc3\xa9", "été"), (b"\x82t\x82", "été"), (b"tea", "tea"))):
        path = tmp_path / f"{i}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("XXXXX"[: len(raw)] + "/1.png", picture_of(0))
            archive.writestr("b/1.png", picture_of(0))
        path.write_bytes(path.read_bytes().replace(b"XXXXX"[: len(raw)] + b"/1.png", raw + b"/1.png"))
        assert set(load(path).class_names) == {shown, "b"}


def encrypted(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", picture_of(0))
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    return path


def test_archives_that_are_refused(tmp_path, monkeypatch):
    def text(name):
        (tmp_path / name).write_text("<!DOCTYPE html><title>Quota exceeded</title>" * 50)
        return tmp_path / name

    broken = {
        text("page.zip"): r"page\.zip is damaged or not an archive",
        text("page.tar"): r"page\.tar is damaged or not an archive",
        text("page.tar.gz"): r"page\.tar\.gz is damaged or not an archive",
        tar(tmp_path / "empty.tar", {}): r"empty\.tar has no images",
        tar(tmp_path / "texts.tar", {"a.txt": b"", "b.txt": b""}): r"no images .*, but 2 \.txt files \(a\.txt, b",
        tar(tmp_path / "bad.tar", {"a.png": b"hello"}): r"a\.png in .*bad\.tar cannot be read as an image",
        encrypted(tmp_path / "secret.zip"): r"a\.png in .*secret\.zip cannot be read as an image \(it is encrypted\)",
        tmp_path / "none.zip": r"none\.zip does not exist; give a folder of images, an archive",
        text("notes.txt"): r"notes\.txt is neither a folder nor an \.npz file nor an archive",
    }
    os.mkfifo(tmp_path / "pipe.tar")
    broken[tmp_path / "pipe.tar"] = r"pipe\.tar is damaged or not an archive \(it is a pipe"
    bomb = tar(tmp_path / "bomb.tgz", {"a.png": bytes(3 << 20)}, "w:gz")
    monkeypatch.setattr(archive_files, "_SMALL", 1 << 20)
    broken[bomb] = r"bomb\.tgz is damaged or not an archive \(it unpacks to more than"
    for path, words in broken.items():
        with pytest.raises(ZooError, match=words):
            load(path)
        with pytest.raises(ZooError, match=words):
            sources.pictures(path).batch(0, 1)


@pytest.mark.parametrize("which", ["room", "reading"])
def test_errors_of_the_system_are_not_said_to_be_damage(tmp_path, monkeypatch, which):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC if which == "room" else errno.EACCES, "why")

    path = tar(tmp_path / "x.tar.gz", {"a.png": picture_of(0)}, "w:gz")
    if which == "room":
        monkeypatch.setattr(archive_files.tempfile, "TemporaryFile", refuse)
    else:
        monkeypatch.setattr(archive_files, "open_regular", refuse)
    words = {
        "room": r"x\.tar\.gz cannot be unpacked into .* \(why\); free some",
        "reading": r"x\.tar\.gz cannot be read",
    }
    with pytest.raises(ZooError, match=words[which]):
        load(path)


def test_an_archive_is_prepared_again_only_if_its_content_changes(tmp_path, data_root):
    path = tar(tmp_path / "x.tar", {"a.png": picture_of(0)})
    first = load(path)
    (pixels,) = data_root.glob("prepared/*/*.uint8")
    made = pixels.stat().st_ino
    os.utime(path, ns=(1, 1))
    assert load(path).checksum == first.checksum
    assert pixels.stat().st_ino == made
    tar(path, {"a.png": picture_of(1)})
    assert seeds(load(path)) == [1]


def test_shards_of_webdataset(tmp_path):
    """A folder of archives is one; the same names occur in several, and nothing is downloaded to this place."""
    folder = tmp_path / "own"
    for i in range(3):
        samples = {
            "a/0.png": picture_of(2 * i),
            "a/0.cls": b"%d" % i,
            "a/1.x.png": picture_of(2 * i + 1),
            "a/1.cls": b"7",
        }
        tar(folder / f"{i}.tar", samples | {"a/._0.png": b""})
    (folder / "index.json").write_text("{}")
    for name in ("custom", "cifar10", "tiny-imagenet"):
        data = datasets.load(name, "train", 8, folder)
        assert seeds(data) == [0, 2, 4, 1, 3, 5]
        assert data.labels.tolist() == [0, 1, 2, 7, 7, 7]
        assert data.survey.left_out[0].kind == "hidden file"
    assert len(sources.pictures(folder)) == 6
    assert sorted(path.name for path in folder.iterdir()) == ["0.tar", "1.tar", "2.tar", "index.json"]
    tar(folder / "1.tar", {"a/0.png": b"hello", "a/0.cls": b"1"})
    with pytest.raises(DataCorruptedError, match=r"a/0\.png in .*own/1\.tar cannot be read as an image"):
        load(folder)
    (folder / "1.tar").write_bytes(b"hello")
    with pytest.raises(DataCorruptedError, match=r"own/1\.tar is damaged or not an archive"):
        load(folder)
    (folder / "b.png").write_bytes(picture_of(9))
    assert seeds(load(folder)) == [9], "archives beside pictures are left out"
