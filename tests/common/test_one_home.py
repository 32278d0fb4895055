"""One home a thing: what common/ has is not made anew elsewhere; and what it has does what it says."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import zoo
from zoo.common import devices, package_data, pictures, torchrun
from zoo.common.errors import ZooError
from zoo.common.locks import CAN_LOCK_OPEN_FILES, lock_open_file

ROOT = Path(__file__).resolve().parents[2]
HOMES = {
    "locks": (r"\bFileLock\b|\bflock\b", {"zoo/common/locks.py"}),
    "what torchrun says": (r"[\"'](RANK|LOCAL_RANK|WORLD_SIZE)[\"']", {"zoo/common/torchrun.py"}),
    "devices by name": (r"torch\.empty\(0, device|mps\.is_available", {"zoo/common/devices.py", "zoo/cli/checkup.py"}),
    "package data": (r"resources\.files", {"zoo/common/package_data.py"}),
    "figures": (r"\bsavefig\b|\bFigure\(figsize", {"zoo/common/pictures.py"}),
    "PNG files": (r"registered_extensions|\.save\([^)]*[\"']PNG[\"']", {"zoo/common/pictures.py"}),
    "progress bars": (r"Console\(stderr=True\)", {"zoo/common/progress.py"}),
    "CUDA graphs": (r"\bCUDAGraph\b|cuda\.graph\(", {"zoo/common/cuda_graph.py"}),
    "pixel values": (r"\* 255 \+ 0\.5", {"zoo/common/quantise.py"}),
}


@pytest.mark.parametrize("thing", HOMES)
def test_each_thing_has_one_home(thing):
    pattern, homes = HOMES[thing]
    paths = (path for top in ("zoo", "training") for path in (ROOT / top).rglob("*.py"))
    found = {path.relative_to(ROOT).as_posix() for path in paths if re.search(pattern, path.read_text("utf-8"))}
    assert found == homes


@pytest.mark.skipif(not CAN_LOCK_OPEN_FILES, reason="no locks of files there")
def test_an_open_file_is_locked_until_it_is_closed(tmp_path):
    path = tmp_path / "x"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    lock_open_file(descriptor)
    code = "import os, sys; from zoo.common.locks import lock_open_file as lock; lock(os.open(sys.argv[1], os.O_RDWR))"
    command = [sys.executable, "-c", code, path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    assert "BlockingIOError" in subprocess.run(command, env=environment, capture_output=True, text=True).stderr
    os.close(descriptor)
    assert subprocess.run(command, env=environment).returncode == 0


def test_what_torchrun_says(monkeypatch):
    for name in torchrun.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert (torchrun.rank(), torchrun.world_size(), torchrun.local_rank()) == (0, 1, None)
    assert not torchrun.is_launched()
    for name, value in zip(torchrun.VARIABLES, ("3", "8", "1", "2", "localhost", "29500"), strict=True):
        monkeypatch.setenv(name, value)
    assert (torchrun.rank(), torchrun.world_size(), torchrun.local_rank()) == (3, 8, 1)
    assert torchrun.is_launched()


def test_devices_of_a_machine_with_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.all_devices("auto") == ["cuda:0", "cuda:1"]
    assert devices.all_devices("cpu") == ["cpu"]
    assert devices.rank_device("auto") == "auto", "no group"
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert devices.local_device(torch.device("cuda")) == torch.device("cuda:1")
    assert devices.local_device(torch.device("cpu")) == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ZooError, match="process 2 has no GPU, this machine has 2"):
        devices.local_device(torch.device("cuda"))


def test_pictures_are_the_bytes_of_pillow():
    image, buffer = Image.effect_noise((16, 16), 40).convert("RGB"), io.BytesIO()
    image.save(buffer, "PNG")
    assert pictures.encoded(image) == buffer.getvalue()
    assert len(pictures.encoded(image, compress_level=0)) > len(pictures.encoded(image, compress_level=9))
    assert Image.open(io.BytesIO(pictures.encoded(image, ".jpg"))).format == "JPEG"


def test_a_frame_goes_unless_it_is_kept():
    def drawn(**options) -> bytes:
        figure = pictures.new_figure(2, 1)
        figure.add_subplot()
        return pictures.figure_png(figure, dpi=50, **options)

    assert drawn() == drawn() != drawn(frames=True)
    assert Image.open(io.BytesIO(drawn())).size == (100, 50)


def test_package_data():
    assert package_data.data_path("zoo", "nets", "x.txt") == Path(zoo.__file__).parent / "nets" / "x.txt"
    assert (package_data.top_folder("hub_configs") / "sngan" / "cifar10.json").is_file()
