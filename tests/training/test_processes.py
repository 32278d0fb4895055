"""Two processes with half of each batch are one process with all of it."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import children
import pytest
import torch
import two_processes
from narrow import short

from training.processes import Processes
from training.run import trainer
from training.run.trainer import Options, train
from zoo.checkpoints import weights
from zoo.common.errors import ZooError
from zoo.schema.config import ModelConfig

NAMES = ("infomax-gan/cifar10", "contragan/cifar10", "ssgan/cifar10", "acgan/cifar10", "wgan-gp/cifar10")


def torchrun(*arguments, **kwargs) -> subprocess.CompletedProcess:
    """Two processes on this machine, importing what this one imports."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        *map(str, arguments),
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, **kwargs)


@pytest.fixture(scope="module")
def found_by_two(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    ranks = children.run_two_ranks(two_processes.save, folder, *NAMES)
    assert [rank.error for rank in ranks] == [None, None], ranks
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_losses_gradients_and_statistics_are_those_of_one_process(name, found_by_two):
    two = weights.read(found_by_two / f"{name.replace('/', '-')}.safetensors")
    one = two_processes.gradients(name, Processes())
    assert one.keys() == two.keys()
    for part in ("d/", "g/"):
        keys = [key for key in one if key.startswith(part) and one[key].ndim]
        found, expected = (torch.cat([tensors[key].flatten() for key in keys]) for tensors in (two, one))
        # As a whole: rounding moves a value across a kink now and then, and with it a few gradients by a little.
        assert float((found - expected).norm() / expected.norm()) < 1e-3, part
    for key, expected in one.items():
        if not expected.ndim:  # a loss
            assert torch.allclose(two[key], expected, rtol=1e-4, atol=1e-6), key
        elif "/G/" in key:  # a statistic
            assert torch.allclose(two[key], expected, rtol=1e-4, atol=1e-5), key


def test_a_run_of_two_processes_and_its_resumption(tmp_path):
    out = tmp_path / "run"
    size = ["--batch-size", "8", "--steps", "2"]
    done = torchrun("-m", "training", "infomax-gan/digits", "--device", "cpu", *size, "-o", out)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("trained; sample with") == 1, "one process speaks"
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 1
    config, options = ModelConfig.from_file(out / "config.json"), Options(out, device="cpu", resume=True)
    with pytest.raises(ZooError, match="made with processes 2, not 1"):
        train(config, options)


def test_a_batch_that_does_not_divide_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "joined", lambda device: nullcontext(Processes(0, 2)))
    with pytest.raises(ZooError, match="does not divide into 2 processes"):
        train(short("infomax-gan/digits", **{"training.batch_size": 7}), Options(tmp_path / "odd", device="cpu"))
    assert not (tmp_path / "odd").exists()
