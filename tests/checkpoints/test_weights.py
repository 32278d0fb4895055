"""A weights file is whole, the right one, and checked before it is used; or the error says which of these it is not."""

import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import zoo
from zoo.checkpoints import weights
from zoo.checkpoints.state_dicts import load_into
from zoo.common import files
from zoo.common.errors import WeightsCorruptedError, WeightsUnavailableError
from zoo.schema import registry

BUNDLED = [(n, w) for n in registry.names() for w in registry.config(n).weights if w.bundled]


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.safetensors"
    shutil.copy(weights.locate(registry.config("contragan/digits")), path)
    return path


@pytest.mark.parametrize(("name", "entry"), BUNDLED, ids=[f"{n}@{w.tag}" for n, w in BUNDLED])
def test_bundled_weights_are_the_configs(name, entry):
    path = weights.bundled_path(entry.bundled)
    assert files.sha256(path) == entry.sha256
    assert path.stat().st_size <= 32 * 2**20
    assert entry.scores, "weights without a measured score"
    assert zoo.load(f"{name}@{entry.tag}").sample(2, seed=0).uint8.float().std() > 10


def _truncated(path):
    path.write_bytes(path.read_bytes()[:-1000])


def _header_flipped(path):
    data = bytearray(path.read_bytes())
    data[20] ^= 0xFF
    path.write_bytes(data)


def _empty(path):
    path.write_bytes(b"")


def _pickle(path):
    torch.save({"weight": torch.zeros(2)}, path)


def _other_architecture(path):
    shutil.copy(weights.locate(registry.config("infomax-gan/digits")), path)


def _tensor_missing(path):
    tensors = load_file(path)
    tensors.pop("input.bias")
    save_file(tensors, path)


def _tensor_misshapen(path):
    tensors = load_file(path)
    tensors["input.bias"] = tensors["input.bias"][:-1].clone()
    save_file(tensors, path)


def _integers(path):
    tensors = load_file(path)
    tensors["input.bias"] = tensors["input.bias"].int()
    save_file(tensors, path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_truncated, "damaged or not a safetensors file"),
        (_header_flipped, "damaged or not a safetensors file"),
        (_empty, "is empty"),
        (_pickle, "is a PyTorch pickle"),
        (_other_architecture, "does not fit this architecture"),
        (_tensor_missing, "missing (input.bias)"),
        (_tensor_misshapen, "input.bias is"),
        (_integers, "torch.int32"),
    ],
)
def test_each_damage_has_its_own_message(good, damage, reason):
    damage(good)
    with pytest.raises(WeightsCorruptedError) as error:
        zoo.load("contragan/digits", weights=good)
    assert reason in str(error.value)
    assert str(good) in str(error.value)


def test_a_checkpoint_of_another_kind_is_pointed_to_the_importer(tmp_path):
    path = tmp_path / "netG.pth"
    torch.save({}, path)
    with pytest.raises(WeightsUnavailableError, match="zoo import infomax-gan/cifar10@TAG --from"):
        zoo.load("infomax-gan/cifar10", weights=path)


def test_a_flipped_byte_in_a_bundled_file_is_noticed(good, monkeypatch):
    data = bytearray(good.read_bytes())
    data[-5] ^= 1  # in a tensor: still a valid file, other images
    good.write_bytes(data)
    monkeypatch.setattr(weights, "bundled_path", lambda filename: good)
    with pytest.raises(WeightsCorruptedError, match="sha256"):
        zoo.load("contragan/digits")


def test_a_refused_file_changes_nothing(good):
    model = zoo.load("contragan/digits")
    before = {name: t.clone() for name, t in model.generator.state_dict().items()}
    _tensor_missing(good)
    with pytest.raises(WeightsCorruptedError):
        load_into(model.generator, weights.read(good), good)
    assert all(torch.equal(before[name], t) for name, t in model.generator.state_dict().items())


def test_half_precision_files_load_as_float32(good):
    assert load_file(good)["input.weight"].dtype == torch.float16
    model = zoo.load("contragan/digits", weights=good)
    assert model.generator.input.weight.dtype == torch.float32


def test_a_header_whose_length_looks_like_a_pickle(tmp_path):
    """The first byte of a safetensors file is part of a length, and 0x80 is what pickles begin with."""
    path = tmp_path / "odd.safetensors"
    for padding in range(0, 4096, 8):
        files.save(path, {"x": torch.ones(1)}, {"padding": "x" * padding})
        if path.read_bytes()[0] == 0x80:
            break
    else:
        pytest.fail("no padding gave such a header")
    assert weights.read(path)["x"].item() == 1


def test_an_exported_folder_is_a_model(good, tmp_path):
    (tmp_path / "mine").mkdir()
    shutil.copy(good, tmp_path / "mine" / "model.safetensors")
    (tmp_path / "mine" / "config.json").write_text(registry.config("contragan/digits").to_json())
    by_name, by_folder = zoo.load("contragan/digits"), zoo.load(tmp_path / "mine")
    assert zoo.info(tmp_path / "mine") == zoo.info("contragan/digits")
    assert torch.equal(by_folder.sample(4, seed=1).uint8, by_name.sample(4, seed=1).uint8)
    (tmp_path / "mine" / "model.safetensors").unlink()
    with pytest.raises(WeightsUnavailableError, match=r"model\.safetensors"):
        zoo.load(tmp_path / "mine")
    with pytest.raises(WeightsUnavailableError, match=r"no config\.json"):
        zoo.load(tmp_path)


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    target = tmp_path / "deep" / "file"
    files.write_atomically(target, b"old")

    def fail(handle):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        files.write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert [p.name for p in target.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9.safetensors"), "W.SAFETENSORS", "w\n.safetensors"])
def test_a_weights_file_of_any_name_loads(tmp_path, name):
    model = zoo.load("infomax-gan/digits", device="cpu")
    files.save(tmp_path / name, model.state_dict())
    loaded = zoo.load("infomax-gan/digits", weights=tmp_path / name, device="cpu")
    assert torch.equal(loaded.sample(2, seed=0).uint8, model.sample(2, seed=0).uint8)


def test_a_folder_of_any_name_is_exported_and_loads(tmp_path):
    model, folder = zoo.load("infomax-gan/digits", device="cpu"), tmp_path / os.fsdecode(b"caf\xe9")
    model.save_pretrained(folder)
    assert r"caf\udce9" in (folder / "README.md").read_text("utf-8")
    assert torch.equal(zoo.load(folder, device="cpu").sample(2, seed=0).uint8, model.sample(2, seed=0).uint8)
