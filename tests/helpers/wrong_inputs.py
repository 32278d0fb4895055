"""Wrong inputs, made at random from honest ones; the same generator makes the same ones."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import random
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

TEXTS = (
    "A\x1b]0;owned\x07\x1b[2J",
    "\x9b31m",
    "\u202egnp.exe",
    "zero\u200bwidth",
    "two\nlines",
    "\u2028",
    "\ud800",
    "\x00",
    "[bold red]x[/bold red][link=http://x]y[/link]",
    "[/]",
    "<img src=x onerror=alert(1)>",
    "](javascript:alert(1))",
    "| a | b |\\|",
    "``` `x` ```",
    "'\"\\\"); __import__('os').system('id')  #",
    "$(id); `id` && id",
    "&lt;b&gt;",
    "$\\frac{",
    "猫 кошка قط 🐈",
    "x" * 100_000,
    "../../../etc/passwd",
    "{0} %s",
    "",
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 7, 10**9, 10**18, 2**63, -(2**63), 10**39, 0.5, -0.0, 1e308, 5e-324, [], {}),
    *([[]], {"": ""}, [1] * 50_000, ["x" * 100] * 20_000, {f"k{i}": i for i in range(5000)}, {"type": "custom"}),
    *TEXTS,
)
# (what is put in the place of a value, as text): what JSON's readers understand in several ways, or not at all
_RAW = ("NaN", "Infinity", "-Infinity", "1e999", "1" * 5000, "[" * 5000 + "]" * 5000, '{"a":' * 500 + "1" + "}" * 500)


# ------------------------------------------------------------------------------------------------ how inputs are made


def mutated(value: Any, chance: random.Random) -> Any:
    """Plain data with one to three changes at random places."""
    value = copy.deepcopy(value)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        holder, key = chance.choice(places)
        act = chance.random()
        if act < 0.1 and isinstance(holder, dict):
            holder.pop(key)
        elif act < 0.15 and isinstance(holder, dict):
            holder[chance.choice(TEXTS)] = chance.choice(VALUES)
        elif act < 0.3 and isinstance(holder, list):
            holder.extend(holder * chance.choice((1, 10)))
        elif act < 0.4:
            other, of = chance.choice(places)
            with contextlib.suppress(KeyError, IndexError, TypeError):
                holder[key] = copy.deepcopy(other[of])
        elif isinstance(holder[key], str) and act < 0.8:
            holder[key] = chance.choice((*TEXTS, holder[key] + chance.choice(TEXTS)))
        else:
            holder[key] = copy.deepcopy(chance.choice(VALUES))
        value = json.loads(json.dumps(value)) if _circular(value) else value
    return value


def _places(value: Any):
    for key in list(value) if isinstance(value, dict) else range(min(len(value), 50)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _circular(value: Any) -> bool:
    try:
        json.dumps(value)
    except ValueError:
        return True
    return False


def as_text(value: Any, chance: random.Random) -> bytes:
    """JSON; one in five is wrong as text too."""
    text = json.dumps(value)
    act = chance.random()
    if act < 0.08:
        numbers = list(re.finditer(r"(?<=: )-?\d+(?=[,}])", text))
        if numbers:
            found = chance.choice(numbers)
            text = text[: found.start()] + chance.choice(_RAW) + text[found.end() :]
    elif act < 0.1:
        text = text.replace("{", '{"name": "twice/twice", "name": "x/y", ', 1)
    data = text.encode("utf-8", "surrogatepass")
    if 0.1 <= act < 0.12:
        data = b"\xef\xbb\xbf" + data
    elif 0.12 <= act < 0.15:
        data = damaged(data, chance)
    elif 0.15 <= act < 0.17:
        data = text.encode("utf-16", "surrogatepass")
    return data


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Cut, or with some bytes changed, or with something put in."""
    data, act = bytearray(data), chance.random()
    if not data or act < 0.3:
        return bytes(data[: chance.randrange(len(data) + 1)])
    if act < 0.9:
        for _ in range(chance.choice((1, 2, 8))):
            data[chance.randrange(min(len(data), chance.choice((64, 1 << 10, 1 << 30))))] = chance.randrange(256)
        return bytes(data)
    at = chance.randrange(len(data))
    return bytes(data[:at]) + chance.randbytes(chance.choice((1, 100, 5000))) + bytes(data[at:])


SPECIAL = ("pipe", "device", "nothing", "itself", "folder")


def special(path: Path, chance: random.Random) -> None:
    """What stands in the place of a file and is none."""
    path.unlink(missing_ok=True)
    put_special(path, chance.choice(SPECIAL))


def put_special(path: Path, kind: str) -> None:
    """Make one of SPECIAL at a path where nothing is."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"device": "/dev/zero", "nothing": "nowhere", "itself": path.name}[kind])


def put(path: Path, data: bytes, chance: random.Random) -> None:
    if chance.random() < 0.03:
        special(path, chance)
    else:
        path.write_bytes(data)


def wrong_labels(np) -> list:
    return [
        *(np.full(12, value) for value in (-1, 10**9, 2**62, float("nan"), 1e30, 0.5, True, "cat", 1j)),
        *(np.full(12, 2**63, np.uint64), np.zeros((12, 1), int), np.zeros(11, int), np.int64(3), np.zeros(0, int)),
    ]


def wrong_images(np, images) -> list:
    return [
        *(images.astype(kind) for kind in ("float32", "int64", "complex64", "bool", "uint16", "S3", "U3")),
        *(images[:0], images[:, :0], images[0], images[0, 0, 0, 0], images[..., :2], images[..., 0], images[:, None]),
        np.full(images.shape, np.nan, np.float16),
    ]


def lying_npz(chance: random.Random) -> bytes:
    """Arrays whose headers claim what is not there, and bombs."""
    shape = chance.choice(
        (
            "(1000000000, 3, 64, 64)",
            "(12, 16, 16, 3)",
            "(-1, 16, 16, 3)",
            f"({'9' * 4000},)",
            "(12, 1e9)",
            "()",
            "(" * 300,
        )
    )
    dtype = chance.choice(("|u1", "|u1", "|O", "<f8", "|V1000000000", "<U1000000000", "x", "|u1,|u1"))
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text = chance.choice((text, text, b"{" * 5000, b"[1]", text + b" " * 60_000))
    version = chance.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", chance.choice((len(text), 60_000)) & 0xFFFF)
    array = b"\x93NUMPY" + version + length + text + bytes(chance.choice((0, 12 * 16 * 16 * 3, 30 << 20)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        archive.writestr(chance.choice(("images.npy", "train_images.npy", "../images.npy")), array)
    return buffer.getvalue()


def bomb(chance: random.Random) -> bytes:
    """Images with headers of gigantic sides, and files of other kinds under the name of one."""
    side = chance.choice((9_000, 12_000, 30_000, 65_000))
    chunks = {b"IHDR": struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), b"IDAT": zlib.compress(bytes(99))}
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks.items())
    png = b"\x89PNG\r\n\x1a\n" + b"".join(packed)
    bmp = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    ppm = f"P6 {side} {side} 255\n".encode()
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    return chance.choice((png, bmp, ppm, eps, b"", b"<svg/>", b"GIF89a" + b"\xff" * 20))
