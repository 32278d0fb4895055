"""Weights of others: what a safetensors file or a checkpoint claims is checked before memory is asked for."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

import pytest
import torch
from wrong_inputs import SPECIAL, put_special

from zoo.checkpoints import weights
from zoo.checkpoints.upstream import pickles
from zoo.common.errors import WeightsCorruptedError, WeightsUnavailableError, ZooError


def tensor(dtype="F32", shape=(1,), offsets=(0, 4)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def safetensors(header, body: bytes = bytes(4), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


ONE = json.dumps(tensor()).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (safetensors(b"{}", length=1 << 30), "1,073,741,824 bytes"),
        (safetensors(b"{}", length=1 << 63), "its header claims"),
        (safetensors(b"{}", length=2**64 - 1), "its header claims"),
        (safetensors(b"{}", length=100), "its header claims 100 bytes"),
        (safetensors(b'{"a":%b,"a":%b}' % (ONE, ONE)), '"a" twice'),
        (safetensors(b'{"__metadata__":{"a":"1","a":"2"},"b":%b}' % ONE), '"a" twice'),
        (safetensors({"a": tensor(), "b": tensor()}), "offset"),
        (safetensors({"a": tensor(shape=(100,), offsets=(0, 400))}), "not fully covered"),
        (safetensors({"a": tensor(offsets=(4, 8))}, bytes(8)), "offset"),
        (safetensors({"a": tensor(offsets=(4, 0))}), "offset"),
        (safetensors({"a": tensor()}, bytes(40)), "not fully covered"),
        (safetensors({"a": tensor(shape=(-1,))}), "impossible shape"),
        (safetensors({"a": tensor(shape=(2**40, 2**40))}), "overflow"),
        (safetensors({"a": tensor(shape=(0, 2**62), offsets=(0, 0))}, b""), "impossible shape"),
        (safetensors({"a": tensor(shape=(0, 2**63), offsets=(0, 0))}, b""), "impossible shape"),
        (safetensors({"a": tensor(shape=(1,) * 50_000)}), "too many dimensions"),
        (safetensors({"a": tensor(shape=(1.0,))}), "impossible shape"),
        (safetensors({f"t{i}": tensor(shape=(0,), offsets=(0, 0)) for i in range(20_000)}, b""), "20,000 keys"),
        *((safetensors({"a": tensor(dtype)}), "type") for dtype in ("F31", "F4", "F8_E8M0", "C64", "U64", "", None)),
        (safetensors(b'{"\xff": 1}'), "UTF-8"),
        (safetensors(b"[1]"), "not a JSON object"),
        (safetensors(b'{"a": 1}'), "without dtype, shape or offsets"),
        (safetensors(b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"), "nested lists"),
        (safetensors({"__metadata__": {"a": 1}, "b": tensor()}), "metadata is not text"),
        (safetensors({"__metadata__": [1], "b": tensor()}), "metadata is not text"),
        (b"\x01\x00", "its header claims"),
        (b"", "is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_header_that_lies_is_refused_quickly(tmp_path, data, reason):
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    begin = time.monotonic()
    with pytest.raises(WeightsCorruptedError, match=r"x\.safetensors.*fetch it again") as error:
        weights.read(path)
    assert reason in str(error.value)
    assert len(str(error.value)) < 600
    assert time.monotonic() - begin < 2


def test_an_honest_file_with_metadata_is_read(tmp_path):
    (tmp_path / "one.safetensors").write_bytes(safetensors({"__metadata__": {"a": "b"}, "x": tensor()}))
    assert weights.read(tmp_path / "one.safetensors")["x"].tolist() == [0]
    assert weights.read_metadata(tmp_path / "one.safetensors") == {"a": "b"}


@pytest.mark.parametrize("read", [weights.read, pickles.read, weights.read_metadata])
@pytest.mark.parametrize("kind", SPECIAL)
def test_only_files_are_read(tmp_path, kind, read):
    path = tmp_path / "x.safetensors"
    put_special(path, kind)
    with pytest.raises((WeightsCorruptedError, WeightsUnavailableError), match=r"x\.safetensors"):
        read(path)


def test_names_of_tensors_are_shown_without_effect(tmp_path):
    import zoo
    from zoo.checkpoints.state_dicts import load_into

    network = zoo.nets.build_generator(zoo.info("infomax-gan/digits").generator)
    with pytest.raises(ZooError, match="does not fit") as error:
        load_into(network, {"\x1b]0;owned\x07" + "n" * 10**6: torch.ones(1)}, Path("x"))
    assert "\x1b" not in str(error.value)
    assert len(str(error.value)) < 2000


KINDS = {
    "sparse": lambda: torch.eye(3).to_sparse(),
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    "without bytes": lambda: torch.ones(2, device="meta"),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_a_checkpoint_holds_plain_tensors_alone(tmp_path, kind):
    torch.save({"a": KINDS[kind]()}, tmp_path / "netG.pth")
    with pytest.raises(WeightsCorruptedError, match="cannot be opened safely as a checkpoint"):
        pickles.read(tmp_path / "netG.pth")
