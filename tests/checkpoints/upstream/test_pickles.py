"""A checkpoint is data: whatever asks for more, or is more than it looks, is refused before PyTorch opens it."""

from __future__ import annotations

import io
import os
import pickle
import resource
import tarfile
import zipfile
from pathlib import Path

import children
import numpy as np
import pytest
import torch
from checkpoints import saved, zipped

from zoo.checkpoints.upstream import pickles
from zoo.common.errors import WeightsCorruptedError

HONEST = {
    "model_state_dict": torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).state_dict(),
    "optimizer_state_dict": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"betas": (0.0, 0.9)}]},
    "half": torch.ones(2).half(),
    "parameter": torch.nn.Parameter(torch.ones(2)),
    "ada_p": None,
    "global_step": 100_000,
}


class Call:
    """Pickles to a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def read(tmp_path):
    def read(data: bytes):
        path = tmp_path / "netG.pth"
        path.write_bytes(data)
        return pickles.read(path)

    return read


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before PyTorch 1.6"])
def test_an_honest_checkpoint_is_read(read, legacy):
    loaded = read(saved(HONEST, legacy))
    for name, tensor in HONEST["model_state_dict"].items():
        assert torch.equal(loaded["model_state_dict"][name], tensor)
    assert loaded["global_step"] == 100_000
    assert loaded["half"].dtype == torch.float16


@pytest.mark.parametrize("core", [b"numpy._core", b"numpy.core"], ids=["NumPy 2", "NumPy 1"])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before PyTorch 1.6"])
def test_numbers_of_numpy_are_read_as_numbers(read, legacy, core):
    """StudioGAN keeps the best FID beside each discriminator."""
    facts = {
        "best_fid": np.float64(7.949),
        "top1": np.float32(0.5),
        "step": np.int64(80_000),
        "is_best": np.bool_(True),
    }
    data = saved({"state_dict": HONEST["model_state_dict"], **facts}, legacy)
    here = np.float64.__reduce__(np.float64(1))[0].__module__.removesuffix(".multiarray").encode()
    loaded = read(_replaced(data, here, core))
    found = {name: loaded[name] for name in facts}
    assert found == {"best_fid": 7.949, "top1": 0.5, "step": 80_000, "is_best": True}
    assert [type(value) for value in found.values()] == [float, float, int, bool]


def test_numbers_of_numpy_are_no_way_in(read):
    """No type but numbers, no codec, no name that changes what later files are read with."""
    text = saved({"a": np.float64(1)})
    for old, new in (
        (b"f8", b"O8"),  # objects
        (b"latin1", b"idna\0\0"),
        (b"X\x02\x00\x00\x00f8", b"X\x02\x00\x00\x00f4"),  # more bytes than the number has
    ):
        with pytest.raises(WeightsCorruptedError, match="opened safely"):
            read(_replaced(text, old, new))
    for name in (b"torch._utils\n_rebuild_tensor_v2", b"numpy\ndtype", b"numpy.core.multiarray\nscalar"):
        changes = b"\x80\x02c" + name + b"\n(N}X\x08\x00\x00\x00__init__Nst" + b"b."
        with pytest.raises(WeightsCorruptedError, match="opened safely"):
            read(zipped({"x/data.pkl": changes}))
        assert read(text)["a"] == 1


@pytest.mark.parametrize("form", ["zip", "legacy", "bare"])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda path: Call(os.system, f"touch {path}"), "posix.system"),
        (lambda path: Call(eval, f"open({str(path)!r}, 'w')"), "eval"),
        (lambda path: Call(bytearray, 10**12), "bytearray"),
        (lambda path: Call(torch.Tensor, 10**6, 10**6), "torch.Tensor"),
        (lambda path: torch.nn.Linear(2, 2), "Linear"),
    ],
    ids=["os.system", "eval", "a terabyte", "a tensor of terabytes", "a module"],
)
def test_code_is_refused_and_nothing_runs(read, tmp_path, form, call, name):
    trace = tmp_path / "trace"
    value = {"state_dict": call(trace)}
    data = pickle.dumps(value) if form == "bare" else saved(value, legacy=form == "legacy")
    with pytest.raises(WeightsCorruptedError, match=rf"opened safely.*{name}.*nothing was run"):
        read(data)
    assert not trace.exists()


def _replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    """A checkpoint with its pickle changed."""
    if not data.startswith(pickles.ZIP):
        assert old in data
        return data.replace(old, new)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    name = next(name for name in entries if name.endswith("/data.pkl"))
    assert old in entries[name]
    return zipped({**entries, name: entries[name].replace(old, new)})


def _changed(old: bytes, new: bytes) -> bytes:
    """A checkpoint of one tensor of four numbers, with its pickle changed."""
    return _replaced(saved({"a": torch.arange(4.0)}), old, new)


def _overlapping() -> bytes:
    """A zip whose entries are all the same bytes, as in Fifield's bomb."""
    data = zipped({"x/data.pkl": b"." * 1000})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.filelist = [archive.filelist[0]] * 50
        archive._didModify, archive.start_dir = True, archive.start_dir
        archive.mode = "a"
        archive.fp = buffer = io.BytesIO(data)
        buffer.seek(archive.start_dir)
        archive._write_end_record()
        return buffer.getvalue()


