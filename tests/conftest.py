"""Shared by all tests: no network, no cache of the user's, the registry as it ships."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from zoo.cli import app as cli
from zoo.schema import registry

# Shells start background jobs with SIGINT ignored, which the processes that tests start and interrupt would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    # The workers share the cores, and so do the processes that they start.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The whole suite shares the cores (a worker needs 2 GB); a few files are faster in one process."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return min(os.cpu_count() or 1, 4) if whole else 0


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("ZOO_DATA", str(tmp_path_factory.getbasetemp() / "data"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def _registry_as_shipped():
    yield
    registry._registered.clear()


@pytest.fixture(autouse=True)
def _products_as_they_were():
    """Where a test sets PyTorch's newer switches of TF32 beside the older ones, reading these fails ever after."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch 2.9 recommends the newer ones
        cudnn.allow_tf32, matmul.allow_tf32 = before


@pytest.fixture
def some_data(tmp_path):
    """Makes an .npz file of 20 random images that a model of the registry can be trained on."""

    def make(name: str):
        config, chance = registry.config(name), np.random.default_rng(0)
        side, path = config.data.resolution, tmp_path / "data.npz"
        images = chance.integers(0, 256, (20, side, side, 3), dtype=np.uint8)
        split = config.data.split
        np.savez(path, **{f"{split}_images": images, f"{split}_labels": np.arange(20) % max(config.num_classes, 1)})
        return path

    return make


@pytest.fixture
def data_root(tmp_path, monkeypatch) -> Path:
    """An empty data folder for one test."""
    folder = tmp_path / "root"
    monkeypatch.setenv("ZOO_DATA", str(folder))
    return folder


class Result(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """Run the `zoo` command in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments) -> Result:
        monkeypatch.setattr(sys, "argv", ["zoo", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return Result(stop.value.code or 0, *capsys.readouterr())

    return command
