"""Public data sets: fetched, checked and read by the publishers' and torchvision's rules.

The publishers' files cannot be had here. Stand-ins of the same layout are read by torchvision's own classes; only the
addresses and checksums of the real files are replaced.
"""

import functools
import hashlib
import http.server
import io
import pickle
import shutil
import sys
import tarfile
import threading
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pictures import image_folder, noise, picture, png, prepared
from PIL import Image
from torchvision import datasets as torchvision_datasets
from torchvision import transforms

from zoo import datasets
from zoo.common.errors import DataUnavailableError
from zoo.datasets import image_files
from zoo.schema import registry

pytestmark = pytest.mark.usefixtures("data_root")


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


@pytest.mark.parametrize(("name", "cls"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_cifar_is_downloaded_once(data_root, tmp_path, web, monkeypatch, name, cls):
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
    assert (data_root / cls.base_folder / "test").is_file()
    shutil.rmtree(data_root / cls.base_folder)
    (web.folder / cls.filename).unlink()
    assert datasets.load(name).checksum == data.checksum, "its files are needed once"
    with pytest.raises(DataUnavailableError, match=rf"cifar.* cannot be downloaded \(.*\); extract {cls.filename} of"):
        datasets.load(name, resolution=16, root=tmp_path)


def test_a_download_that_is_not_the_publishers_is_refused(web, monkeypatch, data_root):
    cls = torchvision_datasets.CIFAR10
    (web.folder / "wrong.tar.gz").write_bytes(b"<html>quota exceeded</html>")
    monkeypatch.setattr(cls, "url", web.url("wrong.tar.gz"))
    with pytest.raises(DataUnavailableError, match=r"cannot be downloaded .*corrupted"):
        datasets.load("cifar10")
    assert prepared(data_root) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("socks5://127.0.0.1:9", "http_proxy=socks5://127.0.0.1:9 is a SOCKS proxy, which cannot be used here"),
        ("/x", "http_proxy=/x is not the address of a proxy; write http_proxy=http://HOST:PORT"),
        ("127.0.0.1:9", "Connection refused>, through http_proxy=127.0.0.1:9"),
    ],
)
@pytest.mark.parametrize("name", ["cifar10", "tiny-imagenet"])
def test_the_proxy_in_the_way_is_named(monkeypatch, name, value, words):
    monkeypatch.setattr(torchvision_datasets.CIFAR10, "url", "http://data.test/a.tar.gz")
    monkeypatch.setattr(image_files.TinyImageNet, "url", "http://data.test/a.zip")
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the proxies of the first download
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", value)
    with pytest.raises(DataUnavailableError) as error:
        datasets.load(name, "train", 32)
    assert f"cannot be downloaded ({'<urlopen error [Errno 111] ' if '>' in words else ''}{words}" in str(error.value)
    monkeypatch.setattr(urllib.request, "_opener", None)


def test_stl10_is_its_unlabeled_part(data_root, web, monkeypatch):
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
    assert datasets.load("stl10", "train", 48, root=data_root).labels.tolist() == [0, 9]


def test_tiny_imagenet_in_its_own_layout(data_root, web, monkeypatch):
    ids = datasets.class_ids("tiny-imagenet")
    files = {f"train/{wnid}/images/{wnid}_{k}.PNG": png(noise(4, 4, 3, seed=k)) for wnid in ids for k in (0, 1)}
    files |= {f"val/images/val_{i}.PNG": png(noise(4, 4, 3, seed=i)) for i in range(4)}
    files["val/val_annotations.txt"] = "".join(f"val_{i}.PNG\t{ids[9 - i]}\t0\t0\t4\t4\n" for i in range(4)).encode()
    archive = web.folder / "tiny.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in files.items():
            file.writestr(f"tiny-imagenet-200/{name}", data)
    monkeypatch.setattr(image_files.TinyImageNet, "url", web.url("tiny.zip"))
    monkeypatch.setattr(image_files.TinyImageNet, "md5", md5(archive.read_bytes()))
    monkeypatch.setitem(datasets.CATALOGUE["tiny-imagenet"].splits, "train", 400)
    data = datasets.load("tiny-imagenet", "train", 4)
    assert data.labels.tolist() == [i // 2 for i in range(400)]
    assert data.class_names == datasets.class_names("tiny-imagenet")
    assert np.array_equal(data.images[5].permute(1, 2, 0), noise(4, 4, 3, seed=1)), "nothing is lost at its own size"
    assert not list(data_root.glob("*.part"))
    val = datasets.load("tiny-imagenet", "val", 4, root=data_root)
    assert val.labels.tolist() == [6, 7, 8, 9]
    assert np.array_equal(val.images[0].permute(1, 2, 0), noise(4, 4, 3, seed=3))


def test_imagenet_is_extracted_by_torchvision(data_root, tmp_path, monkeypatch):
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
    folder = data_root / "imagenet"
    archives = {
        "train": tar(folder / "ILSVRC2012_img_train.tar", inner),
        "devkit": tar(
            folder / f"{kit}.tar.gz",
            {f"{kit}/data/meta.mat": meta.getvalue(), f"{kit}/data/ILSVRC2012_validation_ground_truth.txt": b"1\n"},
        ),
    }
    known = torchvision_datasets.imagenet.ARCHIVE_META
    with pytest.raises(DataUnavailableError, match=r"archives cannot be extracted .*corrupted"):
        datasets.load("imagenet", root=data_root)
    for part, data in archives.items():
        monkeypatch.setitem(known, part, (known[part][0], md5(data)))
    made = datasets.load("imagenet", resolution=32, root=data_root)
    assert made.labels.tolist() == [0, 0, 1, 1]
    assert made.class_names == tuple(wnids)
    expected = transforms.Compose([transforms.CenterCrop(224), transforms.Resize(32)])(picture(250, 230, seed=1))
    assert np.array_equal(made.images[3].permute(1, 2, 0), np.asarray(expected))


def test_lsun_from_its_database(data_root, tmp_path):
    lmdb = pytest.importorskip("lmdb")
    path = data_root / "lsun" / "bedroom_train_lmdb"
    path.mkdir(parents=True)
    with lmdb.open(str(path), map_size=1 << 24) as database, database.begin(write=True) as transaction:
        for key in (b"c", b"a", b"b"):
            transaction.put(key, png(picture(300, 256, seed=key[0])))
    before = set(Path.cwd().iterdir())
    data = datasets.load("lsun-bedroom", resolution=128, root=data_root)
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
        ("cifar10", "val", "cifar10 has no val split; give train or test"),
        ("digits", "test", "digits has no test split; give train"),
        ("photographs", "train", "photographs is not a data set of the zoo (cifar10, "),
    ],
)
def test_what_is_not_here_says_where_to_get_it(data_root, monkeypatch, name, split, words):
    monkeypatch.setitem(sys.modules, "gdown", None)  # CelebA is on Google Drive: without it, no download is tried
    with pytest.raises(DataUnavailableError) as error:
        datasets.load(name, split)
    assert words.format(root=data_root) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("module", "name"), [("torchvision", "cifar10"), ("sklearn.datasets", "digits")])
def test_a_missing_package_is_named(monkeypatch, module, name):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, f"{module}.datasets", None)
    with pytest.raises(
        DataUnavailableError, match=r"which is not installed; run: pip install (torchvision|'scikit-learn>=1.4')"
    ):
        datasets.load(name)