def _tar(tmp_path) -> bytes:
    (tmp_path / "inside").write_bytes(saved(HONEST))
    with tarfile.open(tmp_path / "tar", "w") as archive:
        archive.add(tmp_path / "inside")
        archive.add(tmp_path / "inside", "../../outside")
    return (tmp_path / "tar").read_bytes()


def test_what_is_larger_inside_than_outside_is_refused(read, tmp_path):
    with pytest.raises(WeightsCorruptedError, match="compressed"):
        read(zipped({"x/data.pkl": b"\0" * 10**7}, zipfile.ZIP_DEFLATED))
    with pytest.raises(WeightsCorruptedError, match="larger than the file"):
        read(_overlapping())
    with pytest.raises(WeightsCorruptedError, match="storage 0 in it has the wrong size"):
        read(_changed(b"K\x04t", b"J\x00\x00\x10\x00t"))
    with pytest.raises(WeightsCorruptedError, match="larger than its storage"):
        read(saved({"a": torch.ones(1).as_strided((10**6, 10**6), (0, 0))}))
    legacy = saved({"a": torch.arange(4.0)}, legacy=True)
    assert legacy.count(b"K\x04N") == 1
    with pytest.raises(WeightsCorruptedError, match="storages are larger than the file"):
        read(legacy.replace(b"K\x04N", b"J\xff\xff\xff\x0fN"))


def _within(path: Path, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    pickles.read(path)


@pytest.mark.parametrize(
    "opcodes",
    [
        b"\x80\x02Nr\xff\xff\xff\x7f.",
        b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x.",
        b"\x80\x02" + b"]" * 10**6,
    ],
    ids=["a memo of gigabytes", "bytes that are not there", "a million lists"],
)
def test_a_few_bytes_do_not_take_the_memory(opcodes, tmp_path):
    for name, data in {"bare": opcodes, "zip": zipped({"x/data.pkl": opcodes})}.items():
        (tmp_path / name).write_bytes(data)
        outcome = children.run(_within, tmp_path / name, 12 << 30, environment={})
        assert outcome.error == "WeightsCorruptedError", outcome
        assert "Memory" not in outcome.message


def test_what_is_no_checkpoint_is_refused(read, tmp_path):
    flipped = bytearray(saved({"a": torch.zeros(1000)}))
    flipped[flipped.index(b"\0" * 3000) + 1500] = 1
    for data, reason in {
        _tar(tmp_path): "tar archive",
        b"": "neither",
        b"<html>quota exceeded</html>": "neither",
        saved(HONEST)[:-500]: "not a zip file",
        saved(HONEST, legacy=True)[:-20]: "EOF",
        bytes(flipped): "data/0 in it is damaged",
        zipped({"readme.txt": b"text"}): "not one of PyTorch",
        saved([1, 2, 3]): "it holds a list",
        b"\x80\x02F" + b"x" * 10_000 + b"\n.": "could not convert",
    }.items():
        with pytest.raises(WeightsCorruptedError, match=reason) as error:
            read(data)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 1000
        assert "trust" not in str(error.value), "PyTorch suggests to open it without care"
    assert not (tmp_path.parent / "outside").exists()
