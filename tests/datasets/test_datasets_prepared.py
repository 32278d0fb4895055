"""What is prepared is whole or not there, and read when it is looked at."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from narrow import tiny
from pictures import image_folder, noise, prepared
from PIL import Image

from training.data import Batches
from zoo import datasets
from zoo.common.errors import DataCorruptedError, ZooError
from zoo.schema import registry

pytestmark = pytest.mark.usefixtures("data_root")


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
    while not any(path.stat().st_size for path in (root / "prepared").glob("*/.building.uint8.*")):
        assert builder.poll() is None, builder.stderr.read()
        time.sleep(0.005)
    return builder


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill so")
def test_a_killed_builder_leaves_nothing_that_counts(tmp_path, data_root):
    folder = many_images(tmp_path / "own", 800)
    builder = in_the_middle(start(folder), data_root)
    builder.kill()
    builder.communicate()
    assert builder.returncode == -signal.SIGKILL, "it was still at it"
    (half,) = prepared(data_root)
    assert half.name.startswith(".building.")
    data = datasets.load("custom", resolution=32, root=folder)
    assert len(data) == 800
    assert torch.equal(data.images, data.images[:1].expand_as(data.images))
    assert [path.suffix for path in prepared(data_root)] == [".uint8", ".json"], "what the dead one left is gone"


def test_two_builders_take_turns(tmp_path, data_root):
    folder = many_images(tmp_path / "own", 800)
    first = in_the_middle(start(folder), data_root)
    first.send_signal(signal.SIGSTOP)
    second = start(folder)
    assert second.stderr.readline() == "zoo: another process is preparing custom, train; waiting for it\n"
    first.send_signal(signal.SIGCONT)
    outputs = [builder.communicate(timeout=120) for builder in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    assert outputs[0] == outputs[1], "the second finds what the first has made: the same file"
    assert [path.suffix for path in prepared(data_root)] == [".uint8", ".json"]


def test_a_full_disk_is_said_before_and_while_writing(tmp_path, data_root, monkeypatch):
    folder = many_images(tmp_path / "own", 700)  # 2.2 MB
    limit = 1 << 20
    builder = start(folder, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    _, error = builder.communicate(timeout=120)
    assert "needs 2.2 MB of free space" in error
    assert "File too large" in error
    assert "set ZOO_DATA to a folder on another disk" in error
    assert prepared(data_root) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    with pytest.raises(ZooError, match=r"of free space \(1.0 MB are free\)"):
        datasets.load("custom", resolution=32, root=folder)


def test_damage_to_what_is_prepared(tmp_path, data_root):
    folder = image_folder(tmp_path / "own", ["a/1.png", "b/2.png"])
    first = datasets.load("custom", resolution=20, root=folder)
    pixels, manifest = prepared(data_root)
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
        assert prepared(data_root) == [pixels, manifest]
        assert pixels.stat().st_size == size
    flipped = bytearray(pixels.read_bytes())
    flipped[0] ^= 1
    pixels.write_bytes(flipped)  # of the right size: only reading it all tells
    with pytest.raises(DataCorruptedError, match=r"uint8 is damaged; remove .*, so that it is prepared again"):
        datasets.prepare("custom", resolution=20, root=folder)


def test_mapped_images_are_read_when_they_are_looked_at(tmp_path, data_root):
    folder = many_images(tmp_path / "own", 300)
    data = datasets.load("custom", resolution=64, root=folder)
    data = datasets.load("custom", resolution=64, root=folder)
    (pixels,) = (data_root / "prepared").glob("*/*.uint8")
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
